// The state of the server as it changes: by WebSocket, by polling where there is none, and back as soon as there is.

import * as api from "./api.js";

const POLL_MS = 2000;
const POLL_LIMITED_MS = 15000; // after 429: the key has a limit of requests
const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 30000;
const SILENT_MS = 15000; // the server sends every two seconds; a socket this quiet is dead
const POLL_TIMEOUT_MS = 10000;
const NOT_AUTHENTICATED = 4401;
const NOT_ALLOWED = 4403;

export class Live {
  #onState;
  #onLink;
  #socket = null;
  #tries = 0;
  #retryTimer = 0;
  #pollTimer = 0;
  #silenceTimer = 0;
  #polling = false;
  #round = 0; // counts starts: what belongs to an earlier one is dropped

  /** `onState(state)` gets each state; `onLink(how)`: live, polling, offline, locked. */
  constructor(onState, onLink) {
    this.#onState = onState;
    this.#onLink = onLink;
  }

  start() {
    this.stop();
    this.#tries = 0;
    this.#connect();
  }

  stop() {
    this.#round += 1;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#stopPolling();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect() {
    const key = api.key();
    const url = new URL("/ws/dashboard", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, key ? [`stenogram.key.${key}`] : []);
    this.#socket = socket;
    this.#listenForSilence(socket);
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      this.#tries = 0;
      this.#stopPolling();
      this.#listenForSilence(socket);
      this.#onLink("live");
      this.#onState(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lost(event);
    };
  }

  #listenForSilence(socket) {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      if (socket !== this.#socket) return;
      this.#lost({ code: 0 }); // its own close may take minutes
      socket.close();
    }, SILENT_MS);
  }

  #lost({ code, reason }) {
    this.#socket = null;
    clearTimeout(this.#silenceTimer);
    if (code === NOT_AUTHENTICATED || code === NOT_ALLOWED) {
      this.stop();
      this.#onLink("locked");
      api.needKey(code === NOT_ALLOWED ? reason : null);
      return;
    }
    this.#startPolling();
    const pause = Math.min(RETRY_FIRST_MS * 2 ** this.#tries, RETRY_LAST_MS);
    this.#tries += 1;
    this.#retryTimer = setTimeout(() => this.#connect(), pause * (0.5 + Math.random()));
  }

  #startPolling() {
    if (this.#polling) return;
    this.#polling = true;
    this.#poll(this.#round);
  }

  #stopPolling() {
    this.#polling = false;
    clearTimeout(this.#pollTimer);
  }

  async #poll(round) {
    const holds = () => this.#polling && round === this.#round;
    let pause = POLL_MS;
    try {
      const response = await api.request("/dashboard/state", { signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
      const state = await response.json();
      if (!holds()) return;
      this.#onLink("polling");
      this.#onState(state);
    } catch (error) {
      if (!holds()) return;
      if (error.status === 401 || error.status === 403) {
        this.stop();
        this.#onLink("locked");
        if (error.status === 403) api.needKey(error.message);
        return;
      }
      if (error.status === 429) pause = POLL_LIMITED_MS;
      else this.#onLink("offline");
    }
    if (holds()) this.#pollTimer = setTimeout(() => this.#poll(round), pause);
  }
}
