// Recording from the microphone: level, pause, time, and a listen to it before it is sent.

import { el, show, text } from "../../dom.js";
import { clock, moment } from "../../format.js";
import { locale, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { confirm } from "../../ui/dialog.js";
import { Level } from "./level.js";
import * as tapes from "./tapes.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const PIECE_MS = 1000;
const SILENT_S = 4;

/** Why this browser cannot record here, in words; null where it can. */
export function obstacle() {
  if (!navigator.mediaDevices?.getUserMedia) return isSecureContext ? t("transcribe.mic_unknown") : t("transcribe.mic_insecure");
  return typeof MediaRecorder === "undefined" ? t("transcribe.mic_unknown") : null;
}

export class Recorder {
  #onDone;
  #onClosed;
  #stream = null;
  #media = null;
  #level = null;
  #tape = null;
  #kept = true;
  #parts = [];
  #writing = Promise.resolve();
  #runsSince = 0;
  #ranMs = 0;
  #ticking = 0;
  #awake = null;
  #url = null;
  #file = null;

  /** `onDone(file, tape)`: the reader wants it transcribed; `onClosed()`: the panel is gone. */
  constructor({ onDone, onClosed }) {
    this.#onDone = onDone;
    this.#onClosed = onClosed;
    this.node = el("section", { class: "recorder", "aria-label": t("transcribe.recorder") });
  }

  /** Whether something would be cut off if the reader went away. */
  get running() {
    return this.#media !== null && this.#media.state !== "inactive";
  }

  /** Ask for the microphone and begin. Throws Error with words for the reader. */
  async start() {
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, autoGainControl: true, noiseSuppression: false } });
    } catch (error) {
      throw new Error(t({ NotAllowedError: "transcribe.mic_refused", NotFoundError: "transcribe.mic_missing" }[error.name] ?? "transcribe.mic_busy"), { cause: error });
    }
    const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each)) ?? "";
    this.#media = new MediaRecorder(this.#stream, type ? { mimeType: type } : {});
    await this.#beginTape(this.#media.mimeType || type || "audio/webm");
    this.#media.ondataavailable = ({ data }) => this.#keep(data);
    this.#media.onstop = () => this.#review();
    for (const track of this.#stream.getTracks()) track.onended = () => this.stop(); // unplugged, or taken away
    this.#level = new Level(this.#stream);
    this.#drawRunning();
    this.#media.start(PIECE_MS);
    this.#runsSince = performance.now();
    this.#ticking = setInterval(() => this.#tick(), 200);
    this.#awake = await navigator.wakeLock?.request("screen").catch(() => null);
  }

  /** End the recording; what there is of it can be heard then. */
  stop() {
    if (!this.running) return;
    this.#pauseClock();
    this.#media.stop();
    this.#freeMicrophone();
  }

  /** Let go of everything; what is kept is offered again another time. */
  close() {
    const running = this.running;
    if (running) {
      this.#media.onstop = () => this.#writing.then(() => tapes.release(this.#tape));
      this.stop();
    } else if (this.#tape) {
      tapes.release(this.#tape);
    }
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.node.remove();
    this.#onClosed();
  }

  async #beginTape(type) {
    const ending = type.includes("mp4") ? "m4a" : type.includes("ogg") ? "ogg" : "webm";
    const name = `${t("transcribe.tape_name", { when: moment(Date.now() / 1000).replaceAll(/[:/\\]/g, ".") })}.${ending}`;
    try {
      this.#tape = await tapes.begin(name, type);
    } catch { // storage is switched off, or full
      this.#kept = false;
      this.#tape = { name, type, seconds: 0 };
    }
  }

  #keep(data) {
    if (!data.size) return;
    this.#parts.push(data);
    const seconds = this.#seconds();
    if (!this.#kept) return;
    this.#writing = this.#writing.then(() => tapes.append(this.#tape, data, seconds)).catch(() => {
      this.#kept = false;
      this.#warnNotKept();
    });
  }

  #seconds() {
    return (this.#ranMs + (this.#runsSince ? performance.now() - this.#runsSince : 0)) / 1000;
  }

  #pauseClock() {
    this.#ranMs = this.#seconds() * 1000;
    this.#runsSince = 0;
  }

  #drawRunning() {
    const time = el("span", { class: "recorder-time" }, clock(0));
    const state = el("span", { class: "recorder-state", role: "status" }, t("transcribe.recording"));
    const note = el("p", { class: "hint", role: "status" });
    const pause = button({ label: t("transcribe.pause"), glyph: "pause", onClick: () => this.#togglePause(pause, state) });
    const stop = button({ label: t("transcribe.stop"), glyph: "stop", kind: "primary", onClick: () => this.stop() });
    this.node.replaceChildren(
      el("p", { class: "recorder-head" }, el("span", { class: "recorder-dot", "aria-hidden": "true" }), state, time),
      this.#level.node,
      note,
      el("p", { class: "row recorder-actions" }, pause, stop),
    );
    this.node.dataset.state = "recording";
    this.parts = { time, state, note };
    if (!this.#kept) this.#warnNotKept();
    stop.focus();
  }

  #warnNotKept() {
    if (!this.parts) return;
    text(this.parts.note, t("transcribe.not_kept"));
    this.parts.note.dataset.tone = "warn";
  }

  #tick() {
    text(this.parts.time, clock(this.#seconds()));
    if (this.#kept) text(this.parts.note, this.#level.silentFor() > SILENT_S && this.#media.state === "recording" ? t("transcribe.no_sound") : t("transcribe.kept_here"));
  }

  #togglePause(node, state) {
    const pausing = this.#media.state === "recording";
    if (pausing) {
      this.#media.pause();
      this.#pauseClock();
    } else {
      this.#media.resume();
      this.#runsSince = performance.now();
    }
    this.node.dataset.state = pausing ? "paused" : "recording";
    text(state, t(pausing ? "transcribe.paused" : "transcribe.recording"));
    node.replaceWith(
      (node = button({
        label: t(pausing ? "transcribe.resume" : "transcribe.pause"),
        glyph: pausing ? "mic" : "pause",
        onClick: () => this.#togglePause(node, state),
      })),
    );
    node.focus();
  }

  #freeMicrophone() {
    clearInterval(this.#ticking);
    this.#level?.close();
    this.#awake?.release();
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
  }

  /** It is over: hear it, name it, send it or throw it away. */
  async #review() {
    await this.#writing;
    this.#file = new File(this.#parts, this.#tape.name, { type: this.#tape.type.split(";")[0] });
    this.#url = URL.createObjectURL(this.#file);
    const player = el("audio", { controls: "", src: this.#url, "aria-label": t("transcribe.listen") });
    const ending = this.#tape.name.split(".").pop();
    const name = el("input", { id: "tape-name", value: this.#tape.name.slice(0, -ending.length - 1), maxlength: "120", lang: locale() });
    const send = button({ label: t("transcribe.send_tape"), glyph: "upload", kind: "primary", onClick: () => this.#send(name.value.trim(), ending) });
    const discard = button({ label: t("transcribe.discard"), glyph: "trash", kind: "danger", onClick: () => this.#discard() });
    this.node.dataset.state = "review";
    this.node.replaceChildren(
      el("p", { class: "recorder-head" }, el("span", {}, t("transcribe.recorded")), el("span", { class: "recorder-time" }, clock(this.#seconds()))),
      player,
      el("div", { class: "field" }, el("label", { for: "tape-name" }, t("transcribe.tape_label")), name),
      el("p", { class: "row recorder-actions" }, discard, send),
    );
    show(this.node, true);
    send.focus();
  }

  async #send(name, ending) {
    const tape = this.#tape;
    if (name) tape.name = `${name}.${ending}`;
    if (this.#kept) await tapes.rename(tape, tape.name).catch(() => {});
    const file = new File(this.#parts, tape.name, { type: this.#file.type });
    this.#tape = null; // it is the upload's now
    this.#onDone(file, this.#kept ? tape : null);
    this.close();
  }

  async #discard() {
    const words = { title: t("transcribe.discard_title"), words: t("transcribe.discard_words", { length: clock(this.#seconds()) }), action: t("transcribe.discard") };
    if (!(await confirm(words))) return;
    if (this.#kept) await tapes.forget(this.#tape);
    this.#tape = null;
    this.close();
  }
}
