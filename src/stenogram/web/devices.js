// What each GPU does, and the processor and memory of the server itself.

import { byId, el, keyed, show, text } from "./dom.js";
import { mebibytes, percent } from "./format.js";
import { bar } from "./meter.js";

export function updateDevices(state) {
  const several = new Set(state.gpus.map((gpu) => gpu.host)).size > 1;
  const gpus = state.gpus.map((gpu, place) => ({ ...gpu, place, several }));
  const items = [...gpus, { place: "server", ...state.cpu }];
  keyed(byId("devices"), items, (item) => item.place, (item) => (item.place === "server" ? server() : gpu()));
}

function gpu() {
  const title = el("h3");
  const name = el("p", { class: "device-name" });
  const use = bar("Utilisation");
  const memory = bar("VRAM", { scarce: true });
  const job = work();
  const node = el("li", { class: "device gpu" }, el("div", { class: "device-head" }, title, name), use.node, memory.node, job.node);

  function update(item) {
    text(title, `GPU ${item.index}`);
    text(name, item.several && item.host ? `${item.name} · ${item.host}` : item.name);
    use.update(item.util_percent === null ? null : item.util_percent / 100, percent(item.util_percent));
    const told = `${mebibytes(item.vram_used_mb)} of ${mebibytes(item.vram_total_mb)} · ${percent(item.vram_percent)}`;
    memory.update(item.vram_used_mb / item.vram_total_mb, told);
    job.update(item);
  }

  return { node, update };
}

function server() {
  const use = bar("CPU");
  const memory = bar("Memory", { scarce: true });
  const head = el("div", { class: "device-head" }, el("h3", {}, "Server"), el("p", { class: "device-name" }, "processor and memory"));
  const node = el("li", { class: "device server" }, head, el("div", { class: "pair" }, use.node, memory.node));

  function update(item) {
    use.update(item.percent / 100, percent(item.percent));
    const share = item.memory_total_mb ? item.memory_used_mb / item.memory_total_mb : null;
    const told = `${mebibytes(item.memory_used_mb)} of ${mebibytes(item.memory_total_mb)} · ${percent(100 * share)}`;
    memory.update(share, share === null ? "not known" : told);
  }

  return { node, update };
}

/** The job and model that a device or worker has in hand. */
export function work() {
  const job = el("code", { class: "job-id" });
  const model = el("span", { class: "model-name" });
  const idle = el("span", { class: "hint" }, "no job");
  const node = el("p", { class: "work" }, job, model, idle);

  function update(item) {
    text(job, item.job_id ?? "");
    text(model, item.model ?? "");
    show(job, Boolean(item.job_id));
    show(model, Boolean(item.model));
    show(idle, !item.job_id);
    text(idle, item.state === "busy" ? "somebody else's job" : "no job");
  }

  return { node, update };
}
