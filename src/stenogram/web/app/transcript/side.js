// Beside the text: one panel at a time, a column on a wide screen, a sheet over the text on a narrow one.

import { el, show } from "../../dom.js";
import { t } from "../../i18n.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { PANELS } from "./panels.js";

const REMEMBERED = "transcript_panel";

/** `body`: the grid with the text, which learns whether a panel is open; gives the buttons and the place. */
export function side(body, given) {
  const heading = el("h2", { id: "transcript-panel-title" });
  const close = button({ label: t("common.close"), glyph: "close", kind: "quiet", only: true, onClick: () => open(null) });
  const place = el("div", { class: "panel-body" });
  const node = el("aside", { class: "panel", "aria-labelledby": heading.id, hidden: "" }, el("header", {}, heading, close), place);
  const tabs = new Map(PANELS.map((panel) => [panel, tabOf(panel)]));
  const buttons = el("div", { class: "panel-buttons" }, ...tabs.values());
  let shown = null;

  function tabOf({ label, glyph, id }) {
    const named = { "aria-label": t(label), title: t(label) }; // on a phone the icon stands alone
    return button({ label: t(label), glyph, kind: "quiet", attributes: named, onClick: () => toggle(PANELS.find((each) => each.id === id)) });
  }

  function toggle(panel) {
    open(shown?.panel === panel ? null : panel);
  }

  function open(panel, { focus = true } = {}) {
    const before = shown;
    before?.mounted?.unmount?.();
    shown = null;
    place.replaceChildren();
    show(node, panel !== null);
    body.classList.toggle("with-panel", panel !== null);
    for (const [each, tab] of tabs) tab.setAttribute("aria-pressed", String(each === panel));
    if (panel) {
      heading.textContent = t(panel.label);
      shown = { panel, mounted: panel.mount(place, given) };
      if (focus) (place.querySelector("[autofocus]") ?? close).focus({ preventScroll: true });
    } else if (before && focus) {
      tabs.get(before.panel).focus({ preventScroll: true });
    }
    session.remember({ [REMEMBERED]: panel?.id ?? null }).catch(() => {});
  }

  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    open(null);
  });
  const wide = matchMedia("(min-width: 75rem)").matches;
  const kept = PANELS.find(({ id }) => id === session.settings()[REMEMBERED]);
  return {
    node,
    buttons,
    /** Open a panel by its id; gives false where there is none. */
    open(id) {
      const panel = PANELS.find((each) => each.id === id);
      if (panel) open(panel);
      return panel !== undefined;
    },
    /** The panel that was open last, where there is room for it. */
    restore: () => kept && wide && open(kept, { focus: false }),
    unmount: () => shown?.mounted?.unmount?.(),
  };
}
