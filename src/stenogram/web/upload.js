// Recordings chosen or dropped: sent one after the other, then followed.

import { byId } from "./dom.js";
import { Recording } from "./recording.js";
import { send } from "./send.js";

const waiting = [];
const recordings = new Set();
let sending = false;

export function uploads() {
  const drop = byId("drop");
  const input = byId("files");
  byId("upload").addEventListener("submit", (event) => event.preventDefault());
  byId("diarize").addEventListener("change", (event) => (byId("speakers").disabled = !event.target.checked));
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  // A file dropped beside the zone would replace the page: the whole window takes it.
  window.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    drop.classList.add("over");
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  window.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
}

/** Tell each recording where its job stands: not all of them are followed by a stream of their own. */
export function updateUploads(state) {
  for (const recording of recordings) recording.place(state);
}

/** Say what the page itself says of each recording in the language in force. */
export function relabelUploads() {
  for (const recording of recordings) recording.relabel();
}

function take(files) {
  const fields = { model: byId("model").value, language: byId("language").value.trim(), ...speakers() };
  for (const file of files) {
    const recording = new Recording(file.name, file.size);
    byId("jobs").prepend(recording.node);
    recordings.add(recording);
    recording.onRemove = () => recordings.delete(recording);
    waiting.push({ file, fields, recording });
  }
  sendNext();
}

/** What is asked for of speakers; a number that cannot be is left to the server to refuse. */
function speakers() {
  if (!byId("diarize").checked) return {};
  return { diarize: "true", num_speakers: byId("speakers").value };
}

async function sendNext() {
  if (sending) return;
  const next = waiting.shift();
  if (!next) return;
  sending = true;
  try {
    if (!next.recording.dropped) {
      const { file, fields, recording } = next;
      const over = new AbortController();
      recording.onCancel = () => over.abort();
      recording.follow(await send(file, fields, { onProgress: (done, total) => recording.sent(done, total), signal: over.signal }));
    }
  } catch (error) {
    next.recording.fail(error);
  } finally {
    sending = false;
    sendNext();
  }
}
