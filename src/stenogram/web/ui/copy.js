// What is to be copied: a command, a key, an example; with its button.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { button } from "./button.js";
import { icon } from "./icons.js";

/** A line or a few of code with a button that copies it. `label`: what it is, for screen readers. */
export function copyable(code, label) {
  const shown = el("code", { tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": label, "aria-multiline": String(code.includes("\n")) }, code);
  const press = button({ label: t("common.copy"), glyph: "copy", attributes: { "aria-label": `${t("common.copy")}: ${label}` } });
  const tell = (glyph, words) => press.replaceChildren(icon(glyph), el("span", { role: "status" }, words));
  let timer = 0;
  press.addEventListener("click", async () => {
    if (!(await copy(code, shown))) return;
    tell("check", t("common.copied"));
    clearTimeout(timer);
    timer = setTimeout(() => tell("copy", t("common.copy")), 2000);
  });
  return el("div", { class: "copyable" }, shown, press);
}

/** Into the clipboard; over plain HTTP, where browsers do not give it, by the selection. */
async function copy(code, shown) {
  try {
    await navigator.clipboard.writeText(code);
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    return document.execCommand("copy");
  }
}
