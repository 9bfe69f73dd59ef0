// The processes that compute or ask a language model: those that live, and below them those that ended within the hour.

import { work } from "./devices.js";
import { byId, el, keyed, show, text } from "./dom.js";
import { bytes, count } from "./format.js";
import { t } from "./i18n.js";

const GONE = ["lost", "stopped"];

export function updateWorkers(state) {
  const all = [...state.workers, ...state.chat_workers];
  const alive = all.filter((worker) => !GONE.includes(worker.state));
  const gone = all.filter((worker) => GONE.includes(worker.state));
  keyed(byId("workers"), alive, (worker) => worker.id, row);
  keyed(byId("gone-workers"), gone, (worker) => worker.id, row);
  byId("workers").classList.toggle("none", alive.length === 0);
  byId("workers").dataset.none = t("dashboard.none");
  text(byId("workers-count"), count(alive.length));
  text(byId("gone-summary"), t("dashboard.gone", { n: gone.length }));
  show(byId("gone"), gone.length > 0);
}

function row() {
  const device = el("strong");
  const host = el("span", { class: "hint" });
  const state = el("span", { class: "badge" });
  const facts = el("p", { class: "hint facts" });
  const fault = el("p", { class: "fault" });
  const job = work();
  const head = el("p", { class: "row-head" }, device, host, state);
  const node = el("li", { class: "device worker" }, head, job.node, facts, fault);

  function update(worker) {
    text(device, worker.device === "chat" ? t("dashboard.chat") : worker.device);
    text(host, worker.host);
    text(state, t(`dashboard.worker_states.${worker.state}`));
    state.dataset.state = worker.state;
    text(facts, `${bytes(worker.memory_bytes)} · ${holds(worker)}`);
    text(fault, worker.fault ?? "");
    show(facts, !GONE.includes(worker.state));
    show(fault, Boolean(worker.fault));
    show(job.node, worker.state === "busy");
    job.update(worker);
  }

  return { node, update };
}

function holds({ device, loaded }) {
  if (loaded.length) return t("dashboard.in_memory", { models: loaded.join(", ") });
  return t(device === "chat" ? "dashboard.chat_work" : "dashboard.nothing_in_memory");
}
