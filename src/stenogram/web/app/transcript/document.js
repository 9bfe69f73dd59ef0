// A transcript under work: its segments as the page has them, what the server has of them, and the way between.
//
// Segments are values: an edit puts others in their place. Each has an `id` of this page's own, which stays while it is
// edited, split or saved (`serverId` and `byServerId` translate); `fitted` says whether its words are those of the server.

import * as api from "../../api.js";
import { difference, identical, rebase } from "./difference.js";
import { History } from "./history.js";
import { Saver } from "./saving.js";
import { cut, fitTexts, joined, refit, tidy, wordEdge } from "./words.js";

/**
 * Tells of:
 * - `change` {changed: ids, removed: ids, structure, source: "edit" | "undo" | "redo" | "server", at: id to look at}
 * - `facts`: title, speakers, turns, version
 * - `state`: see there; `conflict`: answer it with `resolve`
 * - `others`: what somebody else saved was brought in; `recovered`: edits of an earlier visit were
 */
export class TranscriptDocument extends EventTarget {
  segments = [];
  version = 0;
  facts = {};
  #synced = []; // what the server has
  #index = null;
  #server = new Map(); // our id -> the server's
  #ours = new Map(); // the server's id -> ours
  #next = 0;
  #history = new History();
  #saver;

  /** Load a transcript. Throws ApiError. */
  static async open(jobId, { path = `/api/v1/transcriptions/${encodeURIComponent(jobId)}/document`, readOnly = false, told = null } = {}) {
    const made = new TranscriptDocument(jobId, path, readOnly);
    made.#bring(told ?? (await api.json(path)), []);
    if (!readOnly) made.#saver.start();
    return made;
  }

  constructor(jobId, path, readOnly) {
    super();
    Object.assign(this, { jobId, path, readOnly });
    this.#saver = new Saver(jobId, path, {
      version: () => this.version,
      unsaved: () => this.#unsaved(),
      saved: (groups, answer) => this.#saved(groups, answer),
      bring: (told, groups, choose) => this.#bring(told, groups ?? difference(this.#synced, this.segments), choose),
      revive: (draft) => this.#revive(draft),
      tell: (kind, detail) => this.#tell(kind, detail),
    });
  }

  /** saved | saving | unsaved | offline | conflict | refused */
  get state() {
    return this.#saver.state;
  }

  /** Why the server refused an edit, or could not be reached. */
  get error() {
    return this.#saver.error;
  }

  /** What stands in the way of saving: `{clean, stuck: [{mine, theirs}]}`, or null. */
  get conflict() {
    return this.#saver.conflict;
  }

  get speakers() {
    return this.facts.speakers;
  }

  /** The names in the transcript, those first who speak first, and those who are only listed. */
  get speakerNames() {
    const named = this.speakers.map(({ name, label }) => name ?? label);
    return [...new Set([...this.segments.map(({ speaker }) => speaker).filter((name) => name !== null), ...named])];
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  indexOf(id) {
    this.#index ??= new Map(this.segments.map((segment, index) => [segment.id, index]));
    return this.#index.get(id) ?? -1;
  }

  find(id) {
    return this.segments[this.indexOf(id)] ?? null;
  }

  serverId(id) {
    return this.#server.get(id) ?? null;
  }

  byServerId(id) {
    return this.find(this.#ours.get(id));
  }

  // --- edits -------------------------------------------------------------------------------------------------------

  /**
   * The one operation: consecutive segments give way to others, `[{text, speaker?, words?, start?, end?}]`; what is not
   * said is taken from those that go. No ids: put in behind `after` (null: in front). Gives the new segments.
   */
  replace(ids, by, { after = null, key = null, more = false } = {}) {
    if (this.readOnly) return [];
    const at = ids.length ? this.indexOf(ids[0]) : after === null ? 0 : this.indexOf(after) + 1;
    const before = this.segments.slice(at, at + ids.length);
    if (at < 0 || before.some(({ id }, step) => id !== ids[step])) throw new Error("the segments are not consecutive");
    const made = this.#made(before, by, at);
    const anchor = this.segments[at - 1]?.id ?? null;
    this.#history.add({ before, after: made, anchor }, key, more);
    this.#splice(at, before.length, made, "edit");
    return made;
  }

  /** All edits that `run` makes are one step to undo. */
  together(run) {
    return this.#history.together(run);
  }

  /** What is typed next is undone on its own. */
  pause() {
    this.#history.pause();
  }

  editText(id, text) {
    const segment = this.find(id);
    const next = tidy(text);
    if (!segment || next === segment.text) return;
    this.replace([id], [refit(segment, next)], { key: `text ${id}` });
  }

  /** Delete a segment of which nothing is left; undone together with what emptied it. */
  removeEmpty(id) {
    if (this.find(id)?.text === "") this.replace([id], [], { key: `text ${id}`, more: true });
  }

  /** Cut a segment at an offset of its text; gives the id of the second one, null where there is nothing to cut. */
  split(id, offset) {
    const parts = cut(this.find(id), offset);
    return parts && (this.replace([id], parts)[1]?.id ?? null);
  }

  /** Join a segment with the one before it; gives `{id, offset}` of the seam, null for the first one. */
  join(id) {
    const index = this.indexOf(id);
    if (index < 1) return null;
    const pair = [this.segments[index - 1], this.segments[index]];
    const whole = joined(pair);
    this.replace(pair.map((segment) => segment.id), [whole]);
    return { id: whole.id, offset: whole.text.length - pair[1].text.length };
  }

  remove(ids) {
    this.together(() => {
      for (const id of ids) this.replace([id], []);
    });
  }

  /** Say who speaks: in segments (`[ids]`), or from one place to another (`{from: {id, offset}, to: {id, offset}}`). */
  setSpeaker(where, name) {
    this.together(() => {
      const ids = Array.isArray(where) ? where : this.#passage(where);
      for (const id of ids) {
        const segment = this.find(id);
        if (segment && segment.speaker !== name) this.replace([id], [{ ...segment, speaker: name }]);
      }
    });
  }

  /** The segments of a passage, cut at its ends. */
  #passage({ from, to }) {
    const [first, end] = [this.find(from.id), this.find(to.id)];
    if (to.offset < end.text.length) this.split(to.id, wordEdge(end, to.offset, "end"));
    const start = from.offset > 0 ? this.split(from.id, wordEdge(first, from.offset, "start")) : null;
    const begin = this.indexOf(start ?? from.id);
    const last = to.id === from.id && start !== null ? begin : this.indexOf(to.id);
    return this.segments.slice(begin, last + 1).map(({ id }) => id);
  }

  undo() {
    return this.#go(this.#history.undo(), "undo");
  }

  redo() {
    return this.#go(this.#history.redo(), "redo");
  }

  #go(parts, source) {
    if (!parts || this.readOnly) return false;
    for (const { from, to, anchor } of parts) {
      const at = from.length ? this.indexOf(from[0].id) : anchor === null ? 0 : this.indexOf(anchor) + 1;
      const there = this.segments.slice(at, at + from.length);
      if (at < 0 || (anchor !== null && from.length === 0 && at === 0) || from.some(({ id }, step) => there[step]?.id !== id)) {
        this.#history.clear(); // somebody else changed these segments meanwhile
        this.#tell("facts");
        return false;
      }
      this.#splice(at, from.length, to, source);
    }
    return true;
  }

  #made(before, by, at) {
    const bare = by.length > 0 && by.every((each) => each.words === undefined) && before.length > 0;
    const fitted = bare ? fitTexts(before, by.map(({ text }) => text)) : by;
    const near = before[0] ?? this.segments[at - 1] ?? this.segments[at];
    const place = { start: this.segments[at - 1]?.end ?? 0, end: this.segments[at]?.start ?? this.facts.duration ?? 0 };
    const taken = new Set(before.map(({ id }) => id));
    return by.map((given, index) => {
      const own = { speaker: near?.speaker ?? null, words: [], suspect: false, fitted: false, ...(before.length ? {} : place), ...fitted[index], ...given };
      const id = index === 0 && before.length ? before[0].id : taken.delete(given.id) ? given.id : (this.#next -= 1);
      return { ...own, id, text: tidy(own.text), end: Math.max(own.start, own.end) };
    });
  }

  #splice(at, count, made, source) {
    const gone = this.segments.slice(at, at + count);
    const structure = count !== made.length || made.some(({ id }, step) => id !== gone[step].id);
    this.segments.splice(at, count, ...made);
    if (structure) this.#index = null;
    const ids = new Set(made.map(({ id }) => id));
    this.#tell("change", {
      changed: [...ids],
      removed: gone.map(({ id }) => id).filter((id) => !ids.has(id)),
      structure,
      source,
      at: made[0]?.id ?? this.segments[at]?.id ?? this.segments[at - 1]?.id ?? null,
    });
    this.#saver.edited();
  }

  // --- what the server has -----------------------------------------------------------------------------------------

  /** Save now what is not saved yet; gives whether all is saved. */
  flush() {
    return this.#saver.flush();
  }

  /** Ask for the document anew and bring what is not saved upon it. */
  reload() {
    return this.#saver.refresh();
  }

  /** Answer a conflict: "theirs", "clean" (ours where nobody else was), or for each stuck passage whether it is ours. */
  resolve(choice) {
    this.#history.clear();
    this.#saver.resolve(choice);
  }

  /** Give the recording a title; null: that of its file. Throws ApiError. */
  async rename(title) {
    const told = await api.json(`/api/v1/jobs/${encodeURIComponent(this.jobId)}`, { method: "PATCH", json: { title } });
    this.facts.title = told.title;
    this.#tell("facts");
  }

  /** No more saving; what is not saved stays in this browser. */
  close() {
    this.#saver.close();
  }

  /** What the server has not got, as `[{old, now, after, edit}]` with the edit as it is sent. */
  #unsaved() {
    const known = new Map(this.#synced.map((segment) => [segment.id, segment]));
    const written = this.segments.map((segment) => segment.text ? segment : known.get(segment.id)); // one being retyped waits
    return difference(this.#synced, written.filter(Boolean)).map((group) => ({ ...group, edit: this.#edit(group) }));
  }

  #edit({ old, now, after }) {
    const alone = old.length === 1 && now.length === 1;
    const by = now.map((segment) => {
      const { text, speaker, words, start, end } = segment;
      const timed = segment.fitted && !(alone && text === old[0].text);
      return { text, speaker, ...(timed && { start, end, ...(words.length && { words }) }) };
    });
    const edit = { replace: old.map(({ id }) => this.#server.get(id)), by };
    return old.length ? edit : { ...edit, after: after && this.#server.get(after.id) };
  }

  /** The server took these in and answers with its segments, whose words it fitted. */
  #saved(groups, { version, edits, speakers, saved_at }) {
    this.version = version;
    Object.assign(this.facts, { version, head: version, edited_at: saved_at, ...(speakers && { speakers }) });
    const before = this.segments;
    const synced = [...this.#synced];
    const better = new Map();
    const places = new Map(synced.map(({ id }, at) => [id, at]));
    const found = groups.map(({ old, now, after }, step) => {
      const made = now.map((segment, index) => this.#fitted(segment, edits[step].by[index]));
      for (const [index, segment] of now.entries()) better.set(segment, made[index]);
      return { at: old.length ? places.get(old[0].id) : after ? places.get(after.id) + 1 : 0, count: old.length, made };
    });
    for (const { at, count, made } of found.sort((a, b) => b.at - a.at || b.count - a.count)) synced.splice(at, count, ...made);
    this.#synced = synced;
    this.segments = before.map((segment) => better.get(segment) ?? segment);
    this.#moved(before);
    this.#tell("facts");
  }

  #fitted(segment, told) {
    const better = { ...told, id: segment.id, words: told.words ?? [], fitted: true };
    this.#ours.set(told.id, segment.id);
    this.#server.set(segment.id, told.id);
    this.#history.fitted(segment, better);
    return better;
  }

  /** Put our passages upon a document that came anew; gives what stands in the way, then nothing was done. */
  #bring(told, groups, choose = null) {
    const { segments: theirs, ...facts } = told;
    const known = new Map(this.#synced.map((segment) => [segment.id, segment]));
    const fresh = theirs.map((segment) => this.#own(segment, known));
    const { segments, clean, stuck } = rebase(groups, fresh, choose ?? undefined);
    if (stuck.length && !choose) return { clean, stuck };
    const before = this.segments;
    this.facts = { speakers: [], turns: [], warnings: [], ...facts };
    this.version = facts.head ?? facts.version ?? 0;
    this.#synced = fresh;
    this.segments = segments;
    this.#tell("facts");
    this.#moved(before);
    return null;
  }

  #own(segment, known) {
    const id = this.#ours.get(segment.id) ?? segment.id;
    const made = { ...segment, id, words: segment.words ?? [], fitted: true };
    this.#ours.set(segment.id, id);
    this.#server.set(id, segment.id);
    const old = known.get(id);
    return old?.fitted && identical(old, made) ? old : made;
  }

  /** The passages of a draft: `[{edit, was: [{id, text, speaker, start, end}]}]`. */
  #revive(draft) {
    return draft.map(({ edit, was }) => {
      const old = was.map((segment) => ({ words: [], ...segment, id: this.#ours.get(segment.id) ?? (this.#next -= 1) }));
      const near = old[0] ?? { start: 0, end: 0 };
      const now = edit.by.map((by, index) => ({
        start: near.start, end: old.at(-1)?.end ?? near.end, words: [], suspect: false, fitted: Boolean(by.words), ...by,
        id: index === 0 && old.length ? old[0].id : (this.#next -= 1),
      }));
      const after = edit.after === undefined || edit.after === null ? null : { id: this.#ours.get(edit.after) };
      return { old, now, after };
    });
  }

  /** Tell what the server's answer changed. */
  #moved(before) {
    this.#index = null;
    const old = new Map(before.map((segment) => [segment.id, segment]));
    const changed = this.segments.filter((segment) => old.get(segment.id) !== segment).map(({ id }) => id);
    const removed = before.filter(({ id }) => this.indexOf(id) < 0).map(({ id }) => id);
    const structure = removed.length > 0 || before.length !== this.segments.length;
    if (changed.length || structure) this.#tell("change", { changed, removed, structure, source: "server", at: null });
  }

  #tell(kind, detail = null) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
