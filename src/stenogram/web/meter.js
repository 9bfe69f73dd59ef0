// A bar with its label and numbers: a meter (how much of something is used), or a progress bar.

import { el, text } from "./dom.js";
import { t } from "./i18n.js";

const HIGH = 90;

/**
 * `update(share 0..1 or null, words)`; null: not known. `label()` is asked for its words at each update. `role`: meter or
 * progressbar; `scarce`: much of it is a warning.
 */
export function bar(label, { role = "meter", scarce = false } = {}) {
  const name = el("span", { class: "bar-label" });
  const words = el("span", { class: "bar-words" });
  const filled = el("span", { class: "bar-filled" });
  const track = el("span", { class: "bar-track", role, "aria-valuemin": "0", "aria-valuemax": "100" }, filled);
  const node = el("div", { class: `bar-box ${role}` }, name, words, track);

  function update(share, told = "") {
    const known = share !== null && share !== undefined;
    const value = known ? Math.round(Math.min(Math.max(share, 0), 1) * 100) : 0;
    relabel();
    filled.style.setProperty("inline-size", `${value}%`);
    track.classList.toggle("unknown", !known);
    track.classList.toggle("high", scarce && value >= HIGH);
    // a meter must have a value; a progress bar without one is "under way"
    if (known || role === "meter") track.setAttribute("aria-valuenow", value);
    else track.removeAttribute("aria-valuenow");
    track.setAttribute("aria-valuetext", told || (known ? `${value} %` : t("dashboard.not_known")));
    text(words, told);
  }

  function relabel() {
    text(name, label());
    track.setAttribute("aria-label", label());
  }

  relabel();
  return { node, update, relabel };
}
