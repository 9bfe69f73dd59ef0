// A bar with its label and numbers: a meter (how much of something is used), or a progress bar.

import { el, text } from "./dom.js";

const HIGH = 90;

/**
 * `update(share 0..1 or null, words)`; null: not known. `role`: meter or progressbar; `scarce`: much of it is a warning.
 */
export function bar(label, { role = "meter", scarce = false } = {}) {
  const words = el("span", { class: "bar-words" });
  const filled = el("span", { class: "bar-filled" });
  const track = el("span", { class: "bar-track", role, "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" }, filled);
  const node = el("div", { class: `bar-box ${role}` }, el("span", { class: "bar-label" }, label), words, track);

  function update(share, told = "") {
    const known = share !== null && share !== undefined;
    const value = known ? Math.round(Math.min(Math.max(share, 0), 1) * 100) : 0;
    filled.style.setProperty("inline-size", `${value}%`);
    track.classList.toggle("unknown", !known);
    track.classList.toggle("high", scarce && value >= HIGH);
    // a meter must have a value; a progress bar without one is "under way"
    if (known || role === "meter") track.setAttribute("aria-valuenow", value);
    else track.removeAttribute("aria-valuenow");
    track.setAttribute("aria-valuetext", told || (known ? `${value} %` : "not known"));
    text(words, told);
  }

  return { node, update };
}
