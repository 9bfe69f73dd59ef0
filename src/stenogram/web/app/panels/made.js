// Documents that a language model made of a whole transcript: a summary with what is to be done, or chapters.

import { el } from "../../dom.js";
import { clock } from "../../format.js";
import { t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { toast } from "../../ui/toast.js";

/** The document of an enhancement, by its kind. */
export function documentOf(told, { player }) {
  const node = told.kind === "chapters" ? chapters(told.document.chapters ?? [], player) : summary(told.document);
  const words = told.kind === "chapters" ? chapterLines(told.document.chapters ?? []) : summaryLines(told.document);
  const copy = button({ label: t("common.copy"), glyph: "copy", onClick: take });
  return el("div", { class: "document" }, node, el("div", { class: "panel-actions" }, copy));

  async function take() {
    await navigator.clipboard.writeText(words);
    toast(t("common.copied"));
  }
}

function summary({ summary: words = "", title = "", action_items: items = [] }) {
  const node = el("div", { class: "prose" }, ...[title, words].filter(Boolean).map((each) => el("p", {}, each)));
  if (items.length) {
    const list = items.map(({ task, owner }) => el("li", {}, task, ...(owner ? [" ", el("span", { class: "badge" }, owner)] : [])));
    node.append(el("h3", {}, t("panels.cleanup.action_items")), el("ul", { class: "bullets" }, ...list));
  }
  return node;
}

function summaryLines({ summary: words = "", title = "", action_items: items = [] }) {
  return [title, words, ...items.map(({ task, owner }) => `- ${task}${owner ? ` (${owner})` : ""}`)].filter(Boolean).join("\n");
}

function chapters(found, player) {
  if (!found.length) return el("p", { class: "hint" }, t("panels.cleanup.no_chapters"));
  const list = found.map(({ start, title }) => {
    const link = el("button", { type: "button", class: "quiet chapter" }, el("time", {}, clock(start)), el("span", {}, title));
    link.addEventListener("click", () => player?.seek(start));
    return el("li", {}, link);
  });
  return el("ol", { class: "chapters" }, ...list);
}

function chapterLines(found) {
  return found.map(({ start, title }) => `${clock(start)} ${title}`).join("\n"); // as YouTube wants them
}
