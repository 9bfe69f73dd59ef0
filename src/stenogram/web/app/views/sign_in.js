// Signing in: with e-mail address and password, or with an API key where there are no accounts; and the first own
// password of who was invited.

import * as api from "../../api.js";
import { el, text } from "../../dom.js";
import { load as loadLanguage, locale, t } from "../../i18n.js";
import * as session from "../../session.js";
import { field, form, password } from "../../ui/field.js";
import { icon } from "../../ui/icons.js";

export async function mount(root, _params, { navigate }) {
  const next = destination(new URLSearchParams(location.search).get("next"));
  let waiting = 0;

  async function go() {
    const chosen = session.settings().language;
    if (chosen && chosen !== locale()) await loadLanguage(chosen); // draws this view anew, which then goes on
    if (location.pathname !== "/app/sign-in") return;
    if (next === "/") location.assign("/");
    else await navigate(next, { replace: true });
  }

  if (!session.signedOut() && !session.mustChange()) {
    root.append(el("p", { class: "lead" }, t("common.loading")));
    setTimeout(go); // after this view is there: it gives its place to the next one
    return { title: t("sign_in.title"), unmount() {} };
  }
  const panel = el("section", { class: "card gate" });
  root.append(panel);
  if (session.mustChange()) choose(null);
  else ask(session.current().mode === "keys" ? byKey() : byPassword());

  function head(title, lead) {
    return [el("div", { class: "gate-mark", "aria-hidden": "true" }, icon(session.current().mode === "keys" ? "key" : "person", 22)), el("h1", {}, title), el("p", { class: "lead" }, lead)];
  }

  function ask({ lead, fields, given }) {
    const made = form({ fields, submit: t("sign_in.submit"), act });
    const help = session.current().mode === "keys" ? "sign_in.no_key" : "sign_in.forgotten";
    panel.replaceChildren(...head(t("sign_in.title"), lead), made.node, el("p", { class: "hint" }, t(help)));
    if (session.current().setup) {
      panel.append(el("p", { class: "hint" }, t("sign_in.first"), " ", el("a", { href: "/app/set-up" }, t("sign_in.set_up"))));
    }
    fields[0].input.focus();

    async function act() {
      try {
        await session.signIn(given());
      } catch (error) {
        if (error.code !== "sign_in_slowed") throw error;
        slow(made, error.retryAfterS ?? 5);
        return;
      }
      const typed = given().password;
      if (session.mustChange()) choose(typed);
      else await go();
    }
  }

  /** Count down until the server listens again. */
  function slow(made, seconds) {
    const end = Date.now() + seconds * 1000;
    made.go.disabled = true;
    const label = made.go.lastElementChild;
    made.say(t("sign_in.slowed"));
    clearInterval(waiting);
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      text(label, left > 0 ? t("sign_in.wait", { n: left }) : t("sign_in.submit"));
      if (left > 0) return;
      clearInterval(waiting);
      made.go.disabled = false;
      made.say("");
    };
    waiting = setInterval(tick, 250);
    tick();
  }

  function byPassword() {
    const email = field({ label: t("sign_in.email"), attributes: { type: "email", name: "email", autocomplete: "username", required: "", inputmode: "email", autocapitalize: "none", spellcheck: "false" } });
    const secret = password({ label: t("sign_in.password"), attributes: { name: "password", autocomplete: "current-password", required: "" } });
    const given = () => ({ email: email.input.value.trim(), password: secret.input.value });
    return { lead: t("sign_in.lead"), fields: [email, secret], given };
  }

  function byKey() {
    const key = password({ label: t("sign_in.key"), hint: t("sign_in.key_hint"), attributes: { name: "key", autocomplete: "off", required: "" } });
    return { lead: t("sign_in.lead_key"), fields: [key], given: () => ({ key: key.input.value.trim() }) };
  }

  /** A password of their own; `current` is the one just typed, null where it has to be asked for. */
  function choose(current) {
    const { email, name } = session.current().user;
    const known = field({ label: t("sign_in.email"), attributes: { type: "email", name: "email", autocomplete: "username", readonly: "", value: email } });
    const old = current === null ? password({ label: t("sign_in.given_password"), attributes: { autocomplete: "current-password", required: "" } }) : null;
    const fresh = password({ label: t("sign_in.new_password"), hint: t("common.password_hint"), avoided: () => [email, email.split("@")[0], name], attributes: { name: "new", autocomplete: "new-password", required: "", minlength: "8" } });
    const made = form({
      fields: [known, ...(old ? [old] : []), fresh],
      submit: t("sign_in.choose"),
      place: (error) => ({ weak_password: fresh, wrong_password: old })[error.code] ?? null,
      async act() {
        await api.request("/api/v1/me/password", { method: "POST", json: { current: current ?? old.input.value, new: fresh.input.value }, quiet: true });
        await session.load();
        await go();
      },
    });
    panel.replaceChildren(...head(t("sign_in.choose_title"), t("sign_in.choose_lead")), made.node);
    (old ?? fresh).input.focus();
  }

  return { title: t("sign_in.title"), unmount: () => clearInterval(waiting) };
}

/** Where to go on: only to this page, or to the dashboard; never to a place that a link brought along. */
export function destination(wanted) {
  if (wanted === "/") return "/";
  try {
    const url = new URL(wanted ?? "/app", location.origin);
    const inside = url.origin === location.origin && /^\/app(\/|$)/.test(url.pathname) && url.pathname !== "/app/sign-in";
    return inside ? url.pathname + url.search + url.hash : "/app";
  } catch {
    return "/app";
  }
}
