// Requests to the server that sent this page: by the cookie of a session, or with an API key where one was given.

import { t } from "./i18n.js";

const NAME = "stenogram.key";
const TOKEN = /^[\w.~+!#$%&'*^`|-]+$/; // what may stand in a WebSocket's subprotocol

let inMemory = null;
let csrf = null;

/** The token of the session, without which the server lets a cookie change nothing. */
export function setCsrf(token) {
  csrf = token;
}

/** Tells of `key-needed` (detail: why) and `key-changed`. */
export const keyring = new EventTarget();

export class ApiError extends Error {
  constructor(status, message, code = null) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? inMemory;
  } catch { // storage is switched off
    return inMemory;
  }
}

/** Keep a key, or forget it (null). False: it cannot be one. */
export function setKey(value) {
  if (value !== null && !TOKEN.test(value)) return false;
  inMemory = value;
  try {
    if (value === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, value);
  } catch {
    // it holds until the page is left
  }
  keyring.dispatchEvent(new Event("key-changed"));
  return true;
}

export function headers() {
  const value = key();
  return { ...(value && { authorization: `Bearer ${value}` }), ...(csrf && { "x-csrf-token": csrf }) };
}

/** The server wants a key: none was given, or not a good one; `why` in its words where it is something else. */
export function needKey(why = null) {
  const refused = key() ? t("errors.key_refused") : null;
  keyring.dispatchEvent(new CustomEvent("key-needed", { detail: why ?? refused }));
}

/** The error in the body of an answer, in the server's words where it has any. */
export function errorOf(status, body) {
  let told = null;
  try {
    told = JSON.parse(body)?.error ?? null;
  } catch {
    // a proxy's page
  }
  return new ApiError(status, told?.message ?? t("errors.status", { status: String(status) }), told?.code ?? null);
}

/**
 * A good answer. `json` is sent as the body. Throws ApiError for another one, an error with the code `offline` where
 * there was none; 401 tells the keyring, unless `quiet`.
 */
export async function request(path, options = {}) {
  const { headers: more, json, quiet = false, ...rest } = options;
  const sent = { ...headers(), ...more };
  if (json !== undefined) {
    sent["content-type"] = "application/json";
    rest.body = JSON.stringify(json);
  }
  const response = await fetch(path, { cache: "no-store", ...rest, headers: sent }).catch((error) => {
    throw error instanceof TypeError ? Object.assign(error, { code: "offline" }) : error;
  });
  if (response.ok) return response;
  const error = errorOf(response.status, await response.text());
  error.retryAfterS = Number(response.headers.get("retry-after")) || null;
  if (response.status === 401 && !quiet) needKey();
  throw error;
}

/** The JSON of a good answer. */
export async function json(path, options = {}) {
  return (await request(path, options)).json();
}
