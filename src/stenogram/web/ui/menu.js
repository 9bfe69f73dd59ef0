// A menu under a button (WAI-ARIA's menu button): arrows move, letters find, Escape closes.

import { el } from "../dom.js";
import { icon } from "./icons.js";

/** Let `opener` open a menu of `items()`: `[{label, glyph, run, danger, checked, disabled}]`, null for a line. */
export function menu(opener, items) {
  opener.setAttribute("aria-haspopup", "menu");
  opener.setAttribute("aria-expanded", "false");
  let list = null;

  function close({ focus = false } = {}) {
    if (!list) return;
    list.remove();
    list = null;
    opener.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    if (focus) opener.focus();
  }

  function outside(event) {
    if (!list.contains(event.target) && !opener.contains(event.target)) close();
  }

  function open(from) {
    list = el("div", { class: "menu", role: "menu" });
    for (const item of items()) list.append(item === null ? el("hr") : entry(item));
    (opener.closest("dialog, main, header") ?? document.body).append(list); // in a part of the page that has a name, and above a dialog
    put(list, opener);
    opener.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside, true);
    list.addEventListener("keydown", onKey);
    list.addEventListener("focusout", (event) => {
      if (list && event.relatedTarget && !list.contains(event.relatedTarget) && event.relatedTarget !== opener) close();
    });
    const entries = enabled();
    (from === "end" ? entries.at(-1) : entries[0])?.focus();
  }

  function entry(item) {
    const role = item.checked === undefined ? "menuitem" : "menuitemradio";
    const node = el("button", { type: "button", role, tabindex: "-1", class: item.danger ? "danger" : "" });
    if (item.checked !== undefined) node.setAttribute("aria-checked", String(item.checked));
    node.disabled = item.disabled ?? false;
    if (item.checked) node.append(icon("check", 18));
    else if (item.glyph) node.append(icon(item.glyph, 18));
    else node.append(el("span", { class: "no-icon" }));
    node.append(el("span", {}, item.label));
    node.addEventListener("click", () => {
      close({ focus: true });
      item.run();
    });
    return node;
  }

  function enabled() {
    return [...list.querySelectorAll("button:not(:disabled)")];
  }

  function onKey(event) {
    const entries = enabled();
    const at = entries.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + entries.length, Home: 0, End: entries.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      entries[to % entries.length]?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.preventDefault();
      close({ focus: true });
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
      const turned = [...entries.slice(at + 1), ...entries.slice(0, at + 1)];
      turned.find((each) => each.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    }
    event.stopPropagation();
  }

  opener.addEventListener("click", () => (list ? close() : open("start")));
  opener.addEventListener("keydown", (event) => {
    if (list || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    open(event.key === "ArrowUp" ? "end" : "start");
  });
  return { close };
}

/** Put a layer under what opened it, inside the window. */
export function put(layer, opener) {
  const at = opener.getBoundingClientRect();
  const size = layer.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
  const below = at.bottom + 4 + size.height <= innerHeight || at.top < size.height + 8;
  layer.style.left = `${left}px`;
  layer.style.top = `${below ? at.bottom + 4 : at.top - 4 - size.height}px`;
  layer.style.maxHeight = `${innerHeight - 16}px`;
}
