// Who speaks: names, how much each says, two made one and parted again.

import * as api from "../../api.js";
import { el, text } from "../../dom.js";
import { clock, percent, span } from "../../format.js";
import { explain, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { menu } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";

export const speakers = { id: "speakers", label: "panels.speakers.title", glyph: "people", mount };

function mount(root, { document: transcript, player, context }) {
  const path = `/api/v1/transcriptions/${transcript.jobId}/speakers`;
  const list = el("ul", { class: "speakers" });
  const hint = el("p", { class: "hint" }, t("panels.speakers.hint"));
  const fault = el("p", { class: "fault", role: "alert" });
  let told = [];
  root.append(list, fault, hint);
  load();
  transcript.addEventListener("state", saved);

  async function load() {
    try {
      told = (await api.json(path)).speakers;
    } catch (error) {
      text(fault, explain(error));
      return;
    }
    if (list.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return; // not under the reader's hands
    draw();
  }

  function draw() {
    text(fault, "");
    if (!told.length) {
      list.replaceChildren(el("li", { class: "hint" }, t("panels.speakers.none")));
      return;
    }
    const all = told.reduce((sum, { seconds }) => sum + seconds, 0) || 1;
    list.replaceChildren(...told.map((each) => row(each, all)));
  }

  function row(each, all) {
    const id = `speaker-${each.labels[0]}`;
    const input = el("input", { id, value: each.speaker, maxlength: "100", autocomplete: "off", list: "speaker-names" });
    input.setAttribute("aria-label", t("panels.speakers.name_of", { name: each.speaker }));
    input.addEventListener("change", () => rename(each, input));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") input.blur();
      if (event.key === "Escape") {
        input.value = each.speaker;
        input.blur();
      }
    });
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.setProperty("--speaker", context.colour(each.speaker));
    const facts = el("p", { class: "hint" }, `${percent((100 * each.seconds) / all)} · ${span(each.seconds)} · ${t("panels.speakers.words", { n: each.words })}`);
    const play = button({ label: t("panels.speakers.play", { name: each.speaker }), glyph: "play", kind: "quiet", only: true, onClick: () => sample(each) });
    const more = button({ label: t("panels.speakers.more", { name: each.speaker }), glyph: "more", kind: "quiet", only: true });
    menu(more, () => actions(each));
    return el("li", { class: "speaker" }, swatch, input, play, more, facts);
  }

  function actions(each) {
    const others = told.filter((other) => other !== each);
    const first = transcript.segments.find(({ speaker }) => speaker === each.speaker);
    return [
      { label: t("panels.speakers.first"), glyph: "forward", disabled: !first, run: () => { context.goTo({ id: first.id }, { write: false }); player?.seek(first.start); } },
      ...(others.length ? [null] : []),
      ...others.map((other) => ({ label: t("panels.speakers.merge", { name: other.speaker }), glyph: "merge", run: () => merge(each, other) })),
      ...(each.labels.length > 1 || each.labels[0] !== each.speaker ? [null, { label: t("panels.speakers.part"), glyph: "split", run: () => send(Object.fromEntries(each.labels.map((label) => [label, null]))) }] : []),
    ];
  }

  function merge(each, other) {
    const before = Object.fromEntries(each.labels.map((label) => [label, each.speaker === label ? null : each.speaker]));
    send(Object.fromEntries(each.labels.map((label) => [label, other.speaker])));
    toast(t("panels.speakers.merged", { name: each.speaker, other: other.speaker }), { action: { label: t("common.undo"), run: () => send(before) } });
  }

  function rename(each, input) {
    const name = input.value.trim();
    if (name === each.speaker) return;
    send(Object.fromEntries(each.labels.map((label) => [label, name || null])));
  }

  async function send(names) {
    try {
      await transcript.flush();
      told = (await api.json(path, { method: "PATCH", json: names })).speakers;
      await transcript.reload();
      context.announce(t("common.saved"));
    } catch (error) {
      text(fault, explain(error));
    }
    draw();
  }

  /** Their longest passage: there they are heard best. */
  function sample(each) {
    const own = transcript.segments.filter(({ speaker }) => speaker === each.speaker);
    if (!own.length) return;
    const longest = own.reduce((best, one) => (one.end - one.start > best.end - best.start ? one : best));
    context.goTo({ id: longest.id }, { write: false });
    context.hear(longest.start);
    context.announce(t("panels.play_from", { time: clock(longest.start) }));
  }

  function saved() {
    if (transcript.state === "saved") load();
  }

  return { unmount: () => transcript.removeEventListener("state", saved) };
}
