// What plays, in the text: its word is marked, its segment told, and kept in sight unless the reader looks elsewhere.

import { last } from "./words.js";

const READER_MS = 400; // a scroll so soon after a wheel, a touch or a key is the reader's

export class Follow extends EventTarget {
  following = true;
  segment = -1;
  #word = -1;
  #row = null;
  #readerAt = 0;
  #over = new AbortController();

  constructor(document_, player, lines, marks) {
    super();
    Object.assign(this, { document: document_, player, lines, marks });
    const { signal } = this.#over;
    for (const kind of ["time", "ready"]) player.addEventListener(kind, () => this.update(), { signal });
    player.addEventListener("sought", () => this.update({ jump: true }), { signal });
    for (const kind of ["wheel", "touchmove"]) addEventListener(kind, () => (this.#readerAt = performance.now()), { signal, passive: true });
    addEventListener("keydown", ({ key }) => {
      if (["PageUp", "PageDown", "Home", "End", "ArrowUp", "ArrowDown"].includes(key)) this.#readerAt = performance.now();
    }, { signal, capture: true });
    addEventListener("scroll", () => this.#scrolled(), { signal, passive: true });
  }

  unmount() {
    this.#over.abort();
  }

  /** The word and segment of a moment: `{segment, word}`, numbers; -1 where there is none. */
  at(time) {
    const { segments } = this.document;
    const segment = last(segments, time + 1e-3, ({ start }) => start);
    if (segment < 0) return { segment: -1, word: -1 };
    const { words, end } = segments[segment];
    const word = last(words, time + 1e-3, (each) => each[1]);
    return { segment: time < end + 0.5 ? segment : -1, word: word >= 0 && time <= words[word][2] + 0.35 ? word : -1, near: segment };
  }

  /** Keep what plays in sight from here on. */
  resume() {
    this.#set(true);
    const { near } = this.at(this.player.time);
    if (near >= 0) this.lines.scrollTo(this.document.segments[near].id, { smooth: true });
  }

  stop() {
    this.#set(false);
  }

  update({ jump = false } = {}) {
    const { segment, word } = this.at(this.player.time);
    const found = this.document.segments[segment];
    const row = found ? this.lines.row(found.id) : null;
    if (segment !== this.segment || row !== this.#row) {
      this.#row?.node.classList.remove("now");
      row?.node.classList.add("now");
      const moved = segment !== this.segment;
      this.segment = segment;
      this.#row = row;
      this.#word = -1;
      if (found && moved && this.following && (this.player.playing || jump)) this.lines.scrollTo(found.id, { block: "nearest", smooth: !jump });
    }
    if (word !== this.#word) {
      this.#word = word;
      this.marks.play(row, word);
    }
  }

  /** Rows came or went, or their text changed. */
  redraw() {
    this.#word = -1;
    if (this.#row && !this.#row.node.isConnected) this.#row = null;
    this.update();
  }

  #scrolled() {
    if (!this.following || !this.player.playing || performance.now() - this.#readerAt > READER_MS) return;
    const row = this.#row?.node.getBoundingClientRect();
    if (!row || row.bottom < 0 || row.top > innerHeight) this.#set(false);
  }

  #set(on) {
    if (on === this.following) return;
    this.following = on;
    this.dispatchEvent(new Event("change"));
  }
}
