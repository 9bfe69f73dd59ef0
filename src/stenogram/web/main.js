// The dashboard: the state of the server as it changes, and recordings sent from here.

import * as api from "./api.js";
import { updateDevices } from "./devices.js";
import { byId, show, text } from "./dom.js";
import { span } from "./format.js";
import { load as loadLanguage } from "./i18n.js";
import { Live } from "./live.js";
import { updateModels } from "./models.js";
import { overview, showHealth } from "./overview.js";
import { updateQueue } from "./queue.js";
import { updateUploads, uploads } from "./upload.js";
import { updateWorkers } from "./workers.js";

const WORDS = { connecting: "connecting", live: "live", polling: "polling", offline: "offline", locked: "key needed" };
const UNREACHABLE_AFTER_MS = 4000;

const updateOverview = overview();
let seenAt = null;
let link = "connecting";

function onState(state) {
  seenAt = performance.now();
  updateOverview(state);
  updateDevices(state);
  updateQueue(state);
  updateWorkers(state);
  updateModels(state);
  updateUploads(state);
  show(byId("workspace"), state.workspace === true);
  show(byId("key-panel"), false);
  document.body.classList.remove("stale");
}

function onLink(how) {
  link = how;
  tellLink();
}

function tellLink() {
  const silentMs = seenAt === null ? null : performance.now() - seenAt;
  const since = link === "offline" && silentMs !== null ? `, last seen ${span(silentMs / 1000)} ago` : "";
  text(byId("link-text"), WORDS[link] + since);
  byId("link").dataset.link = link;
  const stale = link === "offline" && (silentMs === null || silentMs > UNREACHABLE_AFTER_MS);
  document.body.classList.toggle("stale", stale);
  if (stale) showHealth({ status: "unknown", reason: "The server does not answer. What is shown is what was last known." });
  document.body.classList.toggle("locked", link === "locked");
  if (link === "locked") showHealth({ status: "unknown", reason: "The server shows its state to those who have a key." });
}

const live = new Live(onState, onLink);

api.keyring.addEventListener("key-needed", ({ detail }) => {
  const panel = byId("key-panel");
  const fresh = panel.hidden;
  show(panel, true);
  text(byId("key-fault"), detail ?? "");
  if (fresh) byId("key").focus();
});

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("key");
  if (!api.setKey(field.value.trim())) {
    text(byId("key-fault"), "That is not a key: it has characters that no key has.");
    return;
  }
  field.value = "";
  text(byId("key-fault"), "");
});

byId("forget-key").addEventListener("click", () => api.setKey(null));

api.keyring.addEventListener("key-changed", () => {
  show(byId("forget-key"), api.key() !== null);
  live.start();
});

window.addEventListener("online", () => live.start());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && link !== "live" && link !== "locked") live.start();
});
setInterval(tellLink, 1000);
show(byId("forget-key"), api.key() !== null);
await loadLanguage("en");
uploads();
live.start();
