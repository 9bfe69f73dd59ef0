// Saving as one goes: edits gather for a moment, one request is under way at a time, a lost line is waited out.

import * as api from "../../api.js";
import * as drafts from "./drafts.js";

const SAVE_AFTER_MS = 800;
const SAVE_WITHIN_MS = 5000; // also while somebody types on and on
const DRAFT_AFTER_MS = 200;
const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 30_000;
const KEEPALIVE_BYTES = 60_000; // browsers let 64 KiB outlive the page
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

export class Saver {
  state = "saved";
  error = null;
  conflict = null;
  #held = null; // {told, groups}: what came anew and could not be joined with ours
  #timer = 0;
  #draftTimer = 0;
  #waitingSince = 0;
  #tries = 0;
  #busy = null;
  #closed = new AbortController();
  #channel = null;
  #owner = drafts.tab();

  /** `model`: how the document gives what is unsaved and takes what is told; see `TranscriptDocument`. */
  constructor(jobId, path, model) {
    Object.assign(this, { jobId, path, model });
  }

  /** Take up what an earlier visit left, and listen to other tabs and to the line. */
  start() {
    const { signal } = this.#closed;
    addEventListener("online", () => this.#tries && this.#later(0), { signal });
    addEventListener("pagehide", () => this.#leave(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.#leave(), { signal });
    this.#channel = new BroadcastChannel(`stenogram.transcript.${this.jobId}`);
    this.#channel.addEventListener("message", ({ data }) => this.#heard(data));
    this.#recover();
  }

  close() {
    this.#leave();
    this.#closed.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#draftTimer);
    this.#channel?.close();
    this.#channel = null;
  }

  /** Something changed here. */
  edited() {
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.#keepDraft(), DRAFT_AFTER_MS);
    if (this.state === "conflict" || this.state === "offline" || this.#busy) return;
    const now = performance.now();
    if (this.state !== "unsaved") this.#waitingSince = now;
    this.#stand("unsaved");
    this.#later(Math.max(0, Math.min(SAVE_AFTER_MS, this.#waitingSince + SAVE_WITHIN_MS - now)));
  }

  async flush() {
    for (let round = 0; round < 3 && this.state !== "conflict"; round += 1) {
      await this.#save();
      if (this.state === "saved" || this.state === "offline" || this.state === "refused") break;
    }
    return this.state === "saved";
  }

  /** Bring what the server has now under what is unsaved here. */
  async refresh() {
    await this.#busy;
    const told = await api.json(this.path, { signal: this.#closed.signal });
    this.#take(told);
  }

  resolve(choice) {
    const { told, groups } = this.#held;
    const choose = (number) => Array.isArray(choice) && choice[number];
    this.#held = this.conflict = null;
    this.model.bring(told, choice === "theirs" ? [] : groups, choose);
    this.#stand("saved");
    this.#settle();
    this.#keepDraft();
  }

  #take(told, groups = null) {
    const conflict = this.model.bring(told, groups);
    if (conflict) {
      this.#held = { told, groups };
      this.conflict = conflict;
      this.#stand("conflict");
      this.model.tell("conflict", conflict);
    } else if (this.state !== "conflict") {
      this.#settle();
    }
    return !conflict;
  }

  #stand(state, error = null) {
    this.error = error;
    if (state === this.state) return;
    this.state = state;
    this.model.tell("state");
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), wait);
  }

  #save() {
    clearTimeout(this.#timer);
    if (this.state === "conflict") return Promise.resolve();
    this.#busy ??= this.#send().finally(() => {
      this.#busy = null;
      this.#settle();
    });
    return this.#busy;
  }

  /** After anything: is there more to save? */
  #settle() {
    if (["conflict", "offline", "refused"].includes(this.state) || this.#busy) return;
    if (this.model.unsaved().length === 0) {
      this.#stand("saved");
      this.#keepDraft();
    } else {
      this.#waitingSince = performance.now();
      this.#stand("unsaved");
      this.#later(SAVE_AFTER_MS);
    }
  }

  async #send() {
    const groups = this.model.unsaved();
    if (groups.length === 0) return this.#stand("saved");
    this.#stand("saving");
    const json = { base: this.model.version(), edits: groups.map(({ edit }) => edit) };
    const keepalive = JSON.stringify(json).length < KEEPALIVE_BYTES;
    try {
      const answer = await api.json(this.path, { method: "PATCH", json, keepalive });
      this.#tries = 0;
      this.model.saved(groups, answer);
      this.#stand("saved");
      this.#channel?.postMessage({ kind: "saved", version: answer.version });
      if (answer.others) await this.#others();
    } catch (error) {
      await this.#failed(error);
    }
  }

  async #failed(error) {
    if (this.#closed.signal.aborted) return;
    if (error.code === "version_conflict") {
      this.#stand("saved"); // so that it is told anew
      await this.#others().catch((next) => this.#failed(next));
    } else if (error.code === "offline" || PASSING.has(error.status)) {
      const wait = Math.min(RETRY_FIRST_MS * 2 ** this.#tries, RETRY_LAST_MS);
      this.#tries += 1;
      this.#stand("offline", error);
      this.#keepDraft();
      this.#later(error.retryAfterS ? 1000 * error.retryAfterS : wait);
    } else if (error.status) {
      this.#stand("refused", error);
      this.#keepDraft();
    } else {
      throw error;
    }
  }

  async #others() {
    const told = await api.json(this.path, { signal: this.#closed.signal });
    if (this.#take(told)) this.model.tell("others");
  }

  // --- other tabs, and what is kept here ------------------------------------------------------------------------------

  #heard({ kind, owner, version }) {
    if (kind === "who") this.#channel.postMessage({ kind: "here", owner: this.#owner });
    else if (kind === "saved" && version > this.model.version() && !this.#busy && this.state !== "conflict") {
      this.#others().catch(() => {}); // the next save finds it out
    } else if (kind === "here") this.#alive?.add(owner);
  }

  #alive = null;

  /** Put in again what was kept here and belongs to no tab that is open. */
  async #recover() {
    if (drafts.kept(this.jobId).length === 0) return;
    this.#alive = new Set();
    this.#channel.postMessage({ kind: "who" });
    await new Promise((resolve) => setTimeout(resolve, 150));
    if (this.#closed.signal.aborted) return;
    if (this.#alive.has(this.#owner)) this.#owner += Math.random().toString(36).slice(2, 6); // a tab that was doubled
    const left = drafts.kept(this.jobId).filter(({ owner }) => !this.#alive.has(owner));
    this.#alive = null;
    const told = left.length ? await api.json(this.path, { signal: this.#closed.signal }).catch(() => null) : null;
    for (const { owner, draft } of told ? left : []) {
      const groups = this.model.revive(draft);
      const whole = [...this.model.unsaved(), ...groups];
      if (this.#take(told, whole)) this.model.tell("recovered");
      if (owner !== this.#owner) drafts.keep(this.jobId, owner, null);
      if (this.state === "conflict") break;
    }
    this.#keepDraft();
  }

  #keepDraft() {
    clearTimeout(this.#draftTimer);
    if (this.state === "conflict" && this.#held.groups) return; // it is the draft that could not be put in
    const draft = this.model.unsaved().map(({ edit, old }) => ({
      edit,
      was: old.map(({ text, speaker, start, end }, index) => ({ id: edit.replace[index], text, speaker, start, end })),
    }));
    drafts.keep(this.jobId, this.#owner, draft.length ? draft : null);
  }

  /** The page goes, or is put away. */
  #leave() {
    this.#keepDraft();
    if (this.state === "unsaved") this.#save();
  }
}
