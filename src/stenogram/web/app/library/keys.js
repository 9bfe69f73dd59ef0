// The keys of the library, listed; those of a single letter can be switched off (WCAG 2.1.4).

import { el } from "../../dom.js";
import { explain, t } from "../../i18n.js";
import * as session from "../../session.js";
import { dialog } from "../../ui/dialog.js";
import { toast } from "../../ui/toast.js";

const ROWS = ["search", "move", "open", "select", "rename", "tags", "trash", "unselect", "help"];

/** Whether keys of a single letter do anything. */
export function areOn() {
  return session.settings().shortcuts !== false;
}

export async function show() {
  const table = el("dl", { class: "key-list" });
  for (const name of ROWS) {
    const pressed = t(`library.key_${name}`).split(" ").map((key) => el("kbd", {}, key));
    table.append(el("div", {}, el("dt", {}, ...pressed), el("dd", {}, t(`library.key_${name}_does`))));
  }
  const on = el("input", { type: "checkbox", id: "shortcuts-on" });
  on.checked = areOn();
  on.addEventListener("change", () => {
    session.remember({ shortcuts: on.checked ? null : false }).catch((error) => toast(explain(error), { tone: "bad" }));
  });
  const body = el("div", {}, table, el("div", { class: "check" }, on, el("label", { for: "shortcuts-on" }, t("library.keys_on"))));
  await dialog({ title: t("library.keys"), body });
}
