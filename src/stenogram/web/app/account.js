// The end of the bar: language, and who is signed in with what concerns them.

import { el } from "../dom.js";
import { LANGUAGES, load as loadLanguage, locale, t } from "../i18n.js";
import * as session from "../session.js";
import { icon } from "../ui/icons.js";
import { menu } from "../ui/menu.js";

/** Put the buttons into `place`, anew for each view. */
export function account(place, { navigate }) {
  for (const old of place.querySelectorAll(".account")) old.remove();
  const globe = el("button", { type: "button", class: "quiet account" }, icon("globe", 18), el("span", { class: "code" }, locale().toUpperCase()));
  globe.setAttribute("aria-label", t("nav.language"));
  menu(globe, () =>
    Object.entries(LANGUAGES).map(([code, name]) => ({ label: name, checked: code === locale(), run: () => speak(code) })),
  );
  const told = session.current();
  const name = told?.user?.name || told?.user?.email || told?.key?.name || t("nav.menu");
  const who = el("button", { type: "button", class: "quiet account who" }, icon(told?.user ? "person" : "settings", 18), el("span", { class: "who-name" }, name));
  who.setAttribute("aria-label", name);
  menu(who, () => [
    { label: t("nav.settings"), glyph: "settings", run: () => navigate("/app/settings") },
    ...(told.mode === "open" ? [] : [{ label: t("nav.keys"), glyph: "key", run: () => navigate("/app/keys") }]),
    ...(session.may("users") && told.mode === "accounts" ? [{ label: t("nav.users"), glyph: "people", run: () => navigate("/app/users") }] : []),
    { label: t("nav.api"), glyph: "file", run: () => location.assign("/docs") },
    ...(told.mode === "open" ? [] : [null, { label: t("nav.sign_out"), glyph: "sign_out", run: leave }]),
  ]);
  place.append(globe);
  if (told?.scopes.length) place.append(who);

  async function leave() {
    await session.signOut();
    navigate("/app/sign-in");
  }
}

async function speak(code) {
  await loadLanguage(code, { keep: true });
  if (session.current()?.user) await session.remember({ language: code });
}
