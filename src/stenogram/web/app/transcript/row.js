// One segment in the page: who speaks, when, and what. The text is one text node; its marks are highlights (marks.js).

import { el, show, text } from "../../dom.js";
import { clock } from "../../format.js";
import { t } from "../../i18n.js";
import { icon } from "../../ui/icons.js";

export class Row {
  segment = null;
  node = el("li", { class: "line" });
  words = el("div", { class: "words" });
  time = el("button", { type: "button", class: "time", tabindex: "-1" });
  speaker = el("button", { type: "button", class: "speaker", tabindex: "-1" });
  more = el("button", { type: "button", class: "quiet icon more", tabindex: "-1" });
  #name = el("span", {});
  #typing = false;
  #reachable = false;

  /** `look`: `{language, count(), colour(name), marks, readOnly}`. */
  constructor(segment, look) {
    this.look = look;
    this.node.dataset.id = segment.id;
    if (look.language) this.words.lang = look.language;
    this.words.dir = "auto";
    this.words.append("");
    this.more.append(icon("more", 18));
    this.speaker.append(el("span", { class: "dot" }), this.#name);
    this.node.append(this.speaker, this.time, this.words, this.more);
    show(this.more, !look.readOnly);
    this.speaker.disabled = look.readOnly;
  }

  get active() {
    return this.#typing;
  }

  update(segment, before, index) {
    const said = this.segment;
    this.segment = segment;
    this.node.dataset.index = index;
    this.node.setAttribute("aria-posinset", index + 1);
    this.node.setAttribute("aria-setsize", this.look.count());
    const begins = segment.speaker !== (before ? before.speaker : null);
    this.node.classList.toggle("begins", begins || index === 0);
    this.node.classList.toggle("suspect", segment.suspect);
    show(this.speaker, begins && segment.speaker !== null);
    if (segment.speaker !== null) {
      text(this.#name, segment.speaker);
      this.speaker.setAttribute("aria-label", t("transcript.row.speaker", { name: segment.speaker }));
      this.node.style.setProperty("--speaker", this.look.colour(segment.speaker));
    } else {
      this.node.style.removeProperty("--speaker");
    }
    const at = clock(segment.start);
    text(this.time, at);
    this.time.setAttribute("aria-label", t("transcript.row.play_from", { time: at }));
    this.more.setAttribute("aria-label", t("transcript.row.more", { time: at }));
    if (said === segment) return;
    if (!this.#typing) this.#write(segment.text);
    if (this.#typing) this.#label();
    this.look.marks.mark(this);
  }

  /** The text in the page, which may be ahead of the segment's while somebody types. */
  get written() {
    return this.words.textContent;
  }

  /** Let the page's text be the segment's again, also while it is edited (undo). */
  rewrite() {
    this.#write(this.segment.text);
    this.look.marks.mark(this);
  }

  #write(value) {
    const node = this.words.firstChild;
    if (this.words.childNodes.length === 1 && node.nodeType === Node.TEXT_NODE) {
      if (node.data !== value) node.data = value;
    } else {
      this.words.replaceChildren(document.createTextNode(value));
    }
  }

  /** Let the reader say who speaks here. */
  pick() {
    if (this.segment.speaker === null) text(this.#name, t("transcript.row.nobody"));
    show(this.speaker, true);
    this.speaker.click();
  }

  /** Somebody writes in it. */
  begin() {
    this.#typing = true;
    this.words.contentEditable = "plaintext-only";
    this.words.spellcheck = true;
    this.node.classList.add("typing");
    this.#label();
  }

  end() {
    this.#typing = false;
    this.words.removeAttribute("contenteditable");
    this.node.classList.remove("typing");
    this.rewrite();
  }

  #label() {
    const { speaker, start } = this.segment;
    this.words.setAttribute("aria-label", [clock(start), speaker].filter(Boolean).join(", "));
  }

  /** Whether the keyboard comes here when it comes to the list. */
  set reachable(yes) {
    if (yes === this.#reachable) return;
    this.#reachable = yes;
    for (const node of [this.speaker, this.time, this.more]) node.tabIndex = yes ? 0 : -1;
    if (yes && !this.look.readOnly) {
      this.words.tabIndex = 0;
      this.words.setAttribute("role", "textbox");
      this.words.setAttribute("aria-multiline", "true");
      this.#label();
    } else {
      for (const name of ["tabindex", "role", "aria-multiline", "aria-label"]) this.words.removeAttribute(name);
    }
  }
}
