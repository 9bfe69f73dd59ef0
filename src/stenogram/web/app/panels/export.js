// Files to take away: which format, by which rules, and what it will look like.

import * as api from "../../api.js";
import { el, show, text } from "../../dom.js";
import { clock } from "../../format.js";
import { explain, t } from "../../i18n.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { toast } from "../../ui/toast.js";

const FORMATS = ["docx", "txt", "srt", "vtt", "json", "verbose_json", "tsv"];
const SUBTITLES = ["srt", "vtt"];
const WITH_SPEAKERS = ["docx", "txt", "srt", "vtt"];
const WITH_TIMES = ["docx", "txt"];
const RULES = { max_line_chars: [10, 500, 42], max_lines: [1, 10, 2], max_cps: [0, 100, 0], min_gap_ms: [0, 5000, 0], max_cue_s: [1, 60, 7] };
const PREVIEW_CHARS = 4000;
const MOST_WARNINGS = 5;
const PAUSE_MS = 300;

export const exporting = { id: "export", label: "panels.export.title", glyph: "download", mount };

function mount(root, { document: transcript, context }) {
  const base = `/api/v1/transcriptions/${transcript.jobId}`;
  const kept = { format: "docx", speakers: true, timestamps: false, enhanced: false, ...session.settings().export };
  const format = el("select", { id: "export-format" }, ...FORMATS.map((name) => el("option", { value: name }, t(`panels.export.formats.${name}`))));
  const speakers = check("speakers");
  const timestamps = check("timestamps");
  const enhanced = check("enhanced");
  const rules = el("fieldset", { class: "rules" }, el("legend", {}, t("panels.export.rules")));
  const fields = Object.entries(RULES).map(([name, [low, high, usual]]) => rule(name, low, high, usual));
  const preview = el("pre", { class: "preview", tabindex: "0", role: "region", "aria-label": t("panels.export.preview") });
  const warnings = el("ul", { class: "warnings", role: "status" });
  const download = button({ label: t("panels.export.download"), glyph: "download", kind: "primary", onClick: fetchIt });
  const copy = button({ label: t("common.copy"), glyph: "copy", onClick: copyIt });
  let timer = 0;
  let round = 0;

  format.value = FORMATS.includes(kept.format) ? kept.format : "docx";
  rules.append(...fields.map(({ node }) => node));
  root.append(
    el("p", { class: "field" }, el("label", { for: "export-format" }, t("panels.export.format")), format),
    el("div", { class: "checks" }, speakers.node, timestamps.node, enhanced.node),
    rules,
    el("div", { class: "panel-actions" }, download, copy),
    warnings,
    el("h3", {}, t("panels.export.preview")),
    preview,
  );
  root.addEventListener("input", changed);
  show(enhanced.node, transcript.facts.llm_enhancement_status === "completed");
  transcript.addEventListener("state", saved);
  draw();

  function check(name) {
    const input = el("input", { id: `export-${name}`, type: "checkbox" });
    input.checked = kept[name] === true;
    return { input, node: el("p", { class: "check" }, input, el("label", { for: input.id }, t(`panels.export.${name}`))) };
  }

  function rule(name, low, high, usual) {
    const input = el("input", { id: `export-${name}`, type: "number", min: String(low), max: String(high), step: name === "max_cue_s" ? "0.5" : "1", inputmode: "decimal" });
    input.value = kept[name] ?? usual;
    return { name, input, usual, node: el("p", { class: "field" }, el("label", { for: input.id }, t(`panels.export.${name}`)), input) };
  }

  /** What is asked for, as the query of the API. */
  function query() {
    const name = format.value;
    const wish = new URLSearchParams({ format: name });
    if (WITH_SPEAKERS.includes(name)) wish.set("speakers", String(speakers.input.checked));
    if (WITH_TIMES.includes(name)) wish.set("timestamps", String(timestamps.input.checked));
    if (enhanced.input.checked && !enhanced.node.hidden) wish.set("enhanced", "true");
    if (SUBTITLES.includes(name)) {
      for (const { name: rule, input, usual } of fields) if (input.value !== "" && Number(input.value) !== usual && input.checkValidity()) wish.set(rule, input.value);
    }
    return wish;
  }

  function changed() {
    const chosen = { format: format.value, speakers: speakers.input.checked, timestamps: timestamps.input.checked, enhanced: enhanced.input.checked };
    for (const { name, input, usual } of fields) if (input.value !== "" && Number(input.value) !== usual) chosen[name] = Number(input.value);
    session.remember({ export: chosen }).catch(() => {});
    draw();
  }

  function draw() {
    const name = format.value;
    show(speakers.node, WITH_SPEAKERS.includes(name));
    show(timestamps.node, WITH_TIMES.includes(name));
    show(rules, SUBTITLES.includes(name));
    show(copy, name !== "docx");
    later();
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  }

  async function look() {
    const mine = (round += 1);
    try {
      await transcript.flush();
      const told = await api.json(`${base}/preview?${query()}&limit=${PREVIEW_CHARS}`);
      if (mine !== round) return;
      text(preview, told.text + (told.truncated ? "\n…" : ""));
      warnings.replaceChildren(...told.warnings.slice(0, MOST_WARNINGS).map(warning));
      const more = told.warnings_total - MOST_WARNINGS;
      if (more > 0) warnings.append(el("li", {}, t("panels.export.more_warnings", { n: more })));
    } catch (error) {
      if (mine === round) text(preview, explain(error));
    }
  }

  /** A cue that breaks a rule although it was cut to keep it. */
  function warning({ cue, rule, found, allowed, start }) {
    return el("li", {}, t(`panels.export.broken.${rule}`, { cue, time: clock(start), found, allowed }));
  }

  async function fetchIt() {
    await transcript.flush();
    const link = el("a", { href: `${base}?${query()}&download=true`, download: "" });
    document.body.append(link);
    link.click();
    link.remove();
    context.announce(t("panels.export.begun"));
  }

  async function copyIt() {
    try {
      await transcript.flush();
      await navigator.clipboard.writeText(await (await api.request(`${base}?${query()}`)).text());
      toast(t("common.copied"));
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    }
  }

  function saved() {
    if (transcript.state === "saved") later();
  }

  return {
    unmount() {
      clearTimeout(timer);
      round += 1;
      transcript.removeEventListener("state", saved);
    },
  };
}
