// The audit log: who did what, to whose things, from where; newest first, page by page.

import * as api from "../api.js";
import { el, show } from "../dom.js";
import { moment } from "../format.js";
import { explain, has, t } from "../i18n.js";
import { button } from "../ui/button.js";
import { choice } from "../ui/field.js";
import { toast } from "../ui/toast.js";

const PAGE = 50;

/** Gives `{node, draw(users)}`. */
export function auditLog() {
  let names = new Map();
  let next = null;
  const who = choice({ label: t("users.log_who"), options: [] });
  const list = el("ol", { class: "log" });
  const none = el("p", { class: "hint" }, t("users.log_none"));
  const more = button({ label: t("users.log_more"), onClick: () => page().catch(complain) });
  const node = el(
    "section",
    { class: "card log-card", "aria-labelledby": "log-title" },
    el("div", { class: "log-head" }, el("div", {}, el("h2", { id: "log-title" }, t("users.log")), el("p", { class: "hint" }, t("users.log_words"))), who.node),
    list,
    none,
    el("p", {}, more),
  );
  who.input.addEventListener("change", () => anew().catch(complain));

  function complain(error) {
    toast(explain(error), { tone: "bad" });
  }

  async function draw(users) {
    names = new Map(users.map((user) => [user.id, user.name || user.email]));
    const chosen = who.input.value;
    const options = [["", t("users.log_everybody")], ...names];
    who.input.replaceChildren(...options.map(([value, name]) => el("option", { value }, name)));
    who.input.value = names.has(chosen) ? chosen : "";
    await anew();
  }

  async function anew() {
    next = null;
    await page(true);
  }

  async function page(first = false) {
    const query = new URLSearchParams({ limit: PAGE, ...(next !== null && { before: next }), ...(who.input.value && { actor: who.input.value }) });
    const told = await api.json(`/api/v1/audit?${query}`);
    if (first) list.replaceChildren();
    const focus = !first && document.activeElement === more;
    const rows = told.entries.map(entry);
    list.append(...rows);
    next = told.next;
    show(more, next !== null);
    show(none, list.childElementCount === 0);
    if (focus && next === null) list.lastElementChild?.scrollIntoView({ block: "nearest" });
  }

  function entry(told) {
    const when = el("time", { datetime: new Date(told.at * 1000).toISOString() }, moment(told.at));
    const what = el("span", { class: "log-what" }, sentence(told));
    const by = told.actor_name || names.get(told.actor) || t("users.log_nobody");
    return el("li", {}, when, el("span", { class: "log-who" }, by === "stenogram" ? t("users.log_itself") : by), what, el("span", { class: "log-where" }, told.address));
  }

  /** What was done, in words. */
  function sentence({ action, subject, detail }) {
    if (!has(`users.did_${action}`)) return action;
    const what = detail.name || names.get(subject) || detail.email || shortened(action, detail.job ?? subject);
    const words = t(`users.did_${action}`);
    return what && !["sign_in", "sign_out", "password_changed"].includes(action) ? `${words}: ${what}` : words;
  }

  return { node, draw };
}

/** Of what has no name here: the part of its id by which it is told from others. */
function shortened(action, id) {
  if (action.startsWith("key_")) return `stn_${id}`;
  return /^(job|share)_/.test(action) ? id.slice(0, 8) : "";
}
