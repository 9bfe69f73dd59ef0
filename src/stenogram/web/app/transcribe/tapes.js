// Recordings from the microphone, kept in this browser (IndexedDB) until the server has them: piece by piece as they are
// made, so that a crash takes a second of them at most.

import * as session from "../../session.js";

const NAME = "stenogram.tapes";
let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("tapes", { keyPath: "id" });
      request.result.createObjectStore("pieces", { autoIncrement: true }).createIndex("tape", "tape");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  opened.catch(() => (opened = null));
  return opened;
}

/** Do something with both stores; resolves with what `action` asked for once all of it is written. */
async function use(mode, action) {
  const transaction = (await database()).transaction(["tapes", "pieces"], mode);
  const asked = action(transaction.objectStore("tapes"), transaction.objectStore("pieces"));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(asked?.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

function owner() {
  return session.current()?.owner ?? null;
}

/** Begin one: `{id, name, type, begun_at, seconds}`. Throws where the browser keeps nothing. */
export async function begin(name, type) {
  const tape = { id: `${Date.now()}-${Math.random().toString(36).slice(2)}`, name, type, begun_at: Date.now() / 1000, seconds: 0, owner: owner() };
  await use("readwrite", (tapes) => tapes.put(tape));
  hold(tape);
  return tape;
}

/** Keep one more piece; the tape is then so many seconds long. */
export async function append(tape, piece, seconds) {
  const bytes = await piece.arrayBuffer(); // Safari keeps no Blobs in a private window
  tape.seconds = seconds;
  await use("readwrite", (tapes, pieces) => {
    tapes.put(tape);
    pieces.add({ tape: tape.id, bytes });
  });
}

export async function rename(tape, name) {
  tape.name = name;
  await use("readwrite", (tapes) => tapes.put(tape));
}

/** The reader's own tapes that no tab is busy with, oldest first. */
export async function left() {
  const [found, held] = await Promise.all([use("readonly", (tapes) => tapes.getAll()), heldAnywhere()]);
  return found.filter((tape) => tape.owner === owner() && tape.seconds > 0 && !held.has(lockOf(tape)));
}

/** A tape as a file. */
export async function fileOf(tape) {
  const pieces = await use("readonly", (_, stored) => stored.index("tape").getAll(tape.id));
  return new File(pieces.map(({ bytes }) => bytes), tape.name, { type: tape.type.split(";")[0] });
}

export async function forget(tape) {
  await use("readwrite", (tapes, pieces) => {
    tapes.delete(tape.id);
    pieces.index("tape").openKeyCursor(tape.id).onsuccess = ({ target: { result: cursor } }) => {
      if (!cursor) return;
      pieces.delete(cursor.primaryKey);
      cursor.continue();
    };
  });
  release(tape);
}

const holds = new Map(); // id -> function that lets go

/** Say that this tab is busy with a tape. A tab that crashes lets go of all. */
export function hold(tape) {
  if (!navigator.locks || holds.has(tape.id)) return;
  navigator.locks.request(lockOf(tape), { ifAvailable: true }, () => new Promise((resolve) => holds.set(tape.id, resolve))).catch(() => {});
}

export function release(tape) {
  holds.get(tape.id)?.();
  holds.delete(tape.id);
}

async function heldAnywhere() {
  const state = await navigator.locks?.query();
  return new Set((state?.held ?? []).map(({ name }) => name));
}

function lockOf(tape) {
  return `${NAME}.${tape.id}`;
}
