// Every key of the transcript view, once: what binds them and what lists them under `?` are drawn from this table.

import { el } from "../../dom.js";
import { t } from "../../i18n.js";
import * as session from "../../session.js";
import { dialog } from "../../ui/dialog.js";

const SINGLE = "shortcuts"; // the library heeds it, too

/** `always`: with a modifier, anywhere; `reading`: alone, while nobody writes; `shown`: bound elsewhere, told here. */
export const KEYS = [
  { run: "play", group: "playing", always: ["Alt+K", "Ctrl+Space"], reading: ["Space", "K"] },
  { run: "back", group: "playing", always: ["Alt+J"], reading: ["ArrowLeft", "J"] },
  { run: "forward", group: "playing", always: ["Alt+L"], reading: ["ArrowRight", "L"] },
  { run: "slower", group: "playing", always: ["Alt+,"], reading: ["<"] },
  { run: "faster", group: "playing", always: ["Alt+."], reading: [">"] },
  { run: "skip_silence", group: "playing", always: ["Alt+X"], reading: ["X"] },
  { run: "follow", group: "playing", always: ["Alt+G"], reading: ["G"] },
  { run: "click", group: "playing", shown: ["click"] },
  { run: "alt_click", group: "playing", shown: ["Alt+click"] },
  { run: "previous", group: "moving", always: ["Alt+ArrowUp"], reading: ["ArrowUp"] },
  { run: "next", group: "moving", always: ["Alt+ArrowDown"], reading: ["ArrowDown"] },
  { run: "doubt_next", group: "moving", always: ["Alt+N"], reading: ["N"] },
  { run: "doubt_previous", group: "moving", always: ["Alt+Shift+N"], reading: ["Shift+N"] },
  { run: "find", group: "moving", always: ["Mod+F"], reading: ["/"] },
  { run: "edit", group: "editing", reading: ["Enter", "E"] },
  { run: "leave", group: "editing", shown: ["Escape"] },
  { run: "split", group: "editing", shown: ["Enter"] },
  { run: "join", group: "editing", shown: ["Backspace"] },
  { run: "join_next", group: "editing", shown: ["Delete"] },
  { run: "speaker", group: "editing", always: ["Alt+S"], reading: ["S"] },
  { run: "undo", group: "editing", always: ["Mod+Z"] },
  { run: "redo", group: "editing", always: ["Shift+Mod+Z", "Mod+Y"] },
  { run: "save", group: "editing", always: ["Mod+S"] },
  { run: "shading", group: "other", always: ["Alt+D"], reading: ["D"] },
  { run: "help", group: "other", always: ["Alt+/"], reading: ["?"] },
];
const GROUPS = ["playing", "moving", "editing", "other"];
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const WRITING = 'input:not([type="checkbox"], [type="range"], [type="radio"]), textarea, select, [contenteditable]';

/** Do as the table says until the gift is called. `commands`: run -> function; one that gives false leaves the key alone. */
export function bind(commands) {
  function onKey(event) {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const name = combination(event);
    const free = reading(event) && session.settings()[SINGLE] !== false;
    const key = KEYS.find(({ always = [], reading = [] }) => always.includes(name) || (free && reading.includes(name)));
    if (key && commands[key.run]?.() !== false && key.run in commands) event.preventDefault();
  }
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

/** Whether a key alone may mean something here: nobody writes, and no control wants it for itself. */
function reading(event) {
  const { target } = event;
  if (target.closest?.(WRITING)) return false;
  if (target.closest?.("button, a[href], summary, [role=menuitem]")) return ![" ", "Enter"].includes(event.key);
  return !target.closest?.("[role=slider], input") || !event.key.startsWith("Arrow");
}

/** What is pressed, as the table writes it. Letters are those of the key where another alphabet is written. */
function combination(event) {
  const mod = MAC ? event.metaKey : event.ctrlKey;
  const ctrl = MAC && event.ctrlKey;
  let key = event.key === " " || event.code === "Space" ? "Space" : event.key;
  const letter = /^[a-z]$/i.test(key) ? key : (event.code.match(/^Key(.)$/)?.[1] ?? null);
  const sign = { Comma: ",", Period: ".", Slash: "/" }[event.code];
  if (letter) key = letter.toUpperCase();
  else if (event.altKey && sign) key = sign;
  const shift = event.shiftKey && (letter || key.length > 1);
  if (mod && key === "Space") return "Ctrl+Space";
  return [event.altKey && "Alt", shift && "Shift", mod && "Mod", ctrl && "Ctrl", key].filter(Boolean).join("+");
}

/** How a combination is written on this machine: `["Ctrl", "Z"]`. */
function caps(combo) {
  const names = { Mod: MAC ? "⌘" : "Ctrl", Alt: MAC ? "⌥" : "Alt", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  return combo.split("+").map((part) => names[part] ?? (part === "click" || part === "Space" ? t(`transcript.keys.cap_${part.toLowerCase()}`) : part === "Escape" ? "Esc" : part));
}

/** The first combination of a command, for the label of its button. */
export function hint(run) {
  const key = KEYS.find((each) => each.run === run);
  return key?.always ? caps(key.always[0]).join("+") : null;
}

/** The list under `?`. */
export function help() {
  const groups = GROUPS.map((group) => {
    const rows = KEYS.filter((key) => key.group === group).flatMap((key) => [
      el("dt", {}, ...combos(key)),
      el("dd", {}, t(`transcript.keys.${key.run}`)),
    ]);
    return el("section", {}, el("h3", {}, t(`transcript.keys.group_${group}`)), el("dl", {}, ...rows));
  });
  const single = el("input", { type: "checkbox" });
  single.checked = session.settings()[SINGLE] !== false;
  single.addEventListener("change", () => session.remember({ [SINGLE]: single.checked ? null : false }).catch(() => {}));
  const choice = el("label", { class: "check" }, single, el("span", {}, t("transcript.keys.single")));
  const body = el("div", { class: "keys-help" }, el("div", { class: "keys" }, ...groups), choice);
  return dialog({ title: t("transcript.keys.title"), body, wide: true });
}

function combos({ always = [], reading = [], shown = [] }) {
  return [...reading, ...always, ...shown].map((combo) => {
    const parts = caps(combo).flatMap((cap, index) => (index ? ["+", el("kbd", {}, cap)] : [el("kbd", {}, cap)]));
    return el("span", { class: "combo" }, ...parts);
  });
}
