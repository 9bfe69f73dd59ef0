// The jobs that are shown: those under way are followed, a few by streams of their own, the others by asking.

import * as api from "../../api.js";
import { keyed } from "../../dom.js";
import { follow } from "../../events.js";
import { Slots } from "../../slots.js";
import { JobCard } from "./job_card.js";

const LISTED = 12;
const POLL_MS = 2500;
const ASKED_AT_ONCE = 4;
// Browsers open six connections to a server, for all tabs together; the streams must leave some for everything else.
const STREAMS = 2;

export class Jobs {
  #list;
  #announce;
  #onChange;
  #cards = new Map();
  #slots = new Slots(STREAMS);
  #over = new AbortController();
  #looking = new AbortController(); // aborted while nobody looks
  #timer = 0;

  constructor(list, { announce, onChange }) {
    this.#list = list;
    this.#announce = announce;
    this.#onChange = onChange;
  }

  get count() {
    return this.#cards.size;
  }

  /** The reader's jobs: all that are under way, and the last ones that are over. */
  async load() {
    const { signal } = this.#over;
    const [going, recent] = await Promise.all([
      api.json("/api/v1/jobs?limit=200&state=queued&state=running", { signal }),
      api.json(`/api/v1/jobs?limit=${LISTED}`, { signal }),
    ]);
    const found = new Map([...going.jobs, ...recent.jobs].map((job) => [job.id, job]));
    for (const job of found.values()) this.#card(job, { watched: ["queued", "running"].includes(job.state) });
    this.#draw();
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#look();
  }

  /** A recording that was sent just now. */
  add(job) {
    if (this.#cards.has(job.id)) this.#cards.get(job.id).update(job);
    else this.#card(job, { watched: true });
    this.#draw();
    this.#follow(this.#cards.get(job.id));
    this.#poll();
  }

  close() {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    clearTimeout(this.#timer);
    this.#over.abort();
    this.#looking.abort();
  }

  #card(job, { watched }) {
    if (this.#cards.has(job.id)) return;
    const card = new JobCard(job, { watched, announce: this.#announce });
    card.onRetried = () => this.#follow(card);
    this.#cards.set(job.id, card);
  }

  #draw() {
    const sorted = [...this.#cards.values()].sort((a, b) => b.job.created_at - a.job.created_at);
    keyed(this.#list, sorted, (card) => card.job.id, (card) => ({ node: card.node, update: () => {} }));
    this.#onChange();
  }

  #onVisibility = () => {
    if (document.hidden) {
      clearTimeout(this.#timer);
      this.#looking.abort();
    } else {
      this.#looking = new AbortController();
      this.#look();
    }
  };

  #look() {
    if (this.#over.signal.aborted || document.hidden) return;
    for (const card of [...this.#unfinished()]) this.#follow(card);
    this.#poll();
  }

  /** Those under way, in the order in which they were put in, which is nearly that in which they start. */
  #unfinished() {
    return [...this.#cards.values()].filter((card) => card.unfinished).sort((a, b) => a.job.created_at - b.job.created_at);
  }

  async #follow(card) {
    if (card.following || !card.unfinished) return;
    card.following = true;
    const { signal } = this.#looking;
    const path = `/api/v1/jobs/${encodeURIComponent(card.job.id)}`;
    try {
      await this.#slots.use(async () => {
        card.streaming = true;
        while (card.unfinished) { // once more where it was retried after its end
          signal.throwIfAborted();
          await follow(`${path}/events`, (kind, data, id) => card.told(kind, data, id), signal, card.seen);
          card.update(await api.json(path, { signal }));
        }
        if (card.hasSpeakers && card.job.state === "succeeded") await card.retell();
      });
    } catch (error) {
      if (error.status === 404) this.#remove(card);
      else if (!signal.aborted) this.#poll(); // asked for now and then, until it can be followed again
    } finally {
      card.following = false;
      card.streaming = false;
    }
  }

  #remove(card) {
    this.#cards.delete(card.job.id);
    this.#draw();
  }

  /** Where those stand that wait: their places, and what no stream tells of. */
  #poll() {
    clearTimeout(this.#timer);
    if (this.#over.signal.aborted || document.hidden) return;
    const waiting = this.#unfinished().filter((card) => card.job.state === "queued" || !card.streaming);
    if (!waiting.length) return;
    const ask = async (card) => {
      try {
        card.update(await api.json(`/api/v1/jobs/${encodeURIComponent(card.job.id)}`, { signal: this.#looking.signal }));
        this.#follow(card);
      } catch (error) {
        if (error.status === 404) this.#remove(card);
      }
    };
    const mine = this.#looking.signal;
    this.#timer = setTimeout(async () => {
      await waiting.slice(0, ASKED_AT_ONCE).reduce((before, card) => before.then(() => ask(card)), Promise.resolve());
      if (!mine.aborted) this.#poll();
    }, this.#polled ? POLL_MS : 0);
    this.#polled = true;
  }

  #polled = false;
}
