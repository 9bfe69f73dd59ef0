// How loud the microphone is: the last seconds as bars that run to the left, and a meter for screen readers.

import { el } from "../../dom.js";
import { t } from "../../i18n.js";

const BARS = 96;
const QUIETEST_DB = -60;
const SOUND = 0.08; // of the range: what is below is the noise of a microphone that hears nothing
const TELL_MS = 1000;

export class Level {
  #audio = new AudioContext();
  #analyser = this.#audio.createAnalyser();
  #samples = new Float32Array(1024);
  #bars = new Array(BARS).fill(0);
  #heardAt = performance.now();
  #toldAt = 0;
  #frame = 0;
  #drawnAt = 0;

  constructor(stream) {
    this.#analyser.fftSize = 2048;
    this.#audio.createMediaStreamSource(stream).connect(this.#analyser);
    this.node = el("canvas", { class: "level", role: "meter", "aria-label": t("transcribe.level"), "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" });
    this.#frame = requestAnimationFrame((now) => this.#draw(now));
  }

  /** Seconds since something was heard. */
  silentFor() {
    return (performance.now() - this.#heardAt) / 1000;
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#audio.close();
  }

  #draw(now) {
    this.#frame = requestAnimationFrame((at) => this.#draw(at));
    if (now - this.#drawnAt < 50) return;
    this.#drawnAt = now;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, value) => sum + value * value, 0) / this.#samples.length;
    const level = Math.min(1, Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / QUIETEST_DB));
    if (level > SOUND) this.#heardAt = now;
    this.#bars = [...this.#bars.slice(1), level];
    if (now - this.#toldAt > TELL_MS) {
      this.#toldAt = now;
      this.node.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    }
    this.#paint();
  }

  #paint() {
    const { clientWidth: width, clientHeight: height } = this.node;
    const scale = devicePixelRatio;
    this.node.width = width * scale;
    this.node.height = height * scale;
    const pen = this.node.getContext("2d");
    pen.scale(scale, scale);
    pen.fillStyle = getComputedStyle(this.node).color;
    const step = width / BARS;
    for (const [index, level] of this.#bars.entries()) {
      const tall = Math.max(2, level * height);
      pen.fillRect(index * step, (height - tall) / 2, Math.max(1, step - 1.5), tall);
    }
  }
}
