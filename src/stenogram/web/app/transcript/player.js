// The recording, heard. One <video> serves sound too, and is shown only where there is a picture.

import { el } from "../../dom.js";
import { last } from "./words.js";

export const RATES = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];
const STEP_S = 5;
const GAP_S = 1; // a pause that is longer is silence to be skipped
const LEAD_S = 0.25; // of it, this much is heard at both ends
const HAVE_NOTHING = 0;

/** Tells of `time` (each frame while it plays, and at each jump), `state` (playing, rate, skipping) and `fault`. */
export class Player extends EventTarget {
  media = el("video", { playsinline: "", preload: "metadata", disableremoteplayback: "" });
  skipSilence = false;
  fault = null;
  #goal = null; // a moment to go to once the recording is there
  #wish = false;
  #frame = 0;
  #playable = false;
  #over = new AbortController();

  /** `url`: of the recording; `gaps()`: times without words, `[[start, end], ...]`, in order. */
  constructor(url, { duration, gaps }) {
    super();
    Object.assign(this, { url, known: duration, gaps });
    const { signal } = this.#over;
    const on = (kinds, run) => kinds.split(" ").forEach((kind) => this.media.addEventListener(kind, run, { signal }));
    on("play pause ended ratechange", () => this.#stand());
    on("seeked timeupdate", () => this.#tell("time"));
    on("loadedmetadata", () => this.#ready());
    on("error", () => this.#failed());
    this.media.preservesPitch = true;
    this.media.src = url;
  }

  get time() {
    return this.#goal ?? this.media.currentTime;
  }

  get duration() {
    const { duration } = this.media;
    return Number.isFinite(duration) && duration > 0 ? duration : this.known;
  }

  get playing() {
    return this.#wish || !this.media.paused;
  }

  get rate() {
    return this.media.playbackRate;
  }

  get hasPicture() {
    return this.media.videoWidth > 0;
  }

  set rate(value) {
    const rate = Math.min(RATES.at(-1), Math.max(RATES[0], value));
    this.media.defaultPlaybackRate = rate;
    this.media.playbackRate = rate;
  }

  /** The next speed above (1) or below (-1). */
  faster(way) {
    const now = this.rate;
    this.rate = way > 0 ? (RATES.find((rate) => rate > now + 0.01) ?? now) : (RATES.findLast((rate) => rate < now - 0.01) ?? now);
  }

  async play() {
    if (this.media.readyState === HAVE_NOTHING) {
      this.#wish = true; // once it is there
      this.#tell("state");
      return;
    }
    await this.media.play().catch((error) => error.name === "AbortError" || this.#tell("fault", error));
  }

  pause() {
    this.#wish = false;
    this.media.pause();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(seconds, { play = false } = {}) {
    const time = Math.min(Math.max(0, seconds), this.duration || seconds);
    if (this.media.readyState === HAVE_NOTHING) this.#goal = time;
    else this.media.currentTime = time;
    this.#tell("time");
    this.#tell("sought");
    if (play) this.play();
  }

  skip(seconds) {
    this.seek(this.time + seconds);
  }

  back() {
    this.skip(-STEP_S);
  }

  forward() {
    this.skip(STEP_S);
  }

  /** Let the keys of the keyboard and the lock screen work it. */
  announce(title) {
    if (!("mediaSession" in navigator)) return;
    const { mediaSession } = navigator;
    if ("MediaMetadata" in window) mediaSession.metadata = new MediaMetadata({ title, artist: "Stenogram" });
    const actions = {
      play: () => this.play(),
      pause: () => this.pause(),
      seekbackward: () => this.back(),
      seekforward: () => this.forward(),
      seekto: ({ seekTime }) => this.seek(seekTime),
    };
    for (const [name, run] of Object.entries(actions)) mediaSession.setActionHandler(name, run);
    this.#over.signal.addEventListener("abort", () => {
      mediaSession.metadata = null;
      for (const name of Object.keys(actions)) mediaSession.setActionHandler(name, null);
    });
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#over.abort();
    this.media.pause();
    this.media.removeAttribute("src");
    this.media.load(); // gives the connection back
    this.media.remove();
  }

  #ready() {
    if (this.#goal !== null) this.media.currentTime = this.#goal;
    this.#goal = null;
    this.#tell("ready");
    this.#tell("time");
    if (this.#wish) this.play();
    this.#wish = false;
  }

  /** Formats that browsers do not play: the server makes one that they do. */
  #failed() {
    const at = this.time;
    if (!this.#playable) {
      this.#playable = true;
      this.#goal = at || null;
      this.#wish ||= !this.media.paused;
      this.media.src = `${this.url}?playable=true`;
      return;
    }
    this.fault = this.media.error;
    this.#wish = false;
    this.#tell("fault", this.media.error);
    this.#tell("state");
  }

  #stand() {
    cancelAnimationFrame(this.#frame);
    if (!this.media.paused) this.#frame = requestAnimationFrame(() => this.#tick());
    if ("mediaSession" in navigator) navigator.mediaSession.playbackState = this.media.paused ? "paused" : "playing";
    this.#tell("state");
  }

  #tick() {
    if (this.skipSilence) this.#jump();
    this.#tell("time");
    this.#frame = requestAnimationFrame(() => this.#tick());
  }

  #jump() {
    const gaps = this.gaps();
    const now = this.media.currentTime;
    const gap = gaps[last(gaps, now, ([start]) => start)];
    if (gap && gap[1] - gap[0] > GAP_S && now > gap[0] + LEAD_S && now < gap[1] - 2 * LEAD_S) this.media.currentTime = gap[1] - LEAD_S;
  }

  #tell(kind, detail = null) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
