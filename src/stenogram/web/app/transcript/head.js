// Above the text: what it is called, where it comes from, and whether it is saved.

import { el, show, text } from "../../dom.js";
import { ago, clock, languageName } from "../../format.js";
import { explain, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";
import { toast } from "../../ui/toast.js";

/** What a recording is called: its title, else the name of its file. */
export function nameOf({ title, filename, job_id: id }) {
  return title || filename || t("transcript.untitled", { id: (id ?? "").slice(0, 8) });
}

/** Title and origin; `rename(title)` where it may be changed. */
export function head(facts, { rename = null } = {}) {
  const title = el("h1", {}, nameOf(facts));
  const pencil = button({ label: t("common.rename"), glyph: "edit", kind: "quiet", only: true, onClick: edit });
  const line = el("div", { class: "title-line" }, title, ...(rename ? [pencil] : []));
  const origin = el("p", { class: "origin hint" });
  const back = el("a", { class: "back", href: "/app/library" }, icon("back", 18), el("span", {}, t("nav.library")));
  const node = el("header", { class: "transcript-head" }, back, line, origin);

  function edit() {
    const input = el("input", { type: "text", maxlength: "200", "aria-label": t("transcript.title") });
    input.value = nameOf(facts);
    line.replaceChildren(input);
    input.focus();
    input.select();
    let over = false;
    const end = async (keep) => {
      if (over) return;
      over = true;
      const value = input.value.trim();
      line.replaceChildren(title, pencil);
      if (!keep || value === nameOf(facts)) return;
      text(title, value || facts.filename);
      await rename(value || null).catch((error) => toast(explain(error), { tone: "bad" }));
      draw();
    };
    input.addEventListener("blur", () => end(true));
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      end(event.key === "Enter").finally(() => pencil.focus());
    });
  }

  function draw() {
    text(title, nameOf(facts));
    const parts = [
      facts.duration ? clock(facts.duration) : null,
      facts.language ? languageName(facts.language) : null,
      facts.model,
      facts.title && facts.filename ? facts.filename : null,
      facts.edited_at ? t("transcript.edited", { when: ago(facts.edited_at) }) : null,
    ];
    text(origin, parts.filter(Boolean).join(" · "));
  }

  draw();
  return {
    node,
    /** The facts changed. */
    update(now) {
      facts = now;
      draw();
    },
  };
}

const GLYPHS = { saved: "check", saving: "upload", unsaved: "edit", offline: "alert", conflict: "alert", refused: "alert" };

/** The line that says whether all is saved. `decide()` is asked for where two edits contradict each other. */
export function saveState(document, { decide, announce }) {
  const words = el("span", {});
  const glyph = el("span", { class: "state-glyph" });
  const answer = button({ label: t("transcript.save.decide"), onClick: decide });
  const again = button({ label: t("common.again"), onClick: () => document.flush() });
  const node = el("p", { class: "save-state" }, glyph, words, answer, again);
  let told = null;

  function draw() {
    const { state } = document;
    const said = state === "refused" ? t("transcript.save.refused", { why: explain(document.error) }) : t(`transcript.save.${state}`);
    text(words, said);
    show(answer, state === "conflict");
    show(again, state === "refused" || state === "offline");
    if (state === told) return;
    told = state;
    node.dataset.state = state;
    glyph.replaceChildren(icon(GLYPHS[state], 16));
    if (["offline", "conflict", "refused"].includes(state)) announce(said);
  }

  document.addEventListener("state", draw);
  draw();
  return node;
}
