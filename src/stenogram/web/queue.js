// The ids of the jobs that run and that wait, in order; never more of them than that.

import { byId, el, keyed, text } from "./dom.js";
import { count } from "./format.js";
import { t } from "./i18n.js";

const SHOWN = 200;

export function updateQueue(state) {
  list("processing", state.processing, state.counters.running, state.auth);
  list("queued", state.queued, state.counters.queued, state.auth);
}

function list(id, ids, total, locked) {
  const node = byId(id);
  const shown = ids.slice(0, SHOWN).map((job) => ({ key: job, words: job, more: false }));
  const rest = (total ?? ids.length) - shown.length;
  // who has signed in sees the ids of their own jobs, and the number of those of all
  if (rest > 0) shown.push({ key: "", words: t(locked ? "dashboard.more_of_others" : "dashboard.more", { n: rest }), more: true });
  keyed(node, shown, (item) => item.key, row);
  node.classList.toggle("none", shown.length === 0);
  node.dataset.none = t("dashboard.none");
  text(byId(`${id}-count`), count(total ?? ids.length));
  // a list that scrolls must be reachable by keyboard
  if (node.scrollHeight > node.clientHeight) node.tabIndex = 0;
  else node.removeAttribute("tabindex");
}

function row({ more }) {
  const words = el(more ? "span" : "code", { class: more ? "hint" : "job-id" });
  return { node: el("li", {}, words), update: (item) => text(words, item.words) };
}
