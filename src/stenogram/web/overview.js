// Health, counters, and how long the queue was lately.

import { byId, el, text } from "./dom.js";
import { count } from "./format.js";
import { has, t } from "./i18n.js";
import { spark } from "./spark.js";

const COUNTERS = ["queued", "running", "succeeded", "failed", "cancelled"];

export function overview() {
  const counters = COUNTERS.map((name) => {
    const label = el("dt");
    const number = el("dd", {}, "–");
    byId("counters").append(el("div", { "data-counter": name, class: "zero" }, label, number));
    return { name, label, number };
  });
  const line = spark();
  const queued = el("span", { class: "queued" });
  const running = el("span", { class: "running" });
  byId("trend").append(line.node, el("p", { class: "legend", "aria-hidden": "true" }, queued, running));

  return function update(state) {
    showHealth({ ...state.health, words: reason(state) });
    for (const { name, label, number } of counters) {
      const value = state.counters[name] ?? 0;
      text(label, t(`dashboard.counters.${name}`));
      text(number, count(value));
      number.parentNode.classList.toggle("zero", value === 0);
    }
    text(queued, t("dashboard.legend.queued"));
    text(running, t("dashboard.legend.running"));
    line.update(state.history ?? []);
    text(byId("version"), state.version);
    document.title = `${title(state)} · Stenogram`;
  };
}

/** `words`: why, as a sentence; `word`: instead of that for the status. */
export function showHealth({ status, state = null, words, word = null }) {
  const box = byId("health");
  if (box.dataset.status !== status) box.dataset.status = status;
  const starting = status === "starting" && (state === "starting" || state === "fetching_models");
  text(byId("health-word"), word ?? t(starting ? "dashboard.health.coming" : `dashboard.health.${status}`));
  text(byId("health-reason"), words);
}

/** Why the server is as it is: in the reader's language where the page has words for it, else in the server's. */
function reason({ health, models, workers }) {
  const faulty = workers.some((worker) => worker.fault);
  if (health.status === "ready") return t("dashboard.ready");
  const key = `dashboard.reasons.${health.state}`;
  if (has(key) && !(health.state === "no_worker" && faulty)) {
    const coming = models.filter((model) => model.state === "downloading").map((model) => model.name);
    return t(key, { models: coming.join(", ") });
  }
  const told = health.reason ?? t("dashboard.no_reason");
  return told[0].toUpperCase() + told.slice(1);
}

function title({ health, counters }) {
  if (health.status !== "ready") return t(`dashboard.health.${health.status}`);
  const parts = [counters.running ? t("dashboard.title.running", { n: counters.running }) : t("dashboard.health.ready")];
  if (counters.queued) parts.push(t("dashboard.title.queued", { n: counters.queued }));
  return parts.join(", ");
}
