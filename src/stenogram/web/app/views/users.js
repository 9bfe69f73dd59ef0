// Who may use the server, for administrators: invite, change, close; and what was done (the audit log).

import * as api from "../../api.js";
import { el } from "../../dom.js";
import { ago } from "../../format.js";
import { explain, t } from "../../i18n.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { copyable } from "../../ui/copy.js";
import { confirm, dialog } from "../../ui/dialog.js";
import { field } from "../../ui/field.js";
import { icon } from "../../ui/icons.js";
import { menu } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";
import { auditLog } from "../audit.js";

export async function mount(root) {
  root.classList.add("narrow");
  const invite = button({ label: t("users.invite"), glyph: "add", kind: "primary", onClick: ask });
  const list = el("ul", { class: "rows" });
  const head = el("div", { class: "view-head" }, el("h1", {}, t("users.title")));
  root.append(head, el("p", { class: "lead" }, t("users.lead")));
  if (session.current().mode !== "accounts") {
    root.append(el("div", { class: "empty card" }, icon("people", 32), el("h2", {}, t("users.none")), el("p", {}, t("users.none_words")), el("a", { class: "button primary", href: "/app/settings#accounts" }, t("users.turn_on"))));
    return { title: t("users.title"), unmount() {} };
  }
  head.append(invite);
  const log = auditLog();
  root.append(list, log.node);
  let users = [];
  await draw();

  async function draw() {
    ({ users } = await api.json("/api/v1/users"));
    const order = (user) => [user.is_active ? 0 : 1, user.role === "admin" ? 0 : 1, (user.name || user.email).toLowerCase()].join(" ");
    users.sort((a, b) => order(a).localeCompare(order(b)));
    const held = document.activeElement?.closest("[data-id]")?.dataset.id;
    list.replaceChildren(...users.map(row));
    if (held) list.querySelector(`[data-id="${CSS.escape(held)}"] button`)?.focus();
    if (users.length === 1) list.append(el("li", {}, el("p", { class: "hint alone" }, t("users.alone"))));
    await log.draw(users);
  }

  function row(user) {
    const me = user.id === session.current().user?.id;
    const name = user.name || user.email;
    const badges = [
      user.role === "admin" && el("span", { class: "badge", "data-state": "busy" }, t("users.role_admin")),
      !user.is_active && el("span", { class: "badge", "data-state": "queued" }, t("users.closed")),
      me && el("span", { class: "badge" }, t("users.you")),
    ].filter(Boolean);
    const facts = [user.email, t("users.recordings", { n: user.recordings }), user.seen_at ? t("users.seen", { when: ago(user.seen_at) }) : t("users.never_seen")];
    const more = button({ label: t("users.more", { name }), glyph: "more", kind: "quiet", only: true });
    menu(more, () => [
      { label: t("users.rename"), glyph: "edit", run: () => rename(user) },
      user.role === "admin"
        ? { label: t("users.make_user"), glyph: "person", run: () => change(user, { role: "user" }, t("users.now_user", { name })), disabled: !user.is_active }
        : { label: t("users.make_admin"), glyph: "key", run: () => change(user, { role: "admin" }, t("users.now_admin", { name })), disabled: !user.is_active },
      ...(me ? [] : [{ label: t("users.reset"), glyph: "retry", run: () => reset(user), disabled: !user.is_active }]),
      ...(me ? [] : [null]),
      ...(me
        ? []
        : user.is_active
          ? [{ label: t("users.deactivate"), glyph: "stop", danger: true, run: () => deactivate(user) }]
          : [{ label: t("users.activate"), glyph: "check", run: () => change(user, { is_active: true }, t("users.now_active", { name })) }]),
    ]);
    return el(
      "li",
      { class: "row-card", "data-id": user.id, "data-closed": String(!user.is_active) },
      el("span", { class: "avatar", "aria-hidden": "true" }, initials(name)),
      el("div", { class: "row-main" }, el("p", { class: "row-title" }, el("strong", {}, name), ...badges), el("p", { class: "hint" }, facts.filter((fact) => fact !== name).join(" · "))),
      more,
    );
  }

  async function change(user, json, done) {
    try {
      await api.request(`/api/v1/users/${encodeURIComponent(user.id)}`, { method: "PATCH", json });
      if (user.id === session.current().user?.id) await session.load();
      await draw();
      toast(done);
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    }
  }

  async function deactivate(user) {
    const name = user.name || user.email;
    const sure = await confirm({ title: t("users.deactivate_title", { name }), words: t("users.deactivate_words"), action: t("users.deactivate") });
    if (sure) await change(user, { is_active: false }, t("users.now_closed", { name }));
  }

  async function rename(user) {
    const name = field({ label: t("users.name"), attributes: { value: user.name, required: "", maxlength: "100", autofocus: "", autocomplete: "off" } });
    const actions = [{ label: t("common.cancel"), value: false }, { label: t("common.save"), kind: "primary", run: () => name.input.value.trim() }];
    const given = await dialog({ title: t("users.rename_title", { name: user.email }), body: name.node, actions });
    if (given) await change(user, { name: given }, t("common.saved"));
  }

  async function reset(user) {
    const name = user.name || user.email;
    const words = t("users.reset_words", { name });
    const sure = await confirm({ title: t("users.reset_title", { name }), words, action: t("users.reset"), danger: false });
    if (!sure) return;
    try {
      const changed = await api.json(`/api/v1/users/${encodeURIComponent(user.id)}`, { method: "PATCH", json: { password: null } });
      await draw();
      await reveal(changed, changed.password);
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    }
  }

  async function ask() {
    const name = field({ label: t("users.name"), attributes: { required: "", maxlength: "100", autofocus: "", autocomplete: "off" } });
    const email = field({ label: t("users.email"), hint: t("users.email_hint"), attributes: { type: "email", required: "", autocomplete: "off", autocapitalize: "none", spellcheck: "false" } });
    const roles = ["user", "admin"].map((role, index) => {
      const input = el("input", { type: "radio", name: "role", value: role, id: `role-${role}`, ...(index === 0 && { checked: "" }) });
      return { input, node: el("label", { class: "check tall", for: input.id }, input, el("span", {}, el("span", { class: "check-name" }, t(`users.role_${role}`)), el("span", { class: "hint" }, t(`users.role_${role}_words`)))) };
    });
    const body = el("div", { class: "form" }, name.node, email.node, el("fieldset", {}, el("legend", {}, t("users.role")), ...roles.map(({ node }) => node)));
    const run = () => {
      const role = roles.find(({ input }) => input.checked).input.value;
      return api.json("/api/v1/users", { method: "POST", json: { email: email.input.value.trim(), name: name.input.value.trim(), role } });
    };
    const made = await dialog({ title: t("users.invite"), body, actions: [{ label: t("common.cancel"), value: false }, { label: t("users.invite"), kind: "primary", run }] });
    if (!made) return;
    await draw();
    await reveal(made, made.password);
    invite.focus();
  }

  return { title: t("users.title"), unmount() {} };
}

function initials(name) {
  const words = name.split(/[\s@.]+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
}

/** The password that somebody else has to be given, this once. */
function reveal(user, password) {
  const name = user.name || user.email;
  const address = `${location.origin}/app/sign-in`;
  const whole = t("users.letter", { address, email: user.email, password });
  const body = el(
    "div",
    { class: "form" },
    el("p", { class: "once" }, icon("alert", 18), el("span", {}, t("users.once", { name }))),
    el("h3", {}, t("users.one_time")),
    copyable(password, t("users.one_time")),
    el("h3", {}, t("users.letter_title")),
    copyable(whole, t("users.letter_title")),
  );
  return dialog({ title: t("users.ready", { name }), body, actions: [{ label: t("users.told"), value: true, kind: "primary" }] });
}
