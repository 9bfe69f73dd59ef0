// Who is signed in, and what they may.

import * as api from "./api.js";

let now = null;

/** Tells of `change` whenever who is signed in, or what is kept of them, has changed. */
export const session = new EventTarget();

/** As `GET /api/v1/session` told it last; null before `load`. */
export function current() {
  return now;
}

export async function load() {
  take(await (await api.request("/api/v1/session")).json());
  return now;
}

function take(told) {
  now = told;
  api.setCsrf(told.csrf);
  session.dispatchEvent(new Event("change"));
}

/** Whether the reader may do what a scope stands for. */
export function may(scope) {
  const scopes = now?.scopes ?? [];
  return scopes.includes("*") || scopes.includes("admin") || scopes.includes(scope) || (scope === "read" && scopes.includes("transcribe"));
}

/** Whether somebody has to sign in before anything else. */
export function signedOut() {
  return now !== null && now.mode !== "open" && now.scopes.length === 0;
}

/** Whether somebody else chose the reader's password, and they have to choose one of their own first. */
export function mustChange() {
  return now?.user?.must_change ?? false;
}

/** Sign in with `{email, password}` or `{key}`. Throws ApiError. */
export async function signIn(given) {
  const answer = await api.request("/api/v1/session", { method: "POST", json: given, quiet: true });
  take(await answer.json());
}

/** Make the first account, with the token that the server printed. Throws ApiError. */
export async function setUp(given) {
  take(await (await api.request("/api/v1/setup", { method: "POST", json: given, quiet: true })).json());
}

export async function signOut() {
  await api.request("/api/v1/session", { method: "DELETE" });
  await load();
}

const SETTINGS = "stenogram.settings";

/** What the page remembers for the reader: with their account, or in this browser where there are no accounts. */
export function settings() {
  if (now?.user) return now.user.settings;
  try {
    return JSON.parse(localStorage.getItem(SETTINGS) ?? "{}");
  } catch { // storage is switched off, or somebody else's
    return {};
  }
}

/** Remember more; null forgets a name. */
export async function remember(changes) {
  const next = Object.fromEntries(Object.entries({ ...settings(), ...changes }).filter(([, value]) => value !== null));
  if (now?.user) {
    now.user.settings = next;
    await api.request("/api/v1/me", { method: "PATCH", json: { settings: changes } });
    return;
  }
  try {
    localStorage.setItem(SETTINGS, JSON.stringify(next));
  } catch {
    // it holds for nothing more
  }
}
