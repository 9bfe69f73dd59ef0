// The sound as one sees it: the whole recording, and a stretch of it around what plays. A click or a drag goes there.

import { el } from "../../dom.js";
import { clock } from "../../format.js";
import { t } from "../../i18n.js";

const BAR_PX = 2;
const GAP_PX = 1;
const STEP_S = 5;
const PAGE_S = 60;

/** Peaks as the server sends them: `{rate, peaks}` with base64 of one byte for each. */
export function decode({ rate, peaks }) {
  return { rate, values: Uint8Array.from(atob(peaks), (sign) => sign.charCodeAt(0)) };
}

export class Waveform {
  node = el("div", { class: "wave", role: "slider", tabindex: "0", "aria-valuemin": "0" });
  #canvas = el("canvas", { "aria-hidden": "true" });
  #probe = el("span", { hidden: "" }); // by which a colour of the style sheet is resolved for the canvas
  #peaks = null;
  #turns = [];
  #drawn = null; // the pictures, without what moves: {faint, full, from, to}
  #window = 0; // seconds in sight; 0: all
  #observer = new ResizeObserver(() => this.redraw());
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #held = null; // the stretch in sight while the pointer drags

  /** `turns()`: `[{start, end, colour}]` in order; `zoom`: seconds in sight, 0 for all. */
  constructor(player, turns, { label, zoom = 0 }) {
    Object.assign(this, { player, turns });
    this.#window = zoom;
    this.node.append(this.#canvas, this.#probe);
    this.node.setAttribute("aria-label", label);
    this.node.classList.toggle("zoomed", zoom > 0);
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("pointerdown", (event) => this.#down(event));
    this.node.addEventListener("pointermove", (event) => this.#held && this.#go(event));
    for (const kind of ["pointerup", "pointercancel"]) this.node.addEventListener(kind, () => (this.#held = null));
    if (zoom) this.node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.#observer.observe(this.node);
    this.#scheme.addEventListener("change", this.#again);
    this.#theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  #again = () => this.redraw();
  #theme = new MutationObserver(this.#again);

  unmount() {
    this.#observer.disconnect();
    this.#theme.disconnect();
    this.#scheme.removeEventListener("change", this.#again);
  }

  set peaks(peaks) {
    this.#peaks = peaks;
    this.redraw();
  }

  /** Everything anew: size, colours, speakers. */
  redraw() {
    this.#drawn = null;
    this.#turns = this.turns();
    this.move();
  }

  /** What moves: the place that plays. */
  move() {
    const { duration, time } = this.player;
    const width = this.node.clientWidth;
    const height = this.node.clientHeight;
    if (!width || !duration) return;
    const told = [Math.round(duration), Math.round(time)].join();
    if (this.node.dataset.told !== told) {
      this.node.dataset.told = told;
      this.node.setAttribute("aria-valuemax", Math.round(duration));
      this.node.setAttribute("aria-valuenow", Math.round(time));
      this.node.setAttribute("aria-valuetext", t("transcript.player.of", { time: clock(time), duration: clock(duration) }));
    }
    const [from, to] = this.#span();
    const ratio = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== wide || this.#canvas.height !== high) Object.assign(this.#canvas, { width: wide, height: high });
    const drawn = this.#drawn;
    if (!drawn || drawn.width !== wide || drawn.height !== high || from < drawn.from - 1e-6 || to > drawn.to + 1e-6) this.#picture(from, to, wide, high);
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, wide, high);
    const { full, faint, from: first, scale, line } = this.#drawn;
    const shift = Math.round((from - first) * scale);
    const at = Math.round((time - from) * scale);
    context.drawImage(faint, shift, 0, wide, high, 0, 0, wide, high);
    if (at > 0) {
      context.clearRect(0, 0, at, high);
      context.drawImage(full, shift, 0, at, high, 0, 0, at, high);
    }
    context.fillStyle = line;
    const thick = Math.max(1, Math.round(1.5 * ratio));
    context.fillRect(Math.min(wide - thick, Math.max(0, at - (thick >> 1))), 0, thick, high);
  }

  /** The stretch in sight. */
  #span() {
    const { duration, time } = this.player;
    if (this.#held) return this.#held;
    if (!this.#window || this.#window >= duration) return [0, duration];
    const from = Math.min(Math.max(0, time - this.#window * 0.35), duration - this.#window);
    return [from, from + this.#window];
  }

  /** Paint the bars of a stretch, and where it moves some more of it on both sides. */
  #picture(from, to, wide, high) {
    const { duration } = this.player;
    const scale = wide / (to - from);
    const more = this.#window ? this.#window : 0;
    const [first, end] = [Math.max(0, from - more), Math.min(duration, to + more)];
    const size = Math.max(1, Math.round((end - first) * scale));
    const faint = this.#bars(first, size, scale, high, 0.4);
    const full = this.#bars(first, size, scale, high, 1);
    this.#drawn = { faint, full, from: first, to: end, scale, width: wide, height: high, line: this.#colour("--text") };
  }

  #bars(first, size, scale, high, alpha) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: size, height: high });
    const context = canvas.getContext("2d");
    const ratio = devicePixelRatio || 1;
    const [bar, step] = [Math.max(1, Math.round(BAR_PX * ratio)), Math.max(2, Math.round((BAR_PX + GAP_PX) * ratio))];
    context.globalAlpha = alpha;
    const colours = new Map();
    const phase = Math.round(first * scale) % step;
    let turn = 0;
    for (let x = -phase; x < size; x += step) {
      const [start, end] = [first + x / scale, first + (x + step) / scale];
      const middle = (start + end) / 2;
      while (turn < this.#turns.length && this.#turns[turn].end < middle) turn += 1;
      const who = this.#turns[turn];
      const name = who && who.start <= middle ? who.colour : null;
      if (!colours.has(name)) colours.set(name, this.#colour(name ?? "--wave"));
      context.fillStyle = colours.get(name);
      const tall = Math.max(ratio, this.#peak(start, end) * (high - 2 * ratio));
      context.fillRect(x, (high - tall) / 2, bar, tall);
    }
    return canvas;
  }

  #colour(property) {
    this.#probe.style.color = `var(${property})`;
    return getComputedStyle(this.#probe).color;
  }

  /** The loudest in a stretch, 0..1. */
  #peak(start, end) {
    if (!this.#peaks) return 0;
    const { rate, values } = this.#peaks;
    const from = Math.max(0, Math.floor(start * rate));
    const to = Math.min(values.length, Math.max(from + 1, Math.ceil(end * rate)));
    let most = 0;
    for (let index = from; index < to; index += 1) if (values[index] > most) most = values[index];
    return most / 255;
  }

  #down(event) {
    if (event.button !== 0) return;
    this.node.setPointerCapture(event.pointerId);
    this.node.focus({ preventScroll: true });
    this.#held = this.#span(); // it stands still under the pointer
    this.#go(event);
  }

  #go(event) {
    const { left, width } = this.node.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    const [from, to] = this.#held;
    this.player.seek(from + share * (to - from));
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) return;
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.25 : 0.8);
  }

  /** More or fewer seconds in sight. */
  zoom(factor) {
    this.#window = Math.min(this.player.duration, Math.max(5, this.#window * factor));
    this.redraw();
  }

  #key(event) {
    const { time, duration } = this.player;
    const to = {
      ArrowLeft: time - STEP_S, ArrowDown: time - STEP_S, ArrowRight: time + STEP_S, ArrowUp: time + STEP_S,
      PageDown: time - PAGE_S, PageUp: time + PAGE_S, Home: 0, End: duration,
    }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.player.seek(to);
  }
}
