// The enabled models: whether each is here, on its way, or in memory; and the choice of them for an upload.

import { byId, el, keyed, show, text } from "./dom.js";
import { bytes, languageName, languages, percent } from "./format.js";
import { t } from "./i18n.js";
import { bar } from "./meter.js";

export function updateModels(state) {
  const list = byId("models");
  keyed(list, state.models, (model) => model.name, row);
  list.classList.toggle("none", state.models.length === 0);
  list.dataset.none = t("dashboard.none");
  const ready = state.models.filter((model) => model.state === "installed");
  keyed(byId("model"), [{ name: "" }, ...ready], (model) => model.name, choice);
  const codes = [...new Set(ready.flatMap((model) => model.languages ?? []))].filter((code) => code !== "*");
  keyed(byId("languages"), codes.sort(), (code) => code, option);
}

function row() {
  const name = el("strong");
  const state = el("span", { class: "badge" });
  const spoken = el("p", { class: "hint facts" });
  const download = bar(() => t("dashboard.download"), { role: "progressbar" });
  const fault = el("p", { class: "fault" });
  const node = el("li", {}, el("p", { class: "row-head" }, name, state), spoken, download.node, fault);

  function update(model) {
    const stands = model.loaded ? "loaded" : model.state;
    text(name, model.name);
    text(state, t(`dashboard.model_states.${stands}`));
    state.dataset.state = stands;
    const size = model.bytes_total && model.state !== "downloading" ? bytes(model.bytes_total) : "";
    text(spoken, [languages(model.languages), size].filter(Boolean).join(" · "));
    show(spoken, spoken.textContent !== "");
    show(download.node, model.state === "downloading");
    download.update(model.progress, downloaded(model));
    text(fault, model.error ?? "");
    show(fault, Boolean(model.error));
  }

  return { node, update };
}

function downloaded({ progress, bytes_done: done, bytes_total: total }) {
  if (progress === null || progress === undefined) return done ? bytes(done) : "";
  return `${t("dashboard.part_of", { part: bytes(done), whole: bytes(total) })} · ${percent(100 * progress)}`;
}

function choice(model) {
  const node = byId("model").querySelector(`option[value="${CSS.escape(model.name)}"]`) ?? el("option", { value: model.name }, model.name);
  return { node, update: () => {} };
}

function option(code) {
  const node = el("option", { value: code });
  return { node, update: () => text(node, languageName(code)) };
}
