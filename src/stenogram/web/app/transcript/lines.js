// A list of any length of which only what is seen is in the page, and a margin. Rows stand in the flow, with a gap for
// those that are left out: a row that grows while it is edited moves the rest without any help.

import { el } from "../../dom.js";

const MARGIN_PX = 700;

export class Lines {
  node = el("ol", { class: "lines" });
  #rows = new Map(); // id -> row
  #heights = new Map(); // id -> pixels, as measured
  #offsets = new Float64Array(1);
  #dirty = true;
  #gaps = [];
  #width = 0;
  #pinned = null;
  #observer = new ResizeObserver((entries) => this.#resized(entries));
  #over = new AbortController();

  /**
   * `source`: `{segments(), indexOf(id), make(segment) -> row, estimate(segment, before, width) -> pixels, shown(rows)}`.
   * A row is `{node, update(segment, before)}`.
   */
  constructor(source) {
    this.source = source;
    const { signal } = this.#over;
    addEventListener("scroll", () => this.draw(), { signal, passive: true });
    addEventListener("resize", () => this.draw(), { signal, passive: true });
    this.#observer.observe(this.node);
  }

  unmount() {
    this.#over.abort();
    this.#observer.disconnect();
  }

  /** The row of a segment, where it is in the page. */
  row(id) {
    return this.#rows.get(id) ?? null;
  }

  get rows() {
    return this.#rows;
  }

  /** Keep this row in the page wherever the reader scrolls: somebody writes in it. */
  pin(id) {
    this.#pinned = id;
  }

  /** Segments changed: what is in the page follows. `structure`: others came or went; else only `changed` are others. */
  refresh({ changed, structure }) {
    if (structure) {
      this.#dirty = true;
      this.draw({ update: true });
      return;
    }
    const segments = this.source.segments();
    for (const id of changed) {
      const index = this.source.indexOf(id);
      for (const each of [index, index + 1]) { // the one behind may begin a turn now
        const segment = segments[each];
        this.#rows.get(segment?.id)?.update(segment, segments[each - 1], each);
      }
    }
  }

  /** Pixels from the top of the list to a row. */
  offset(index) {
    this.#measure();
    return this.#offsets[index];
  }

  /** Bring a segment into sight. `block`: "center", "start", or "nearest": only if it is not well in sight. */
  scrollTo(id, { block = "center", smooth = false } = {}) {
    const index = this.source.indexOf(id);
    if (index < 0) return;
    for (let round = 0; round < 3; round += 1) { // what was guessed is measured on the way
      const top = this.node.getBoundingClientRect().top + scrollY;
      const [from, to] = [this.offset(index) + top, this.offset(index + 1) + top];
      const [head, foot] = this.#clear();
      if (block === "nearest" && from >= scrollY + head && to <= scrollY + innerHeight - foot) return;
      const room = innerHeight - head - foot;
      const goal = Math.max(0, block === "start" ? from - head : from - head - Math.max(0, (room - (to - from)) * 0.38));
      const far = Math.abs(goal - scrollY) > innerHeight;
      scrollTo({ top: goal, behavior: smooth && !far ? "smooth" : "instant" });
      if (smooth && !far) return;
      this.draw();
    }
  }

  /** What of the window is covered above and below. */
  #clear() {
    const style = getComputedStyle(this.node);
    return [Number.parseFloat(style.scrollMarginTop) || 0, Number.parseFloat(style.scrollMarginBottom) || 0];
  }

  /** The first segment that is in sight, and how far its top is below the window's. */
  anchor() {
    this.#measure();
    const top = this.node.getBoundingClientRect().top;
    const index = this.#at(this.#clear()[0] - top);
    return index < 0 ? null : { id: this.source.segments()[index].id, at: this.#offsets[index] + top };
  }

  draw({ update = false } = {}) {
    const segments = this.source.segments();
    const anchor = this.#dirty ? this.#standing : null;
    this.#measure();
    const top = this.node.getBoundingClientRect().top;
    if (anchor) this.#hold(anchor, top);
    const [from, to] = this.#range();
    const wanted = [];
    for (let index = from; index < to; index += 1) wanted.push(index);
    const pinned = this.#pinned === null ? -1 : this.source.indexOf(this.#pinned);
    if (pinned >= 0 && pinned < from) wanted.unshift(pinned);
    else if (pinned >= to) wanted.push(pinned);
    if (this.#place(wanted, segments, update)) this.#settle();
    this.#standing = this.anchor();
  }

  #standing = null;

  #range() {
    const top = this.node.getBoundingClientRect().top;
    return [Math.max(0, this.#at(-top - MARGIN_PX)), this.#at(innerHeight - top + MARGIN_PX) + 1];
  }

  /** Number of the row at so many pixels from the top of the list. */
  #at(pixels) {
    let [low, high] = [0, this.source.segments().length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle + 1] <= pixels) low = middle + 1;
      else high = middle;
    }
    return Math.min(low, this.source.segments().length - 1);
  }

  #measure() {
    const width = this.node.clientWidth;
    if (width !== this.#width) {
      this.#width = width;
      this.#heights.clear();
      this.#dirty = true;
    }
    if (!this.#dirty) return;
    const segments = this.source.segments();
    if (this.#offsets.length !== segments.length + 1) this.#offsets = new Float64Array(segments.length + 1);
    let sum = 0;
    for (let index = 0; index < segments.length; index += 1) {
      const segment = segments[index];
      sum += this.#heights.get(segment.id) ?? this.source.estimate(segment, segments[index - 1], width);
      this.#offsets[index + 1] = sum;
    }
    this.#dirty = false;
  }

  /** Let the rows of `wanted` (numbers in order) be what is in the page; gives whether any is new. */
  #place(wanted, segments, update) {
    const keep = new Set(wanted.map((index) => segments[index].id));
    for (const [id, row] of this.#rows) {
      if (keep.has(id)) continue;
      this.#observer.unobserve(row.node);
      row.node.remove();
      this.#rows.delete(id);
    }
    let fresh = false;
    let gaps = 0;
    let place = this.node.firstChild;
    let next = 0;
    const gap = (to) => {
      const node = (this.#gaps[gaps] ??= el("li", { class: "gap", role: "presentation", "aria-hidden": "true" }));
      gaps += 1;
      const height = `${this.#offsets[to] - this.#offsets[next]}px`;
      if (node.style.height !== height) node.style.height = height;
      put(node);
    };
    const put = (node) => {
      if (node === place) place = place.nextSibling;
      else this.node.insertBefore(node, place);
    };
    for (const index of wanted) {
      if (index > next) gap(index);
      const segment = segments[index];
      let row = this.#rows.get(segment.id);
      if (!row) {
        row = this.source.make(segment);
        this.#rows.set(segment.id, row);
        this.#observer.observe(row.node);
        fresh = true;
        row.update(segment, segments[index - 1], index);
      } else if (update) {
        row.update(segment, segments[index - 1], index);
      }
      put(row.node);
      next = index + 1;
    }
    if (next < segments.length) gap(segments.length);
    for (const node of this.#gaps.splice(gaps)) node.remove();
    this.source.shown?.(this.#rows);
    return fresh || update;
  }

  /** Measure what is new; what is in sight stays where it is. */
  #settle() {
    const anchor = this.anchor();
    let changed = false;
    for (const [id, row] of this.#rows) {
      const height = row.node.getBoundingClientRect().height;
      if (height && Math.abs((this.#heights.get(id) ?? -1) - height) > 0.4) {
        this.#heights.set(id, height);
        changed = true;
      }
    }
    if (!changed) return;
    this.#dirty = true;
    this.#measure();
    this.#regap();
    if (anchor) this.#hold(anchor);
  }

  #hold({ id, at }) {
    const index = this.source.indexOf(id);
    if (index < 0) return;
    const moved = this.#offsets[index] + this.node.getBoundingClientRect().top - at;
    if (Math.abs(moved) > 1 && scrollY > 0) scrollBy({ top: moved, behavior: "instant" });
  }

  /** Gaps as high as what they stand for. */
  #regap() {
    let next = 0;
    let gap = null;
    for (const node of this.node.children) {
      if (node.classList.contains("gap")) {
        gap = node;
        continue;
      }
      const index = Number(node.dataset.index);
      if (gap) gap.style.height = `${this.#offsets[index] - this.#offsets[next]}px`;
      gap = null;
      next = index + 1;
    }
    if (gap) gap.style.height = `${this.#offsets[this.source.segments().length] - this.#offsets[next]}px`;
  }

  #resized(entries) {
    if (entries.some(({ target }) => target === this.node) && this.node.clientWidth !== this.#width) {
      this.#dirty = true;
      this.draw();
    }
    this.#settle();
  }
}
