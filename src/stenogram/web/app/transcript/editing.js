// Writing in the text: where the caret is, what keys mean there, and what a click does.

import { placed, tidy, timeAt } from "./words.js";

export class Editing {
  /** Whether a click puts the caret into the text; where fingers point, it only plays unless the reader says so. */
  writes = !matchMedia("(pointer: coarse)").matches;
  #row = null;
  #composing = false;
  #down = null;
  #over = new AbortController();

  /** `on`: `{hear(segment, offset)}`. */
  constructor(document_, lines, on) {
    Object.assign(this, { document: document_, lines, on });
    const { signal } = this.#over;
    const { node } = lines;
    const listen = (kind, run) => node.addEventListener(kind, run, { signal });
    listen("pointerdown", (event) => this.#pressed(event));
    listen("click", (event) => this.#clicked(event));
    listen("focusin", (event) => this.#focused(event));
    listen("focusout", (event) => this.#left(event));
    listen("beforeinput", (event) => this.#before(event));
    listen("input", () => this.#input());
    listen("compositionstart", () => (this.#composing = true));
    listen("compositionend", () => {
      this.#composing = false;
      this.#input();
    });
    listen("keydown", (event) => this.#key(event));
    listen("drop", (event) => event.preventDefault());
  }

  unmount() {
    this.leave();
    this.#over.abort();
  }

  /** The segment that is written in, or null. */
  get id() {
    return this.#row?.segment.id ?? null;
  }

  /** Write in a segment, the caret at an offset. */
  enter(id, offset = 0) {
    if (this.document.readOnly) return;
    this.lines.scrollTo(id, { block: "nearest" });
    const row = this.lines.row(id);
    if (!row) return;
    this.#begin(row);
    row.words.focus({ preventScroll: true });
    this.#caret(offset);
  }

  /** Stop writing; the text is there for all keys again. */
  leave() {
    const row = this.#row;
    if (!row) return;
    this.#row = null;
    this.lines.pin(null);
    row.end();
    this.document.removeEmpty(row.segment.id);
    this.document.pause();
    if (row.words.contains(document.activeElement)) row.words.blur();
  }

  /** Where the caret is: `{id, offset}` in the segment's text, or null. */
  get caret() {
    const found = this.#row && this.#offset();
    return found === null || found === undefined ? null : { id: this.id, offset: found };
  }

  /** What is selected: `{from: {id, offset}, to: {id, offset}}`, or null. It may go over several segments. */
  get selection() {
    const chosen = getSelection();
    if (!chosen.rangeCount || chosen.isCollapsed) return null;
    const range = chosen.getRangeAt(0);
    const from = this.#point(range.startContainer, range.startOffset);
    const to = this.#point(range.endContainer, range.endOffset, { end: true });
    return from && to ? { from, to } : null;
  }

  #point(node, offset, { end = false } = {}) {
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : (node.childNodes[offset] ?? node);
    const line = (element.nodeType === Node.TEXT_NODE ? element.parentElement : element).closest?.(".line");
    const row = line && this.lines.row(Number(line.dataset.id));
    if (!row) return null;
    if (node === row.words.firstChild) return { id: row.segment.id, offset };
    return { id: row.segment.id, offset: end && !row.words.contains(node) ? 0 : end ? row.segment.text.length : 0 };
  }

  // --- pointer -----------------------------------------------------------------------------------------------------

  #pressed(event) {
    this.#down = event.target.closest(".words")?.closest(".line")?.dataset.id === String(this.id) ? this.id : null;
  }

  /** A click hears the word; the caret goes there too. In the segment that is written in, it only moves the caret. */
  #clicked(event) {
    const words = event.target.closest(".words");
    const row = words && this.lines.row(Number(words.closest(".line").dataset.id));
    if (!row || event.button !== 0 || !getSelection().isCollapsed) return;
    const inside = this.#down === row.segment.id;
    const offset = offsetAt(row, event.clientX, event.clientY);
    if (!inside || event.altKey) this.on.hear(row.segment, offset);
    if (inside || !this.writes || this.document.readOnly || event.altKey) return;
    this.#begin(row);
    words.focus({ preventScroll: true });
    this.#caret(offset);
  }

  // --- focus -------------------------------------------------------------------------------------------------------

  #begin(row) {
    if (row === this.#row) return;
    this.leave();
    this.#row = row;
    this.lines.pin(row.segment.id);
    row.begin();
    this.on.entered?.(row.segment.id);
  }

  #focused(event) {
    const line = event.target.closest?.(".words")?.closest(".line");
    const row = line && this.lines.row(Number(line.dataset.id));
    if (!row || row === this.#row || this.document.readOnly) return;
    this.#begin(row);
    this.#caret(0);
  }

  #left(event) {
    if (!this.#row?.words.contains(event.target) || this.#row.words.contains(event.relatedTarget)) return;
    if (!document.hasFocus()) return; // the window went behind another: the caret stays
    this.leave();
  }

  #caret(offset) {
    const node = this.#row.words.firstChild;
    getSelection().collapse(node ?? this.#row.words, node ? Math.min(offset, node.length) : 0);
  }

  #offset() {
    const chosen = getSelection();
    if (!this.#row.words.contains(chosen.focusNode)) return null;
    const range = document.createRange();
    range.setStart(this.#row.words, 0);
    range.setEnd(chosen.focusNode, chosen.focusOffset);
    return range.toString().length;
  }

  // --- typing ------------------------------------------------------------------------------------------------------

  #input() {
    if (!this.#row || this.#composing) return;
    this.document.editText(this.id, this.#row.written);
    this.on.typed?.(this.id);
  }

  #before(event) {
    const { inputType: kind } = event;
    if (kind === "insertParagraph" || kind === "insertLineBreak") {
      event.preventDefault();
      this.split();
    } else if (kind === "historyUndo" || kind === "historyRedo") {
      event.preventDefault();
      this.document[kind === "historyUndo" ? "undo" : "redo"]();
    } else if (kind === "deleteContentBackward" && this.#collapsed && this.#offset() === 0) {
      event.preventDefault();
      this.#join(this.id);
    } else if (kind === "deleteContentForward" && this.#collapsed && this.#offset() === this.#row.written.length) {
      event.preventDefault();
      const next = this.document.segments[this.document.indexOf(this.id) + 1];
      if (next) this.#join(next.id);
    } else if (["insertFromPaste", "insertFromDrop"].includes(kind)) {
      const pasted = event.dataTransfer?.getData("text/plain") ?? event.data ?? "";
      if (/[\n\r\t]/.test(pasted)) {
        event.preventDefault();
        document.execCommand("insertText", false, pasted.replace(/\s+/g, " "));
      }
    }
  }

  get #collapsed() {
    return getSelection().isCollapsed;
  }

  /** Cut the segment at the caret. */
  split() {
    const { id } = this;
    const offset = this.#offset();
    if (id === null || offset === null) return;
    this.document.pause();
    const made = this.document.split(id, tidy(this.#row.written.slice(0, offset)).length);
    if (made !== null) this.enter(made, 0);
  }

  #join(id) {
    this.document.pause();
    const seam = this.document.join(id);
    if (seam) this.enter(seam.id, seam.offset);
  }

  #key(event) {
    if (!this.#row || event.isComposing || !event.target.closest(".words")) return;
    const plain = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (event.key === "Escape") {
      event.preventDefault();
      this.leave();
      this.on.left?.();
    } else if (plain && this.#collapsed) {
      this.#arrow(event);
    }
  }

  /** Arrows at the edge of a segment go on in the next one. */
  #arrow(event) {
    const offset = this.#offset();
    const index = this.document.indexOf(this.id);
    const [before, after] = [this.document.segments[index - 1], this.document.segments[index + 1]];
    const end = this.#row.written.length;
    const at = this.#line();
    let to = null;
    if (before && ((event.key === "ArrowLeft" && offset === 0) || (event.key === "ArrowUp" && at.first))) to = [before, event.key === "ArrowLeft" ? Infinity : null];
    else if (after && ((event.key === "ArrowRight" && offset === end) || (event.key === "ArrowDown" && at.last))) to = [after, event.key === "ArrowRight" ? 0 : null];
    if (!to) return;
    event.preventDefault();
    const [segment, wanted] = to;
    this.enter(segment.id, wanted ?? Infinity);
    if (wanted !== null || !this.#row) return;
    const box = this.#row.words.getBoundingClientRect();
    const half = Number.parseFloat(getComputedStyle(this.#row.words).lineHeight) / 2;
    const offsetThere = offsetAt(this.#row, at.x, event.key === "ArrowDown" ? box.top + half : box.bottom - half);
    this.#caret(offsetThere);
  }

  /** Whether the caret is in the first line, in the last, and how far to the right. */
  #line() {
    const chosen = getSelection().getRangeAt(0).cloneRange();
    const box = this.#row.words.getBoundingClientRect();
    const height = Number.parseFloat(getComputedStyle(this.#row.words).lineHeight);
    const rect = chosen.getClientRects()[0] ?? this.#near(chosen) ?? box;
    return { first: rect.top < box.top + height * 0.75, last: rect.bottom > box.bottom - height * 0.75, x: rect.left };
  }

  #near(range) {
    const node = range.startContainer;
    if (node.nodeType !== Node.TEXT_NODE || !node.length) return null;
    const beside = document.createRange();
    const end = Math.min(node.length, Math.max(1, range.startOffset));
    beside.setStart(node, end - 1);
    beside.setEnd(node, end);
    const rect = [...beside.getClientRects()].at(-1);
    return rect && new DOMRect(rect.right, rect.top, 0, rect.height);
  }

  /** The document changed, and the rows have it: what undo and others did to the text that is written in is shown, too. */
  changed({ changed, removed, source, at }) {
    if (source === "undo" || source === "redo") {
      const { id } = this;
      const row = this.#row;
      if (row && changed.includes(id)) {
        const before = row.written;
        row.rewrite();
        this.#caret(changedEnd(before, row.written));
      } else if (row && at !== null) {
        this.enter(at, Infinity);
      }
    } else if (source === "server" && this.#row) {
      if (removed.includes(this.id)) this.leave();
      else if (tidy(this.#row.written) !== this.#row.segment.text) {
        const offset = this.#offset() ?? 0;
        this.#row.rewrite();
        this.#caret(offset);
      }
    }
  }
}

/** Where what differs between two texts ends in the second. */
function changedEnd(before, after) {
  let tail = 0;
  const least = Math.min(before.length, after.length);
  while (tail < least && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  return after.length - tail;
}

/** The offset in a row's text that is at a point of the window. */
export function offsetAt(row, x, y) {
  const found = document.caretPositionFromPoint?.(x, y);
  const range = found ? null : document.caretRangeFromPoint?.(x, y); // Safari
  const [node, offset] = found ? [found.offsetNode, found.offset] : [range?.startContainer, range?.startOffset];
  return node && node === row.words.firstChild ? offset : row.segment.text.length;
}

/** The moment of an offset, at the beginning of its word, and whether there is a word. */
export function momentAt(segment, offset) {
  const spans = placed(segment);
  const inside = spans?.findIndex(([from, to]) => offset >= from && offset <= to) ?? -1;
  return inside >= 0 ? segment.words[inside][1] : timeAt(segment, offset);
}
