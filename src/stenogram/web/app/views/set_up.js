// The first administrator: made with the token that the server printed at its start.

import { el } from "../../dom.js";
import { t } from "../../i18n.js";
import * as session from "../../session.js";
import { copyable } from "../../ui/copy.js";
import { field, form, password } from "../../ui/field.js";
import { icon } from "../../ui/icons.js";

export async function mount(root, _params, { navigate }) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (given) history.replaceState(null, "", location.pathname); // what opens stays in no history
  const head = (glyph, title, lead) => [el("div", { class: "gate-mark", "aria-hidden": "true" }, icon(glyph, 22)), el("h1", {}, title), el("p", { class: "lead" }, lead)];
  const panel = el("section", { class: "card gate" });
  root.append(panel);
  const told = { title: t("set_up.title"), unmount() {} };

  if (!session.current().setup) {
    if (session.current().mode === "accounts") {
      panel.append(...head("check", t("set_up.done_title"), t("set_up.done")), el("p", {}, el("a", { class: "button primary", href: "/app/sign-in" }, t("set_up.to_sign_in"))));
    } else {
      panel.append(
        ...head("info", t("set_up.closed_title"), t("set_up.closed")),
        copyable("stenogram users create --admin --email you@example.org", t("set_up.command")),
        el("p", {}, el("a", { class: "button", href: "/app" }, t("nav.home"))),
      );
    }
    return told;
  }

  const token = field({ label: t("set_up.token"), hint: t("set_up.token_hint"), attributes: { name: "token", autocomplete: "one-time-code", required: "", value: given, spellcheck: "false", autocapitalize: "none" } });
  const name = field({ label: t("set_up.name"), hint: t("set_up.name_hint"), attributes: { name: "name", autocomplete: "name", required: "", maxlength: "100" } });
  const email = field({ label: t("set_up.email"), attributes: { type: "email", name: "email", autocomplete: "username", required: "", inputmode: "email", autocapitalize: "none", spellcheck: "false" } });
  const avoided = () => [email.input.value, email.input.value.split("@")[0], name.input.value];
  const secret = password({ label: t("set_up.password"), hint: t("common.password_hint"), avoided, attributes: { name: "password", autocomplete: "new-password", required: "", minlength: "8" } });
  const fields = [token, name, email, secret];
  const made = form({
    fields,
    submit: t("set_up.submit"),
    place: (error) => ({ set_up_refused: token, weak_password: secret })[error.code] ?? null,
    async act() {
      await session.setUp({ token: token.input.value.trim(), name: name.input.value.trim(), email: email.input.value.trim(), password: secret.input.value });
      await navigate("/app", { replace: true });
    },
  });
  panel.append(...head("person", t("set_up.title"), t("set_up.lead")), made.node);
  (given ? name : token).input.focus();
  return told;
}
