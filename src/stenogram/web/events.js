// The events of a job (SSE), by fetch: EventSource cannot send a key.

import * as api from "./api.js";

const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 15000;

/**
 * Call `onEvent(kind, data, id)` for each event of a job, over lost connections, until the job has ended; from the start,
 * or `after` the one with this id. Throws ApiError where the server refuses (no such job, no key), AbortError when `signal` is.
 */
export async function follow(path, onEvent, signal, after = 0) {
  let last = after;
  let tries = 0;
  while (true) {
    try {
      const response = await api.request(path, { headers: { "last-event-id": String(last) }, signal });
      for await (const event of parse(response.body)) {
        tries = 0;
        if (event.id) last = event.id;
        const data = JSON.parse(event.data);
        onEvent(event.kind, data, last);
        if (event.kind === "state" && !["queued", "running"].includes(data.state)) return;
      }
    } catch (error) {
      if (signal.aborted || (error.status >= 400 && error.status < 500 && error.status !== 429)) throw error;
    }
    const pause = Math.min(RETRY_FIRST_MS * 2 ** tries, RETRY_LAST_MS);
    tries += 1;
    await new Promise((resolve) => setTimeout(resolve, pause));
    signal.throwIfAborted();
  }
}

/** The events in a stream of bytes: `{id, kind, data}`. */
export async function* parse(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = read(block);
        if (event.data) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // the connection is given back, or was lost
  }
}

function read(block) {
  const event = { id: null, kind: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "id") event.id = Number(value);
    else if (name === "event") event.kind = value;
    else if (name === "data") event.data += value;
  }
  return event;
}
