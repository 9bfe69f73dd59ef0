// Dialogs, by the browser's own <dialog>: focus stays inside, Escape closes, what had the focus gets it back.

import { el } from "../dom.js";
import { explain, t } from "../i18n.js";
import { button } from "./button.js";

let made = 0;

/**
 * Show a dialog; gives the value of the action that closed it, or null (Escape, the cross).
 * `actions`: `[{label, value, kind, run}]`; where `run` is given it is awaited first, and an error that it throws is
 * shown in the dialog, which stays. `body` is a node.
 */
export function dialog({ title, body, actions = [], wide = false }) {
  return new Promise((resolve) => {
    const id = `dialog-${(made += 1)}`;
    const fault = el("p", { class: "fault", role: "alert" });
    const close = button({ label: t("common.close"), glyph: "close", kind: "quiet", only: true, onClick: () => end(null) });
    const heading = el("h2", { id }, title);
    const foot = el("div", { class: "dialog-actions" });
    const form = el("form", { method: "dialog" }, el("header", {}, heading, close), el("div", { class: "dialog-body" }, body), fault, foot);
    const node = el("dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id }, form);
    let value = null;

    function end(told) {
      value = told;
      node.close();
    }

    const buttons = actions.map((action, index) => {
      const made = button({ label: action.label, kind: action.kind ?? "" });
      made.type = index === actions.length - 1 ? "submit" : "button";
      made.addEventListener("click", async (event) => {
        event.preventDefault();
        if (made.type === "submit" && !form.reportValidity()) return;
        fault.textContent = "";
        for (const each of buttons) each.disabled = true;
        try {
          const told = action.run ? await action.run() : undefined;
          end(told ?? action.value ?? true);
        } catch (error) {
          fault.textContent = explain(error);
        } finally {
          for (const each of buttons) each.disabled = false;
        }
      });
      return made;
    });
    foot.append(...buttons);
    form.addEventListener("submit", (event) => event.preventDefault());
    node.addEventListener("close", () => {
      node.remove();
      resolve(value);
    });
    document.body.append(node);
    node.showModal();
    (node.querySelector("[autofocus]") ?? buttons.at(-1) ?? close).focus();
  });
}

/** Ask before something that cannot be taken back; gives whether the reader agrees. */
export async function confirm({ title, words, action, danger = true }) {
  const actions = [
    { label: t("common.cancel"), value: false },
    { label: action, value: true, kind: danger ? "danger" : "primary" },
  ];
  return (await dialog({ title, body: el("p", {}, words), actions })) === true;
}
