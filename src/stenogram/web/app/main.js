// The page's frame: which view an address shows, who is signed in, and the links between.

import * as api from "../api.js";
import { byId, el, show, text } from "../dom.js";
import { explain, language, load as loadLanguage, t } from "../i18n.js";
import * as session from "../session.js";
import { icon } from "../ui/icons.js";
import { account } from "./account.js";
import { places } from "./places.js";

/** Address -> view; `scope`: who has not got it is told so; `open`: also for who has not signed in. */
const ROUTES = [
  { at: /^\/app\/?$/, view: "transcribe", scope: "transcribe" },
  { at: /^\/app\/library$/, view: "library", scope: "read" },
  { at: /^\/app\/t\/(?<job>[\w-]+)$/, view: "transcript", scope: "read" },
  { at: /^\/app\/models$/, view: "models", scope: "read" },
  { at: /^\/app\/settings$/, view: "settings", scope: "read" },
  { at: /^\/app\/keys$/, view: "keys", scope: "read" },
  { at: /^\/app\/users$/, view: "users", scope: "users" },
  { at: /^\/app\/sign-in$/, view: "sign_in", open: true },
  { at: /^\/app\/set-up$/, view: "set_up", open: true },
  { at: /^\/app\/shared\/(?<token>[\w-]+)$/, view: "shared", open: true },
];

const main = byId("main");
let shown = null; // {route, title, unmount, leave}
let round = 0;

/** Go to an address of the page; `replace`: the present one is not kept in the history. */
export async function navigate(path, { replace = false } = {}) {
  if (shown?.leave && !(await shown.leave())) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  await draw();
}

/** Say something to screen readers. */
export function announce(words) {
  const place = byId("announce");
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = words));
}

async function draw({ focus = true } = {}) {
  const mine = (round += 1);
  const route = ROUTES.find(({ at }) => at.test(location.pathname));
  const before = shown;
  shown = null;
  before?.unmount?.();
  if ((session.signedOut() || session.mustChange()) && !route?.open) {
    return navigate(`/app/sign-in?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`, { replace: true });
  }
  places(byId("places"));
  account(byId("bar-end"), { navigate });
  const root = el("div", { class: `view view-${(route?.view ?? "none").replaceAll("_", "-")}` });
  main.replaceChildren(root);
  let view;
  try {
    if (!route) throw Object.assign(new Error(t("errors.no_page")), { glyph: "search" });
    if (route.scope && !session.may(route.scope)) throw new Error(t("errors.not_for_you"));
    const params = { ...location.pathname.match(route.at).groups };
    const { mount } = await load(route.view);
    view = await mount(root, params, { navigate, announce });
  } catch (error) {
    if (mine === round) {
      fault(root, error);
      document.title = "Stenogram";
    }
    return;
  }
  if (mine !== round) { // another address was asked for meanwhile
    view?.unmount?.();
    return;
  }
  shown = { route, ...view };
  document.title = `${shown.title} · Stenogram`;
  if (focus && !root.contains(document.activeElement)) main.focus({ preventScroll: true });
  if (!location.hash) scrollTo(0, 0);
  announce(shown.title);
}

function load(view) {
  return import(`./views/${view}.js`).catch((error) => {
    throw error instanceof TypeError ? Object.assign(error, { code: "offline" }) : error; // it could not be fetched
  });
}

function fault(root, error) {
  const again = el("button", { type: "button", class: "primary" }, t("common.again"));
  again.addEventListener("click", () => draw());
  const home = el("a", { class: "button", href: "/app" }, t("nav.home"));
  root.replaceChildren(
    el("div", { class: "empty", role: "alert" }, icon(error.glyph ?? "alert", 32), el("h1", {}, t("errors.title")), el("p", {}, explain(error)), el("p", { class: "row" }, again, home)),
  );
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin || !/^\/app(\/|$)/.test(link.pathname)) return;
  if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
  event.preventDefault();
  navigate(link.pathname + link.search + link.hash);
});
addEventListener("popstate", () => draw());
language.addEventListener("change", () => shown && draw({ focus: false }));
api.keyring.addEventListener("key-needed", async () => {
  if (/^\/app\/(sign-in|set-up|shared)/.test(location.pathname)) return; // signing in, setting up, shared: they tell it themselves
  await session.load().catch(() => {});
  if (session.signedOut()) draw();
});

const first = ROUTES.find(({ at }) => at.test(location.pathname));
if (first) import(`./views/${first.view}.js`).catch(() => {}); // on its way while the rest is asked for; `draw` tells of faults

try {
  await loadLanguage();
  await session.load();
  const chosen = session.settings().language;
  if (chosen) await loadLanguage(chosen);
  await draw({ focus: false });
} catch (error) {
  fault(main, error);
}
