// What each GPU does, and the processor and memory of the server itself.

import { byId, el, keyed, show, text } from "./dom.js";
import { mebibytes, percent } from "./format.js";
import { t } from "./i18n.js";
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
  const use = bar(() => t("dashboard.utilisation"));
  const memory = bar(() => t("dashboard.vram"), { scarce: true });
  const job = work();
  const node = el("li", { class: "device gpu" }, el("div", { class: "device-head" }, title, name), use.node, memory.node, job.node);

  function update(item) {
    text(title, `GPU ${item.index}`);
    text(name, item.several && item.host ? `${item.name} · ${item.host}` : item.name);
    use.update(item.util_percent === null ? null : item.util_percent / 100, percent(item.util_percent));
    memory.update(item.vram_used_mb / item.vram_total_mb, used(item.vram_used_mb, item.vram_total_mb, item.vram_percent));
    job.update(item);
  }

  return { node, update };
}

function server() {
  const use = bar(() => t("dashboard.cpu"));
  const memory = bar(() => t("dashboard.memory"), { scarce: true });
  const title = el("h3");
  const words = el("p", { class: "device-name" });
  const head = el("div", { class: "device-head" }, title, words);
  const node = el("li", { class: "device server" }, head, el("div", { class: "pair" }, use.node, memory.node));

  function update(item) {
    text(title, t("dashboard.server"));
    text(words, t("dashboard.server_parts"));
    use.update(item.percent / 100, percent(item.percent));
    const share = item.memory_total_mb ? item.memory_used_mb / item.memory_total_mb : null;
    memory.update(share, share === null ? t("dashboard.not_known") : used(item.memory_used_mb, item.memory_total_mb, 100 * share));
  }

  return { node, update };
}

function used(part_mb, whole_mb, share_percent) {
  return `${t("dashboard.part_of", { part: mebibytes(part_mb), whole: mebibytes(whole_mb) })} · ${percent(share_percent)}`;
}

/** The job and model that a device or worker has in hand. */
export function work() {
  const job = el("code", { class: "job-id" });
  const model = el("span", { class: "model-name" });
  const idle = el("span", { class: "hint" });
  const node = el("p", { class: "work" }, job, model, idle);

  function update(item) {
    text(job, item.job_id ?? "");
    text(model, item.model ?? "");
    show(job, Boolean(item.job_id));
    show(model, Boolean(item.model));
    show(idle, !item.job_id);
    text(idle, t(item.state === "busy" ? "dashboard.others_job" : "dashboard.no_job"));
  }

  return { node, update };
}
