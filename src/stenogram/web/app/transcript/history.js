// What was done to a transcript, to be undone and done again: passages as they were and as they became.

const TOGETHER_MS = 1200;
const DEEP = 500;

/** Steps are `{parts: [{before, after, anchor}], key, at}`: segments, and the id of the one in front of them. */
export class History {
  #done = [];
  #undone = [];
  #better = new WeakMap(); // a segment -> the same one with the words that the server fitted
  #open = null;

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Note a change. Those with the same key (typing in one segment), soon after each other or with `more`, are one step. */
  add(part, key = null, more = false) {
    this.#undone = [];
    const step = this.#open ?? this.#done.at(-1);
    const now = performance.now();
    if (this.#open) {
      step.parts.push(part);
    } else if (key !== null && step?.key === key && (more || now - step.at < TOGETHER_MS)) {
      step.parts[0].after = part.after;
      step.at = now;
    } else {
      this.#done.push({ parts: [part], key, at: now });
      if (this.#done.length > DEEP) this.#done.shift();
    }
  }

  /** All that `run` does is one step. */
  together(run) {
    if (this.#open) return run();
    this.#open = { parts: [], key: null, at: 0 };
    try {
      return run();
    } finally {
      if (this.#open.parts.length) this.#done.push(this.#open);
      this.#open = null;
    }
  }

  /** What is typed from here on is another step. */
  pause() {
    const step = this.#done.at(-1);
    if (step) step.key = null;
  }

  /** The parts to put in, last first: `[{from: segments, to: segments, anchor}]`; null: there is nothing. */
  undo() {
    const step = this.#done.pop();
    if (!step) return null;
    this.#undone.push(step);
    return step.parts.map(({ before, after, anchor }) => ({ from: after, to: this.#best(before), anchor })).reverse();
  }

  redo() {
    const step = this.#undone.pop();
    if (!step) return null;
    step.key = null;
    this.#done.push(step);
    return step.parts.map(({ before, after, anchor }) => ({ from: before, to: this.#best(after), anchor }));
  }

  /** The step does not fit what is there now: it and all like it are forgotten. */
  clear() {
    this.#done = [];
    this.#undone = [];
  }

  /** The server fitted the words of a segment. */
  fitted(segment, better) {
    this.#better.set(segment, better);
  }

  #best(segments) {
    return segments.map((segment) => {
      let best = segment;
      while (this.#better.has(best)) best = this.#better.get(best);
      return best;
    });
  }
}
