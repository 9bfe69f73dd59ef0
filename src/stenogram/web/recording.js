// One recording of this page's reader: its upload, its job, its text as it arrives, and the files to take away.

import * as api from "./api.js";
import { el, show, text } from "./dom.js";
import { follow } from "./events.js";
import { bytes, clock, count, percent, span } from "./format.js";
import { bar } from "./meter.js";
import { Slots } from "./slots.js";

const FORMATS = ["txt", "srt", "vtt", "json"];
const STATES = { queued: "waiting", running: "processing", succeeded: "done", failed: "failed", cancelled: "cancelled" };
const STAGES = {
  decode: "reading the sound",
  vad: "finding speech",
  chunk: "cutting into passages",
  load: "loading the model",
  transcribe: "transcribing",
  transcript: "putting the text together",
  diarize: "telling who speaks",
};
// Browsers open six connections to a server; the streams must leave some for everything else.
const streams = new Slots(3);

export class Recording {
  dropped = false;
  onCancel = null;
  onRemove = null;
  #job = null;
  #stands = "uploading";
  #over = new AbortController();
  #segments = 0;
  #speakers = false;
  #progress = bar("Upload", { role: "progressbar" });
  #state = el("span", { class: "badge" }, "waiting");
  #words = el("p", { class: "hint facts", role: "status" });
  #link = el("a", { class: "job-id", title: "The job as JSON" });
  #fault = el("p", { class: "fault", role: "alert" });
  #text = el("div", { class: "transcript", role: "region", tabindex: "0" });
  #downloads = el("p", { class: "downloads" });
  #stop = el("button", { type: "button", class: "quiet" }, "Cancel");

  constructor(filename, size) {
    this.filename = filename;
    this.#text.setAttribute("aria-label", `Transcript of ${filename}`);
    this.#stop.setAttribute("aria-label", `Cancel ${filename}`);
    this.#stop.addEventListener("click", () => this.#cancel());
    const head = el("p", { class: "row-head" }, el("strong", { class: "filename" }, filename), this.#state, this.#stop);
    this.node = el("li", {}, head, this.#progress.node, this.#words, this.#link, this.#fault, this.#text, this.#downloads);
    for (const part of [this.#link, this.#fault, this.#text, this.#downloads]) show(part, false);
    this.#show("uploading", `${bytes(size)}, waiting to be sent`);
    this.#progress.update(0);
  }

  /** So many bytes were sent. */
  sent(done, total) {
    const share = total ? done / total : null;
    this.#progress.update(share, share === null ? bytes(done) : percent(100 * share));
    this.#show("uploading", share === 1 ? "the server is taking it in" : `${bytes(done)} of ${bytes(total ?? done)} sent`);
  }

  /** The server took it in: show what becomes of the job. */
  async follow(job) {
    this.#job = job;
    this.onCancel = null;
    const path = `/api/v1/jobs/${encodeURIComponent(job.id)}`;
    const progress = bar("Transcription", { role: "progressbar" });
    this.#progress.node.replaceWith(progress.node);
    this.#progress = progress;
    text(this.#link, `job ${job.id}`);
    this.#link.href = path;
    this.#takeAway(this.#link, `${job.id}.json`, { inPage: true });
    show(this.#link, true);
    this.#told("state", job);
    try {
      await streams.use(() => follow(`${path}/events`, (kind, data) => this.#told(kind, data), this.#over.signal));
      const ended = await (await api.request(path)).json();
      if (this.#speakers && ended.state === "succeeded") await this.#retell(ended);
      this.#end(ended);
    } catch (error) {
      if (!this.dropped) this.fail(error);
    }
  }

  /** Where the job stands, by the state of the whole server. */
  place({ queued, processing }) {
    if (this.#stands !== "queued") return;
    const index = queued.indexOf(this.#job.id);
    if (index >= 0) this.#show("queued", `number ${count(index + 1)} in the queue`);
    else if (processing.includes(this.#job.id)) this.#told("state", { state: "running" });
  }

  /** It came to nothing, or cannot be followed any more. */
  fail(error) {
    if (error.name === "AbortError") {
      this.#show("cancelled", "The upload was cancelled.");
    } else {
      this.#show("failed", "");
      this.#tellFault(error.message);
    }
    this.#finish();
  }

  #told(kind, data) {
    if (kind === "state" && data.state in STATES) {
      if (data.state !== this.#stands) this.#show(data.state, "");
      this.#progress.update(null);
      show(this.#progress.node, data.state === "running");
    } else if (kind === "stage") {
      const length = data.duration ? ` of ${clock(data.duration)}` : "";
      this.#show("running", `${STAGES[data.stage] ?? data.stage ?? "working"}${length}`);
      this.#progress.update(data.progress || null, data.progress ? percent(100 * data.progress) : "");
    } else if (kind === "segment") {
      this.#add(data);
    } else if (kind === "speakers") {
      this.#speakers = true;
    } else if (kind === "warning") {
      this.#text.append(el("p", { class: "warning" }, data.message));
      show(this.#text, true);
    }
  }

  #add(segment) {
    const below = this.#text.scrollHeight - this.#text.scrollTop - this.#text.clientHeight;
    const speaker = segment.speaker ? [el("b", {}, `${segment.speaker}: `)] : [];
    this.#text.append(el("p", { class: "said" }, el("time", {}, clock(segment.start)), el("span", {}, ...speaker, segment.text)));
    this.#segments += 1;
    show(this.#text, true);
    if (below < 40) this.#text.scrollTop = this.#text.scrollHeight; // unless the reader scrolled up
  }

  /** Who speaks is known when all is heard: the segments as they are now, in place of those that came meanwhile. */
  async #retell(job) {
    const path = `/api/v1/transcriptions/${encodeURIComponent(job.id)}`;
    const { segments } = await (await api.request(path)).json();
    for (const told of this.#text.querySelectorAll("p.said")) told.remove();
    this.#segments = 0;
    for (const segment of segments) this.#add(segment);
  }

  #end(job) {
    const took = job.cached || !job.started_at ? "" : `, in ${span(job.finished_at - job.started_at)}`;
    const length = job.media?.duration ? clock(job.media.duration) : "";
    if (job.state === "succeeded") {
      this.#show(job.state, job.cached ? `${length}, known from before` : `${length}${took}`);
      if (!this.#segments) this.#text.append(el("p", { class: "hint" }, "No speech was found."));
      show(this.#text, true);
      this.#offer(job);
    } else {
      this.#show(job.state, "");
      if (job.error) this.#tellFault(job.error.message);
    }
    this.#finish();
  }

  #offer(job) {
    const stem = this.filename.replace(/\.[^.]+$/, "") || job.id;
    for (const format of FORMATS) {
      const href = `/api/v1/transcriptions/${encodeURIComponent(job.id)}?format=${format}`;
      const link = el("a", { href, class: "download", download: `${stem}.${format}` }, format);
      link.setAttribute("aria-label", `Download ${this.filename} as ${format}`);
      this.#takeAway(link, `${stem}.${format}`);
      this.#downloads.append(link);
    }
    show(this.#downloads, true);
  }

  /** A link cannot send a key: where there is one, fetch the file and hand that over. */
  #takeAway(link, name, { inPage = false } = {}) {
    if (inPage) link.target = "_blank";
    link.addEventListener("click", async (event) => {
      if (!api.key()) return;
      event.preventDefault();
      try {
        const url = URL.createObjectURL(await (await api.request(link.getAttribute("href"))).blob());
        el("a", { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), 60_000);
      } catch (error) {
        this.#tellFault(error.message);
      }
    });
  }

  async #cancel() {
    if (this.#job === null) {
      this.dropped = true;
      if (this.onCancel) this.onCancel();
      else this.fail(new DOMException("", "AbortError"));
      return;
    }
    this.#stop.disabled = true;
    try {
      await api.request(`/api/v1/jobs/${encodeURIComponent(this.#job.id)}/cancel`, { method: "POST" });
    } catch (error) {
      this.#tellFault(error.message);
      this.#stop.disabled = false;
    }
  }

  #finish() {
    show(this.#progress.node, false);
    const close = el("button", { type: "button", class: "quiet", "aria-label": `Remove ${this.filename} from the page` }, "Remove");
    close.addEventListener("click", () => {
      this.dropped = true;
      this.#over.abort();
      this.node.remove();
      this.onRemove?.();
    });
    this.#stop.replaceWith(close);
  }

  #show(state, words) {
    this.#stands = state;
    text(this.#state, STATES[state] ?? state);
    this.#state.dataset.state = state;
    text(this.#words, words);
    show(this.#words, words !== "");
  }

  #tellFault(message) {
    text(this.#fault, message);
    show(this.#fault, true);
  }
}
