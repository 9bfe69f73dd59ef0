// Health, counters, and how long the queue was lately.

import { byId, el, text } from "./dom.js";
import { count } from "./format.js";
import { spark } from "./spark.js";

const HEALTH = { ready: "Ready", starting: "Not ready", error: "Fault", unknown: "Unknown" };
const COUNTERS = [
  ["queued", "Queued"],
  ["running", "Processing"],
  ["succeeded", "Done"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
];

export function overview() {
  const numbers = new Map();
  for (const [name, label] of COUNTERS) {
    const number = el("dd", {}, "–");
    numbers.set(name, number);
    byId("counters").append(el("div", { "data-counter": name, class: "zero" }, el("dt", {}, label), number));
  }
  const line = spark();
  const legend = el(
    "p",
    { class: "legend", "aria-hidden": "true" },
    el("span", { class: "queued" }, "queued"),
    el("span", { class: "running" }, "processing"),
  );
  byId("trend").append(line.node, legend);

  return function update(state) {
    showHealth(state.health);
    for (const [name, number] of numbers) {
      const value = state.counters[name] ?? 0;
      text(number, count(value));
      number.parentNode.classList.toggle("zero", value === 0);
    }
    line.update(state.history ?? []);
    text(byId("version"), state.version);
    document.title = `${title(state)} · Stenogram`;
  };
}

export function showHealth({ status, state = null, reason }) {
  const box = byId("health");
  if (box.dataset.status !== status) box.dataset.status = status;
  const starting = status === "starting" && (state === "starting" || state === "fetching_models");
  text(byId("health-word"), starting ? "Starting" : (HEALTH[status] ?? status));
  const told = reason ?? (status === "ready" ? "New jobs start at once or wait their turn." : "No reason was given.");
  text(byId("health-reason"), told[0].toUpperCase() + told.slice(1));
}

function title({ health, counters }) {
  if (health.status !== "ready") return HEALTH[health.status] ?? health.status;
  const waiting = counters.queued ? `, ${count(counters.queued)} queued` : "";
  return counters.running ? `${count(counters.running)} processing${waiting}` : `Ready${waiting}`;
}
