// Short messages at the foot of the page, which go by themselves; with an action they stay longer.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { button } from "./button.js";

const STAYS_MS = 6000;
const STAYS_WITH_ACTION_MS = 12_000;
let place = null;

/** `tone`: "" or "bad"; `action`: `{label, run}`. The time stands still while the pointer or the focus is on it. */
export function toast(message, { tone = "", action = null } = {}) {
  if (!place?.isConnected) {
    place = el("div", { class: "toasts", role: "region", "aria-label": t("common.messages") });
    document.body.append(place);
  }
  const words = el("p", { role: tone === "bad" ? "alert" : "status" });
  const node = el("div", { class: "toast", "data-tone": tone }, words);
  let timer = 0;
  const leave = () => node.remove();
  const start = () => (timer = setTimeout(leave, action ? STAYS_WITH_ACTION_MS : STAYS_MS));
  if (action) {
    node.append(button({ label: action.label, kind: "quiet", onClick: () => { leave(); action.run(); } }));
  }
  node.append(button({ label: t("common.dismiss"), glyph: "close", kind: "quiet", only: true, onClick: leave }));
  for (const kind of ["pointerenter", "focusin"]) node.addEventListener(kind, () => clearTimeout(timer));
  for (const kind of ["pointerleave", "focusout"]) node.addEventListener(kind, () => { clearTimeout(timer); start(); });
  place.append(node);
  words.textContent = message; // after it is in the page, so that it is read aloud
  start();
  return leave;
}
