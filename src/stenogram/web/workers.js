// The processes that compute: those that live, and below them those that ended within the hour.

import { byId, el, keyed, show, text } from "./dom.js";
import { work } from "./devices.js";
import { bytes, count } from "./format.js";

const GONE = ["lost", "stopped"];

export function updateWorkers(state) {
  const alive = state.workers.filter((worker) => !GONE.includes(worker.state));
  const gone = state.workers.filter((worker) => GONE.includes(worker.state));
  keyed(byId("workers"), alive, (worker) => worker.id, row);
  keyed(byId("gone-workers"), gone, (worker) => worker.id, row);
  text(byId("workers-count"), count(alive.length));
  text(byId("gone-summary"), `${count(gone.length)} ended within the hour`);
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
    text(device, worker.device);
    text(host, worker.host);
    text(state, worker.state);
    state.dataset.state = worker.state;
    const loaded = worker.loaded.length ? `in memory: ${worker.loaded.join(", ")}` : "no model in memory";
    text(facts, `${bytes(worker.memory_bytes)} · ${loaded}`);
    text(fault, worker.fault ?? "");
    const alive = !GONE.includes(worker.state);
    show(facts, alive);
    show(fault, Boolean(worker.fault));
    show(job.node, worker.state === "busy");
    job.update(worker);
  }

  return { node, update };
}
