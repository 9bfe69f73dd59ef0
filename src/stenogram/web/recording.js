// One recording of this page's reader: its upload, its job, its text as it arrives, and the files to take away.

import * as api from "./api.js";
import { el, show, text } from "./dom.js";
import { follow } from "./events.js";
import { bytes, clock, percent, span } from "./format.js";
import { explain, has, t } from "./i18n.js";
import { bar } from "./meter.js";
import * as session from "./session.js";
import { Slots } from "./slots.js";

const FORMATS = ["txt", "srt", "vtt", "json"];
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
  #say = () => "";
  #progress = bar(() => t("dashboard.upload"), { role: "progressbar" });
  #state = el("span", { class: "badge" });
  #words = el("p", { class: "hint facts", role: "status" });
  #link = el("a", { class: "job-id" });
  #fault = el("p", { class: "fault", role: "alert" });
  #text = el("div", { class: "transcript", role: "region", tabindex: "0" });
  #downloads = el("p", { class: "downloads" });
  #stop = el("button", { type: "button", class: "quiet" });
  #close = el("button", { type: "button", class: "quiet" });

  constructor(filename, size) {
    this.filename = filename;
    this.#stop.addEventListener("click", () => this.#cancel());
    const head = el("p", { class: "row-head" }, el("strong", { class: "filename" }, filename), this.#state, this.#stop);
    this.node = el("li", {}, head, this.#progress.node, this.#words, this.#link, this.#fault, this.#text, this.#downloads);
    for (const part of [this.#link, this.#fault, this.#text, this.#downloads]) show(part, false);
    this.#show("uploading", () => t("dashboard.to_be_sent", { size: bytes(size) }));
    this.#progress.update(0);
    this.relabel();
  }

  /** Say everything anew, in the language in force. */
  relabel() {
    const name = this.filename;
    this.#text.setAttribute("aria-label", t("dashboard.transcript_of", { name }));
    text(this.#stop, t("common.cancel"));
    this.#stop.setAttribute("aria-label", t("dashboard.cancel_one", { name }));
    text(this.#close, t("dashboard.remove"));
    this.#close.setAttribute("aria-label", t("dashboard.remove_one", { name }));
    this.#link.title = t("dashboard.as_json");
    if (this.#job) text(this.#link, t("dashboard.job", { id: this.#job.id }));
    for (const link of this.#downloads.children) labelLink(link, name);
    this.#progress.relabel();
    this.#show(this.#stands, this.#say);
  }

  /** So many bytes were sent. */
  sent(done, total) {
    const share = total ? done / total : null;
    this.#progress.update(share, share === null ? bytes(done) : percent(100 * share));
    const sizes = { part: bytes(done), whole: bytes(total ?? done) };
    this.#show("uploading", () => (share === 1 ? t("dashboard.taken_in") : t("dashboard.sent", sizes)));
  }

  /** The server took it in: show what becomes of the job. */
  async follow(job) {
    this.#job = job;
    this.onCancel = null;
    const path = `/api/v1/jobs/${encodeURIComponent(job.id)}`;
    const progress = bar(() => t("dashboard.transcription"), { role: "progressbar" });
    this.#progress.node.replaceWith(progress.node);
    this.#progress = progress;
    text(this.#link, t("dashboard.job", { id: job.id }));
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
    if (index >= 0) this.#show("queued", () => t("dashboard.place", { n: index + 1 }));
    else if (processing.includes(this.#job.id)) this.#told("state", { state: "running" });
  }

  /** It came to nothing, or cannot be followed any more. */
  fail(error) {
    if (error.name === "AbortError") {
      this.#show("cancelled", () => t("dashboard.upload_cancelled"));
    } else {
      this.#show("failed");
      this.#tellFault(explain(error));
    }
    this.#finish();
  }

  #told(kind, data) {
    if (kind === "state" && has(`dashboard.states.${data.state}`)) {
      if (data.state !== this.#stands) this.#show(data.state);
      this.#progress.update(null);
      show(this.#progress.node, data.state === "running");
    } else if (kind === "stage") {
      this.#show("running", () => stageOf(data));
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
    if (job.state === "succeeded") {
      this.#show(job.state, () => madeOf(job));
      if (!this.#segments) this.#text.append(el("p", { class: "hint" }, t("dashboard.no_speech")));
      show(this.#text, true);
      this.#offer(job);
    } else {
      this.#show(job.state);
      if (job.error) this.#tellFault(job.error.message);
    }
    this.#finish();
  }

  #offer(job) {
    if (session.may("read")) {
      const open = el("a", { href: `/app/t/${encodeURIComponent(job.id)}`, class: "download" });
      labelLink(open, this.filename);
      this.#downloads.append(open);
    }
    const stem = this.filename.replace(/\.[^.]+$/, "") || job.id;
    for (const format of FORMATS) {
      const href = `/api/v1/transcriptions/${encodeURIComponent(job.id)}?format=${format}`;
      const link = el("a", { href, class: "download", download: `${stem}.${format}` }, format);
      labelLink(link, this.filename);
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
        this.#tellFault(explain(error));
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
      this.#tellFault(explain(error));
      this.#stop.disabled = false;
    }
  }

  #finish() {
    show(this.#progress.node, false);
    this.#close.addEventListener("click", () => {
      this.dropped = true;
      this.#over.abort();
      this.node.remove();
      this.onRemove?.();
    });
    this.#stop.replaceWith(this.#close);
  }

  /** `say()` gives the words beside the state; it is asked again where the language changes. */
  #show(state, say = () => "") {
    this.#stands = state;
    this.#say = say;
    text(this.#state, t(`dashboard.states.${state}`));
    this.#state.dataset.state = state;
    text(this.#words, say());
    show(this.#words, this.#words.textContent !== "");
  }

  #tellFault(message) {
    text(this.#fault, message);
    show(this.#fault, true);
  }
}

/** What is being done, and to how much. */
function stageOf({ stage, duration }) {
  const words = has(`dashboard.stages.${stage}`) ? t(`dashboard.stages.${stage}`) : t("dashboard.states.running");
  return duration ? t("dashboard.stage_of", { stage: words, length: clock(duration) }) : words;
}

function madeOf(job) {
  const length = job.media?.duration ? clock(job.media.duration) : "";
  if (job.cached) return t("dashboard.known", { length });
  return job.started_at ? t("dashboard.took", { length, time: span(job.finished_at - job.started_at) }) : length;
}

/** A link to a file, or to the page of the transcript. */
function labelLink(link, name) {
  if (!link.download) text(link, t("dashboard.open"));
  const format = link.textContent;
  link.setAttribute("aria-label", link.download ? t("dashboard.download_as", { name, format }) : t("dashboard.open_one", { name }));
}
