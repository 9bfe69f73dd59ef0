// The links between the pages, in the bar of each of them.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import * as session from "../session.js";
import { icon } from "../ui/icons.js";

const PLACES = [
  { href: "/app", name: "transcribe", glyph: "mic", scope: "transcribe" },
  { href: "/app/library", name: "library", glyph: "library", scope: "read" },
  { href: "/app/models", name: "models", glyph: "model", scope: "read" },
  { href: "/", name: "dashboard", glyph: "gauge", scope: "read" },
];

/** Put the links that the reader may follow into `nav`; the one to the present address is marked. */
export function places(nav) {
  const links = PLACES.filter(({ scope }) => session.may(scope)).map(({ href, name, glyph }) => {
    const exact = href === "/" || href === "/app";
    const here = exact ? location.pathname.replace(/(.)\/$/, "$1") === href : location.pathname.startsWith(href);
    return el("a", { href, ...(here && { "aria-current": "page" }) }, icon(glyph), el("span", {}, t(`nav.${name}`)));
  });
  nav.replaceChildren(...links);
}
