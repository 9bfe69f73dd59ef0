// A job of the reader: where it stands, its text as it arrives, and the way to the transcript.

import * as api from "../../api.js";
import { el, show, text } from "../../dom.js";
import { ago, clock, percent, span } from "../../format.js";
import { has, t } from "../../i18n.js";
import { bar } from "../../meter.js";
import { button } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";
import { words as faultOf } from "./fault.js";

const NEAR_END_PX = 48;

export class JobCard {
  #name = el("strong", { class: "work-name" });
  #badge = el("span", { class: "badge" });
  #facts = el("p", { class: "hint work-facts" });
  #progress = bar(() => t("transcribe.transcription"), { role: "progressbar" });
  #fault = el("p", { class: "fault", role: "alert" });
  #known = el("p", { class: "work-known" });
  #text = el("div", { class: "live-text", role: "region", tabindex: "0" });
  #stop;
  #again;
  #open = el("a", { class: "button" }, icon("subtitles", 18), el("span", {}, t("transcribe.open")));
  #segments = 0;
  #stage = null;
  #announce;

  /** `watched`: the reader saw it begin, so its text stays when it is done; `announce(words)` for screen readers. */
  constructor(job, { watched, announce }) {
    this.job = job;
    this.watched = watched;
    this.seen = 0; // id of the last event
    this.hasSpeakers = false;
    this.#announce = announce;
    const id = `job-${job.id}`;
    const about = { "aria-describedby": id };
    this.#name.id = id;
    this.#stop = button({ label: t("common.cancel"), kind: "quiet", glyph: "close", onClick: () => this.#ask("cancel"), attributes: about });
    this.#again = button({ label: t("common.again"), glyph: "retry", onClick: () => this.#ask("retry"), attributes: about });
    this.#open.href = `/app/t/${encodeURIComponent(job.id)}`;
    this.#open.setAttribute("aria-describedby", id);
    const actions = el("div", { class: "work-actions" }, this.#again, this.#stop, this.#open);
    this.node = el("li", { class: "work card", "data-job": job.id }, el("div", { class: "work-head" }, this.#name, this.#badge));
    this.node.append(this.#facts, actions, this.#progress.node, this.#known, this.#fault, this.#text);
    show(this.#text, false);
    this.update(job, { quiet: true });
  }

  get unfinished() {
    return ["queued", "running"].includes(this.job.state);
  }

  /** The job as the server has it now. */
  update(job, { quiet = false } = {}) {
    const before = this.job.state;
    this.job = { ...this.job, ...job };
    if (this.job.state !== "running") this.#stage = null;
    const { state } = this.job;
    if (!quiet && state !== before) this.#announce(`${titleOf(this.job)}: ${t(`transcribe.job_${state}`)}`);
    this.#put();
  }

  /** Something happened to it (see events.js). */
  told(kind, data, id) {
    this.seen = id;
    this.hasSpeakers ||= kind === "speakers";
    if (kind === "state") this.update({ state: data.state });
    else if (kind === "stage") {
      this.#stage = data;
      this.#put();
    } else if (kind === "segment") this.#add(data);
    else if (kind === "warning") this.#append(el("p", { class: "live-warning" }, data.message));
  }

  /** The whole text anew: who speaks is known only when all was heard. */
  async retell() {
    const { segments } = await api.json(`/api/v1/transcriptions/${encodeURIComponent(this.job.id)}`);
    const warnings = [...this.#text.querySelectorAll(".live-warning")];
    this.#segments = 0;
    this.#text.replaceChildren(...warnings);
    for (const segment of segments) this.#add(segment);
  }

  #put() {
    const { state, error, cached } = this.job;
    this.node.dataset.state = state;
    text(this.#name, titleOf(this.job));
    this.#text.setAttribute("aria-label", t("transcribe.text_of", { name: titleOf(this.job) }));
    text(this.#badge, t(`transcribe.job_${state}`));
    this.#badge.dataset.state = state;
    text(this.#facts, this.#words());
    this.#putProgress();
    text(this.#known, cached ? t("transcribe.known") : "");
    show(this.#known, Boolean(cached) && this.watched);
    text(this.#fault, state === "failed" && error ? faultOf(error) : "");
    show(this.#fault, this.#fault.textContent !== "");
    show(this.#stop, this.unfinished);
    show(this.#again, ["failed", "cancelled"].includes(state) && this.job.media.kept);
    show(this.#open, state === "succeeded");
    this.#open.classList.toggle("primary", this.watched);
    const empty = state === "succeeded" && this.watched && this.job.finished_at && !cached && this.#segments === 0;
    if (empty && !this.#text.childElementCount) this.#append(el("p", { class: "hint" }, t("transcribe.no_speech")));
  }

  #putProgress() {
    show(this.#progress.node, this.job.state === "running");
    const share = this.#stage?.progress || this.job.progress || null;
    const stage = this.#stage?.stage ?? this.job.stage;
    const key = `transcribe.stage_${stage}`;
    const words = has(key) ? t(key) : t("transcribe.stage_other");
    this.#progress.update(share, share ? `${words} · ${percent(100 * share)}` : words);
  }

  #words() {
    const { state, media, model, position, estimated_wait_s: waits, started_at: began, finished_at: ended, created_at: made, cached } = this.job;
    const length = media.duration ?? this.#stage?.duration;
    const facts = [length && clock(length), model && model !== "auto" && model];
    if (state === "queued") {
      if (position) facts.push(position === 1 ? t("transcribe.next") : t("transcribe.place", { n: position }));
      if (waits) facts.push(t("transcribe.starts_in", { time: span(waits) }));
    } else if (state === "succeeded" && this.watched && began && ended && !cached) {
      facts.push(t("transcribe.took", { time: span(Math.max(1, Math.round(ended - began))) }));
    } else if (state !== "running") {
      facts.push(ago(ended ?? made));
    }
    return facts.filter(Boolean).join(" · ");
  }

  #add(segment) {
    const speaker = segment.speaker ? [el("b", {}, `${segment.speaker}: `)] : [];
    this.#segments += 1;
    this.#append(el("p", { class: "live-said" }, el("time", {}, clock(segment.start)), el("span", {}, ...speaker, segment.text)));
  }

  #append(node) {
    const below = this.#text.scrollHeight - this.#text.scrollTop - this.#text.clientHeight;
    this.#text.append(node);
    show(this.#text, true);
    if (below < NEAR_END_PX) this.#text.scrollTop = this.#text.scrollHeight; // unless the reader scrolled up
  }

  async #ask(what) {
    const asked = what === "cancel" ? this.#stop : this.#again;
    asked.disabled = true;
    try {
      const job = await api.json(`/api/v1/jobs/${encodeURIComponent(this.job.id)}/${what}`, { method: "POST" });
      this.watched ||= what === "retry";
      this.update(job);
      if (what === "retry") this.onRetried?.();
    } catch (error) {
      text(this.#fault, faultOf(error));
      show(this.#fault, true);
    } finally {
      asked.disabled = false;
    }
  }
}

function titleOf(job) {
  return job.title ?? job.media.filename ?? t("transcribe.unnamed");
}
