// Buttons: with words, or with an icon alone that says its words to screen readers and to a resting pointer.

import { el } from "../dom.js";
import { icon } from "./icons.js";

/** `{label, kind: "primary" | "danger" | "quiet" | "", glyph, only: icon alone, onClick, attributes}` */
export function button({ label, kind = "", glyph = null, only = false, onClick = null, attributes = {} }) {
  const named = only ? { "aria-label": label, title: label } : {};
  const node = el("button", { type: "button", class: `${kind}${only ? " icon" : ""}`.trim(), ...named, ...attributes });
  if (glyph) node.append(icon(glyph));
  if (!only) node.append(el("span", {}, label));
  if (onClick) node.addEventListener("click", onClick);
  return node;
}
