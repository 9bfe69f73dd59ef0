// Marks on the text without a node of their own: the word that plays, those in doubt, those whose time was fitted.
// The CSS Custom Highlight API draws them; a segment stays one text node, in which typing costs nothing.

import { placed } from "./words.js";

/** Words whose probability is lower are shaded. */
export const DOUBT = 0.5;
const NAMES = ["playing", "doubt", "fitted", "found", "found-now"];
const able = "highlights" in CSS;

export class Marks {
  #rows = new Map(); // row -> [[name, range], ...]
  #all = {};
  shading = true;

  constructor() {
    if (!able) return;
    for (const name of NAMES) {
      this.#all[name] = new Highlight();
      CSS.highlights.set(`transcript-${name}`, this.#all[name]);
    }
    this.#all.playing.priority = 3;
    this.#all["found-now"].priority = 2;
    this.#all.found.priority = 1;
  }

  unmount() {
    if (able) for (const name of NAMES) CSS.highlights.delete(`transcript-${name}`);
  }

  /** Draw the marks of a row anew. */
  mark(row) {
    if (!able) return;
    this.forget(row);
    if (!this.shading) return;
    const spans = placed(row.segment);
    const node = row.words.firstChild;
    if (!spans || node?.nodeType !== Node.TEXT_NODE) return;
    const made = [];
    for (const [index, [, , , probability, fitted]] of row.segment.words.entries()) {
      const name = fitted ? "fitted" : probability !== null && probability < DOUBT ? "doubt" : null;
      if (name === null) continue;
      const range = rangeIn(node, ...spans[index]);
      if (range) made.push([name, range]);
    }
    for (const [name, range] of made) this.#all[name].add(range);
    if (made.length) this.#rows.set(row, made);
  }

  forget(row) {
    for (const [name, range] of this.#rows.get(row) ?? []) this.#all[name].delete(range);
    this.#rows.delete(row);
  }

  /** Rows that left the page take their marks along. */
  sweep(rows) {
    for (const row of this.#rows.keys()) if (rows.get(row.segment.id) !== row) this.forget(row);
  }

  /** Mark one word of a row as the one that plays; null: none. */
  play(row, index) {
    if (!able) return;
    this.#all.playing.clear();
    const span = row && index >= 0 ? placed(row.segment)?.[index] : null;
    const range = span && rangeIn(row.words.firstChild, ...span);
    if (range) this.#all.playing.add(range);
  }

  /** Mark what a search found: `[{row, from, to, now}]`, in place of what was. */
  find(hits) {
    if (!able) return;
    this.#all.found.clear();
    this.#all["found-now"].clear();
    for (const { row, from, to, now } of hits) {
      const range = rangeIn(row.words.firstChild, from, to);
      if (range) this.#all[now ? "found-now" : "found"].add(range);
    }
  }
}

function rangeIn(node, from, to) {
  if (node?.nodeType !== Node.TEXT_NODE || to > node.length) return null;
  const range = document.createRange();
  range.setStart(node, from);
  range.setEnd(node, to);
  return range;
}
