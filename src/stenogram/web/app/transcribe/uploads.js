// The recordings that this tab sends, one after the other. They go on while another view is looked at.

import { send } from "../../send.js";

const WINDOW_MS = 6000; // the speed is that of the last seconds

/** Tells of `change` whenever an upload has. */
export const uploads = new EventTarget();

/** In the order in which they are sent. Those that the server has taken in are gone from here. */
const items = [];
let made = 0;
let samples = []; // [time in ms, bytes sent by this tab up to then]
let sentBefore = 0; // bytes of recordings that the server has taken in since the line was last empty
let takenBefore = 0;

/**
 * `{id, file, name, fields, state, sent, error, cancel}`; `state`: waiting, sending, ending (all is sent, the server
 * takes it in), broken (the connection), refused (by the server), cancelled.
 */
export function all() {
  return items;
}

/** Send files with the fields of their form. `onTaken(job)` is called for each that the server took in. */
export function add(files, fields, onTaken = null) {
  for (const { file, name } of files) {
    items.push({ id: `upload-${(made += 1)}`, file, name, fields, key: newKey(), state: "waiting", sent: 0, error: null, over: null, onTaken });
  }
  next();
}

/** Stop an upload, or take it out of the line. */
export function cancel(item) {
  if (item.state === "waiting") change(item, "cancelled");
  else item.over?.abort();
}

/** Send once more what broke off or was cancelled: what the server has of it already is not done twice. */
export function retry(item) {
  item.sent = 0;
  item.error = null;
  change(item, "waiting");
  next();
}

/** Forget an upload that came to nothing. */
export function forget(item) {
  items.splice(items.indexOf(item), 1);
  tell();
}

/** All that is under way together: `{files, done, bytes, sent, speed (bytes a second), left_s}`; null where nothing is. */
export function together() {
  const going = items.filter(isGoing);
  if (!going.length) return null;
  const bytes = sentBefore + going.reduce((sum, item) => sum + item.file.size, 0);
  const sent = sentBefore + going.reduce((sum, item) => sum + item.sent, 0);
  const speed = speedNow();
  return { files: takenBefore + going.length, done: takenBefore, bytes, sent, speed, left_s: speed ? (bytes - sent) / speed : null };
}

/** Bytes a second over the last seconds; null where too little is known. */
export function speedNow() {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || last[0] - first[0] < 400) return null;
  return ((last[1] - first[1]) / (last[0] - first[0])) * 1000;
}

function isGoing(item) {
  return ["waiting", "sending", "ending"].includes(item.state);
}

async function next() {
  const item = items.find((each) => each.state === "waiting");
  guard();
  if (!item || items.some((each) => ["sending", "ending"].includes(each.state))) return;
  item.over = new AbortController();
  samples = [];
  change(item, "sending");
  try {
    const job = await send(item.file, item.fields, { key: item.key, onProgress: (done) => onProgress(item, done), signal: item.over.signal });
    items.splice(items.indexOf(item), 1);
    sentBefore += item.file.size;
    takenBefore += 1;
    item.onTaken?.(job);
    uploads.dispatchEvent(new CustomEvent("taken", { detail: job }));
    tell();
  } catch (error) {
    item.error = error;
    change(item, error.name === "AbortError" ? "cancelled" : error.code === "offline" || error.status >= 500 ? "broken" : "refused");
  } finally {
    item.over = null;
    if (!items.some(isGoing)) [sentBefore, takenBefore] = [0, 0];
    next();
  }
}

function onProgress(item, done) {
  item.sent = Math.min(done, item.file.size); // what is sent has the form around the file, too
  const now = performance.now();
  samples = [...samples.filter(([at]) => now - at < WINDOW_MS), [now, item.sent]];
  change(item, item.sent >= item.file.size ? "ending" : "sending");
}

function change(item, state) {
  item.state = state;
  tell();
}

function tell() {
  uploads.dispatchEvent(new Event("change"));
}

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Ask before the page is left, but only while that would break something off. */
function guard() {
  if (items.some(isGoing)) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
}

function ask(event) {
  event.preventDefault();
}

addEventListener("online", () => {
  for (const item of items.filter((each) => each.state === "broken")) retry(item);
});
