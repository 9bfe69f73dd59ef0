// The menus of a segment: who speaks, and what can be done with it.

import { el } from "../../dom.js";
import { t } from "../../i18n.js";
import { dialog } from "../../ui/dialog.js";
import { menu } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";

/** `tools`: `{editing, lines, hear(time), link(time), announce}`. */
export function rowMenus(document_, { editing, lines, hear, link, announce }) {
  let asked = null; // what the reader marked before the menu took the focus away

  function attach(row) {
    row.time.addEventListener("click", () => hear(row.segment.start));
    if (document_.readOnly) return;
    row.speaker.addEventListener("pointerdown", () => (asked = null));
    menu(row.speaker, () => names(row));
    menu(row.more, () => actions(row));
  }

  /** Ask who speaks in a segment, or in what is marked. */
  function pick(id) {
    const row = lines.row(id);
    if (!row) return false;
    asked = editing.selection ?? [id];
    editing.leave();
    row.pick();
    return true;
  }

  function names(row) {
    const where = asked ?? run(row.segment.id);
    asked = null;
    const now = row.segment.speaker;
    const known = document_.speakerNames.map((name) => ({ label: name, checked: name === now, run: () => assign(where, name) }));
    const nobody = now === null ? [] : [{ label: t("transcript.row.nobody"), run: () => assign(where, null) }];
    return [...known, ...(known.length ? [null] : []), { label: t("transcript.row.new_speaker"), glyph: "add", run: () => introduce(where) }, ...nobody];
  }

  /** The segments that one speaker says without a break, from this one on. */
  function run(id) {
    const { segments } = document_;
    const from = document_.indexOf(id);
    let to = from;
    while (segments[to + 1] && segments[to + 1].speaker === segments[from].speaker) to += 1;
    return segments.slice(from, to + 1).map((segment) => segment.id);
  }

  function assign(where, name) {
    document_.setSpeaker(where, name);
    announce(t("transcript.row.assigned", { name: name ?? t("transcript.row.nobody") }));
  }

  async function introduce(where) {
    const input = el("input", { type: "text", maxlength: "80", required: "", autofocus: "", "aria-label": t("transcript.row.name") });
    const body = el("div", { class: "field" }, el("span", { class: "label" }, t("transcript.row.name")), input);
    const agreed = await dialog({ title: t("transcript.row.new_speaker"), body, actions: [{ label: t("common.add"), kind: "primary" }] });
    if (agreed && input.value.trim()) assign(where, input.value.trim());
  }

  function actions(row) {
    const { id, start, text } = row.segment;
    const first = document_.indexOf(id) === 0;
    return [
      { label: t("transcript.row.play"), glyph: "play", run: () => hear(start) },
      { label: t("transcript.row.edit"), glyph: "edit", run: () => editing.enter(id, Infinity) },
      { label: t("transcript.row.who"), glyph: "person", run: () => pick(id) },
      { label: t("transcript.row.join"), glyph: "merge", disabled: first, run: () => join(id) },
      null,
      { label: t("transcript.row.copy"), glyph: "copy", run: () => copy(text) },
      { label: t("transcript.row.link"), glyph: "link", run: () => copy(link(start)) },
      null,
      { label: t("transcript.row.remove"), glyph: "trash", danger: true, run: () => remove(id) },
    ];
  }

  function join(id) {
    const seam = document_.join(id);
    if (seam) editing.enter(seam.id, seam.offset);
  }

  function remove(id) {
    document_.remove([id]);
    toast(t("transcript.row.removed"), { action: { label: t("common.undo"), run: () => document_.undo() } });
  }

  async function copy(words) {
    try {
      await navigator.clipboard.writeText(words);
    } catch { // not over plain HTTP: the old way
      const place = el("textarea", { class: "sr", "aria-hidden": "true", tabindex: "-1" });
      place.value = words;
      document.body.append(place);
      place.select();
      document.execCommand("copy");
      place.remove();
    }
    toast(t("common.copied"));
  }

  return { attach, pick };
}
