// So many things at once and no more; the others wait in line.

export class Slots {
  #free;
  #line = [];

  constructor(size) {
    this.#free = size;
  }

  /** Run `action` when its turn comes; gives what it gives. */
  async use(action) {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((resolve) => this.#line.push(resolve));
    try {
      return await action();
    } finally {
      const next = this.#line.shift();
      if (next) next(); // hands its place on
      else this.#free += 1;
    }
  }
}
