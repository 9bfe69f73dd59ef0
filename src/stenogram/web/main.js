// The dashboard: the state of the server as it changes, and recordings sent from here.

import * as api from "./api.js";
import { account } from "./app/account.js";
import { places } from "./app/places.js";
import { updateDevices } from "./devices.js";
import { byId, show, text } from "./dom.js";
import { span } from "./format.js";
import { language, load as loadLanguage, t } from "./i18n.js";
import { Live } from "./live.js";
import { updateModels } from "./models.js";
import { overview, showHealth } from "./overview.js";
import { updateQueue } from "./queue.js";
import * as session from "./session.js";
import { relabelUploads, updateUploads, uploads } from "./upload.js";
import { updateWorkers } from "./workers.js";

const UNREACHABLE_AFTER_MS = 4000;

let updateOverview = null;
let state = null;
let seenAt = null;
let link = "connecting";

function onState(told) {
  state = told;
  seenAt = performance.now();
  draw();
  updateUploads(state);
  show(byId("key-panel"), false);
  document.body.classList.remove("stale");
}

/** Everything that the state of the server says, in the language in force. */
function draw() {
  updateOverview(state);
  updateDevices(state);
  updateQueue(state);
  updateWorkers(state);
  updateModels(state);
}

function onLink(how) {
  const came = how === "live" || how === "polling";
  if (came && session.current() === null) know();
  link = how;
  tellLink();
}

function tellLink() {
  const silentMs = seenAt === null ? null : performance.now() - seenAt;
  const since = link === "offline" && silentMs !== null;
  const word = link === "locked" && withAccounts() ? "signed_out" : link;
  text(byId("link-text"), since ? t("dashboard.offline_since", { time: span(silentMs / 1000) }) : t(`dashboard.links.${word}`));
  byId("link").dataset.link = link;
  const stale = link === "offline" && (silentMs === null || silentMs > UNREACHABLE_AFTER_MS);
  document.body.classList.toggle("stale", stale);
  if (stale) showHealth({ status: "unknown", words: t("dashboard.unreachable") });
  document.body.classList.toggle("locked", link === "locked");
  if (link === "locked") showHealth({ status: "unknown", words: t(withAccounts() ? "dashboard.locked_accounts" : "dashboard.locked") });
}

function withAccounts() {
  return session.current()?.mode === "accounts";
}

/** Who is signed in: what the bar and the panel of the key say. */
async function know() {
  try {
    await session.load();
  } catch {
    // the word beside the heading tells of a server that does not answer
  }
  frame();
}

function frame() {
  places(byId("places"));
  account(byId("bar-end"), { navigate: (path) => location.assign(path) });
  const told = session.current();
  show(byId("transcribe"), told === null || session.may("transcribe"));
  show(byId("sign-in"), withAccounts());
  byId("use-key").classList.toggle("primary", !withAccounts()); // then signing in is what most people want
  text(byId("key-title"), t(withAccounts() ? "dashboard.sign_in_title" : "dashboard.key_title"));
  text(byId("key-label"), t(withAccounts() ? "dashboard.or_key" : "dashboard.key_label"));
}

const live = new Live(onState, onLink);

api.keyring.addEventListener("key-needed", ({ detail }) => {
  const panel = byId("key-panel");
  const fresh = panel.hidden;
  show(panel, true);
  text(byId("key-fault"), detail ?? "");
  if (fresh && !withAccounts()) byId("key").focus();
});

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("key");
  if (!api.setKey(field.value.trim())) {
    text(byId("key-fault"), t("dashboard.no_key"));
    return;
  }
  field.value = "";
  text(byId("key-fault"), "");
});

byId("forget-key").addEventListener("click", () => api.setKey(null));

api.keyring.addEventListener("key-changed", () => {
  show(byId("forget-key"), api.key() !== null);
  know();
  live.start();
});

language.addEventListener("change", () => {
  if (updateOverview === null) return; // before the first drawing
  frame();
  if (state !== null) draw();
  relabelUploads();
  tellLink();
});
window.addEventListener("online", () => live.start());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && link !== "live" && link !== "locked") live.start();
});

await loadLanguage();
await session.load().catch(() => {});
const chosen = session.settings().language;
if (chosen) await loadLanguage(chosen);
updateOverview = overview();
frame();
showHealth({ status: "unknown", words: t("dashboard.asking"), word: t("dashboard.connecting") });
tellLink();
setInterval(tellLink, 1000);
show(byId("forget-key"), api.key() !== null);
uploads();
live.start();
