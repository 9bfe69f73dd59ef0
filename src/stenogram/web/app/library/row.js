// A recording in the list.

import * as api from "../../api.js";
import { el, keyed, show, text } from "../../dom.js";
import { ago, clock, languageName, moment, percent, span } from "../../format.js";
import { explain, has, t } from "../../i18n.js";
import { bar } from "../../meter.js";
import { button } from "../../ui/button.js";
import { menu } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";
import { words as faultOf } from "../transcribe/fault.js";
import { write } from "./address.js";

const MOST_CHARS = 200;

export class Row {
  #name = el("a", { class: "item-name" });
  #still = el("span", { class: "item-name" });
  #badge = el("span", { class: "badge" });
  #about = el("p", { class: "item-about hint" });
  #tags = el("ul", { class: "item-tags", "aria-label": t("library.tags") });
  #length = fact("length");
  #model = fact("model");
  #date = fact("date");
  #progress = bar(() => t("library.progress"), { role: "progressbar" });
  #fault = el("p", { class: "fault item-wide" });
  #snippets = el("ul", { class: "snippets item-wide" });
  #hits = el("p", { class: "hint item-wide" });
  #box = el("input", { type: "checkbox", class: "item-box" });
  #query;
  #renaming = null;

  /** `hands`: what the list does for it: `query`, `select(row, {range})`, `menuOf(item)`, `renamed(item)`. */
  constructor(item, hands) {
    this.#query = hands.query;
    this.hands = hands;
    const title = el("div", { class: "item-title" }, this.#name, this.#still);
    const under = el("div", { class: "item-under" }, this.#about, this.#tags);
    this.more = button({ label: t("common.more"), glyph: "more", kind: "quiet", only: true });
    menu(this.more, () => hands.menuOf(this.item, this));
    const state = el("div", { class: "item-state" }, this.#badge);
    this.node = el("li", { class: "item", "data-id": item.id });
    this.node.append(el("div", { class: "item-select" }, this.#box), el("div", { class: "item-head" }, title, under), state, this.#length.node, this.#model.node, this.#date.node, this.more);
    this.#progress.node.classList.add("item-wide");
    this.node.append(this.#progress.node, this.#fault, this.#snippets, this.#hits);
    this.#box.addEventListener("click", (event) => hands.select(this, { range: event.shiftKey }));
    // The whole row opens it, but for what has a meaning of its own: where text was marked, nothing is opened.
    this.node.addEventListener("click", (event) => {
      if (event.target.closest("a, button, input, label, mark") || getSelection()?.toString() || this.#name.hidden) return;
      this.#name.click();
    });
  }

  get selected() {
    return this.#box.checked;
  }

  set selected(value) {
    this.#box.checked = value;
    this.node.classList.toggle("selected", value);
  }

  focus() {
    (this.#name.hidden ? this.#box : this.#name).focus();
  }

  update(item) {
    this.item = item;
    const name = titleOf(item);
    const open = item.state === "succeeded" && item.deleted_at === null;
    this.node.dataset.state = item.state;
    for (const each of [this.#name, this.#still]) text(each, name);
    this.#name.href = `/app/t/${encodeURIComponent(item.id)}`;
    show(this.#name, open && !this.#renaming);
    show(this.#still, !open && !this.#renaming);
    this.#box.setAttribute("aria-label", t("library.select", { name }));
    this.more.setAttribute("aria-label", t("library.more", { name }));
    text(this.#badge, t(`library.is_${item.state}`));
    this.#badge.dataset.state = item.state;
    this.#putFacts(item);
    this.#putTags(item);
    this.#putProgress(item);
    text(this.#fault, item.state === "failed" && item.error ? faultOf(item.error) : "");
    show(this.#fault, this.#fault.textContent !== "");
    this.#putSnippets(item);
  }

  #putFacts(item) {
    text(this.#length.value, item.duration === null ? "–" : clock(item.duration));
    text(this.#model.value, item.model === "auto" ? t("library.automatic") : item.model);
    text(this.#date.value, item.deleted_at === null ? moment(item.created_at) : t("library.deleted", { when: ago(item.deleted_at) }));
    const named = item.title && item.filename && item.title !== item.filename;
    const about = [
      item.language && languageName(item.language),
      item.speakers && t("library.speakers", { n: item.speakers }),
      item.version > 0 && t("library.edited"),
      item.llm_enhancement_status === "completed" && t("library.cleaned"),
      named && item.filename,
    ];
    text(this.#about, about.filter(Boolean).join(" · "));
    show(this.#about, this.#about.textContent !== "");
  }

  #putTags(item) {
    const chip = (tag) => {
      const link = el("a", { class: "tag-chip", href: write({ ...this.#query(), q: "", tag }) }, tag);
      return { node: el("li", {}, link), update: () => {} };
    };
    keyed(this.#tags, item.tags, (tag) => tag, chip);
    show(this.#tags, item.tags.length > 0);
  }

  #putProgress(item) {
    const going = item.state === "queued" || item.state === "running";
    show(this.#progress.node, going);
    if (!going) return;
    if (item.state === "queued") {
      const place = !item.position ? t("transcribe.job_queued") : item.position === 1 ? t("transcribe.next") : t("transcribe.place", { n: item.position });
      this.#progress.update(0, [place, item.wait_s && t("transcribe.starts_in", { time: span(item.wait_s) })].filter(Boolean).join(" · "));
      return;
    }
    const key = `transcribe.stage_${item.stage}`;
    const words = has(key) ? t(key) : t("transcribe.stage_other");
    this.#progress.update(item.progress || null, item.progress ? `${words} · ${percent(100 * item.progress)}` : words);
  }

  /** Where it was found; each place opens at its moment. */
  #putSnippets(item) {
    const made = (snippet) => {
      const open = item.deleted_at === null;
      const node = open ? el("a", { class: "snippet", href: `/app/t/${encodeURIComponent(item.id)}#t=${snippet.start}` }) : el("span", { class: "snippet" });
      node.append(el("time", {}, clock(snippet.start)), marked(snippet));
      return { node: el("li", {}, node), update: () => {} };
    };
    keyed(this.#snippets, item.snippets, (each) => JSON.stringify([each.segment, each.text, each.marks]), made);
    show(this.#snippets, item.snippets.length > 0);
    const others = item.hits - item.snippets.length;
    text(this.#hits, others > 0 ? t("library.more_hits", { n: others }) : "");
    show(this.#hits, others > 0);
  }

  /** Let the reader write another name where the name stands. */
  rename() {
    if (this.#renaming || this.item.deleted_at !== null) return;
    const input = el("input", { class: "item-rename", maxlength: String(MOST_CHARS), "aria-label": t("library.name") });
    input.value = titleOf(this.item);
    input.placeholder = this.item.filename ?? "";
    this.#renaming = input;
    for (const each of [this.#name, this.#still]) show(each, false);
    this.#name.before(input);
    input.focus();
    const dot = input.value.lastIndexOf(".");
    input.setSelectionRange(0, this.item.title || dot < 1 ? input.value.length : dot);
    const end = async (keep, { focus = true } = {}) => {
      if (this.#renaming !== input) return;
      this.#renaming = null;
      const title = input.value.trim();
      input.remove();
      this.update(this.item);
      if (focus) this.focus();
      if (keep && title !== titleOf(this.item)) await this.#keepName(title);
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true);
      else if (event.key === "Escape") end(false);
    });
    input.addEventListener("blur", () => end(true, { focus: false }));
  }

  async #keepName(title) {
    const before = this.item.title;
    const kept = title && title !== this.item.filename ? title : null;
    this.update({ ...this.item, title: kept });
    try {
      await api.request(`/api/v1/jobs/${encodeURIComponent(this.item.id)}`, { method: "PATCH", json: { title: kept } });
      this.hands.renamed(this.item);
    } catch (error) {
      this.update({ ...this.item, title: before });
      toast(explain(error), { tone: "bad" });
    }
  }
}

export function titleOf(item) {
  return item.title ?? item.filename ?? t("transcribe.unnamed");
}

/** The text of a snippet with its finds marked; places are told in code points. */
function marked({ text: whole, marks }) {
  const points = [...whole];
  const parts = [];
  let at = 0;
  for (const [from, to] of marks) {
    parts.push(points.slice(at, from).join(""), el("mark", {}, points.slice(from, to).join("")));
    at = to;
  }
  return el("span", {}, ...parts, points.slice(at).join(""));
}

/** A value in its column, with its name for those who do not see the column. */
function fact(name) {
  const value = el("span");
  return { value, node: el("p", { class: `item-fact item-${name}` }, el("span", { class: "sr" }, `${t(`library.${name}`)}: `), value) };
}
