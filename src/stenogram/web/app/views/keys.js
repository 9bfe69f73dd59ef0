// API keys: for programs that work with the server; made, shown once, revoked.

import * as api from "../../api.js";
import { el } from "../../dom.js";
import { ago } from "../../format.js";
import { explain, has, locale, t } from "../../i18n.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { copyable } from "../../ui/copy.js";
import { confirm, dialog } from "../../ui/dialog.js";
import { choice, field } from "../../ui/field.js";
import { icon } from "../../ui/icons.js";
import { toast } from "../../ui/toast.js";

const SCOPES = ["transcribe", "read", "models", "users", "admin"];
const DAYS = [["30", 30], ["90", 90], ["365", 365], ["", null]];

export async function mount(root) {
  const told = session.current();
  const everybody = told.mode === "accounts" && session.may("users");
  let all = false;
  const make = button({ label: t("keys.make"), glyph: "add", kind: "primary", onClick: create });
  const list = el("ul", { class: "rows" });
  const head = el("div", { class: "view-head" }, el("h1", {}, t("keys.title")));
  root.classList.add("narrow");
  root.append(head, el("p", { class: "lead" }, t("keys.lead")));
  if (told.mode === "open") {
    root.append(openServer());
    return { title: t("keys.title"), unmount() {} };
  }
  // a key may make others only where it manages users: the server holds to that
  if (told.user || session.may("users")) head.append(make);
  if (everybody) root.append(whose());
  root.append(list);
  await draw();

  function whose() {
    const tabs = [["own", false], ["all", true]].map(([name, value]) => {
      const tab = button({ label: t(`keys.${name}`), attributes: { "aria-pressed": String(value === all) } });
      tab.addEventListener("click", async () => {
        all = value;
        for (const each of tabs) each.setAttribute("aria-pressed", String(each === tab));
        await draw().catch((error) => toast(explain(error), { tone: "bad" }));
      });
      return tab;
    });
    return el("div", { class: "segments", role: "group", "aria-label": t("keys.whose") }, ...tabs);
  }

  async function draw() {
    const [{ keys }, people] = await Promise.all([
      api.json(`/api/v1/keys${all ? "?all=true" : ""}`),
      all ? api.json("/api/v1/users").then(({ users }) => new Map(users.map((user) => [user.id, user.name || user.email]))) : new Map(),
    ]);
    const good = keys.filter((key) => key.state === "good" || key.state === "stopped").reverse();
    const ended = keys.filter((key) => !good.includes(key)).reverse();
    list.replaceChildren(...good.map((key) => row(key, people)));
    if (ended.length) list.append(el("li", { class: "rows-part" }, el("details", {}, el("summary", {}, t("keys.ended", { n: ended.length })), el("ul", { class: "rows" }, ...ended.map((key) => row(key, people))))));
    if (!keys.length) list.append(el("li", {}, empty()));
  }

  function empty() {
    return el("div", { class: "empty" }, icon("key", 32), el("h2", {}, t("keys.none")), el("p", {}, t("keys.none_words")));
  }

  function row(key, people) {
    const usable = key.state === "good" || key.state === "stopped";
    const facts = [
      all ? people.get(key.owner) ?? key.owner : null,
      key.scopes.map((scope) => (has(`keys.scope_${named(scope)}`) ? t(`keys.scope_${named(scope)}`) : scope)).join(", "),
      key.last_used_at ? t("keys.used", { when: ago(key.last_used_at) }) : t("keys.never_used"),
      until(key),
    ].filter(Boolean);
    const badge = key.state !== "good" && el("span", { class: "badge", "data-state": key.state === "stopped" ? "queued" : "" }, t(`keys.state_${key.state}`));
    const node = el(
      "li",
      { class: "row-card" },
      el("div", { class: "row-main" }, el("p", { class: "row-title" }, el("strong", {}, key.name), el("code", {}, `${key.prefix}_…`), ...(badge ? [badge] : [])), el("p", { class: "hint" }, facts.join(" · "))),
    );
    if (usable) node.append(button({ label: t("keys.revoke"), kind: "danger", onClick: () => revoke(key), attributes: { "aria-label": t("keys.revoke_name", { name: key.name }) } }));
    return node;
  }

  function until(key) {
    if (!key.expires_at) return t("keys.no_end");
    return t(key.expires_at * 1000 > Date.now() ? "keys.until" : "keys.was_until", { when: day(key.expires_at) });
  }

  async function create() {
    const name = field({ label: t("keys.name"), hint: t("keys.name_hint"), attributes: { required: "", maxlength: "100", autofocus: "", autocomplete: "off" } });
    const days = choice({ label: t("keys.expires"), options: DAYS.map(([value, n]) => [value, n ? t("keys.days", { n }) : t("keys.never")]), value: "90" });
    const offered = SCOPES.filter((scope) => (scope === "admin" ? session.may("admin") : session.may(scope)));
    const boxes = offered.map((scope, index) => {
      const input = el("input", { type: "checkbox", value: scope, id: `scope-${scope}` });
      input.checked = index === 0;
      return { input, node: el("label", { class: "check tall", for: input.id }, input, el("span", {}, el("span", { class: "check-name" }, t(`keys.scope_${scope}`)), el("span", { class: "hint" }, t(`keys.scope_${scope}_words`)))) };
    });
    const body = el("div", { class: "form" }, name.node, el("fieldset", {}, el("legend", {}, t("keys.scopes")), ...boxes.map(({ node }) => node)), days.node);
    const made = await dialog({
      title: t("keys.make"),
      body,
      actions: [
        { label: t("common.cancel"), value: false },
        {
          label: t("keys.create"),
          kind: "primary",
          run: () => {
            const scopes = boxes.filter(({ input }) => input.checked).map(({ input }) => input.value);
            if (!scopes.length) throw new Error(t("keys.no_scope"));
            const json = { name: name.input.value.trim(), scopes, expires_days: days.input.value ? Number(days.input.value) : null };
            return api.json("/api/v1/keys", { method: "POST", json });
          },
        },
      ],
    });
    if (!made) return;
    await draw();
    await reveal(made);
    make.focus();
  }

  async function revoke(key) {
    const sure = await confirm({ title: t("keys.revoke_title", { name: key.name }), words: t("keys.revoke_words"), action: t("keys.revoke") });
    if (!sure) return;
    try {
      await api.request(`/api/v1/keys/${encodeURIComponent(key.id)}`, { method: "DELETE" });
      await draw();
      (make.isConnected ? make : list).focus();
      toast(t("keys.revoked", { name: key.name }));
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    }
  }

  return { title: t("keys.title"), unmount() {} };
}

function day(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(new Date(seconds * 1000));
}

/** `*` is another name of admin. */
function named(scope) {
  return scope === "*" ? "admin" : scope;
}

/** The key, this once, and how it is used. */
function reveal({ key, secret }) {
  const base = `${location.origin}/v1`;
  const curl = `curl ${base}/audio/transcriptions \\\n  -H "Authorization: Bearer ${secret}" \\\n  -F file=@talk.mp3 -F model=whisper-1`;
  const python = `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}", api_key="${secret}")\nwith open("talk.mp3", "rb") as file:\n    print(client.audio.transcriptions.create(model="whisper-1", file=file).text)`;
  const may = key.scopes.some((scope) => ["transcribe", "admin", "*"].includes(scope));
  const check = `curl ${location.origin}/api/v1/jobs \\\n  -H "Authorization: Bearer ${secret}"`;
  const examples = may
    ? [el("h3", {}, "curl"), copyable(curl, "curl"), el("h3", {}, t("keys.python")), copyable(python, t("keys.python"))]
    : [el("h3", {}, "curl"), copyable(check, "curl")];
  const body = el("div", { class: "form" }, el("p", { class: "once" }, icon("alert", 18), el("span", {}, t("keys.once"))), copyable(secret, t("keys.key")), ...examples);
  return dialog({ title: t("keys.made", { name: key.name }), body, wide: true, actions: [{ label: t("keys.kept"), value: true, kind: "primary" }] });
}

/** Where everybody may do everything, a key would close the door. */
function openServer() {
  return el(
    "section",
    { class: "card form" },
    el("h2", {}, t("keys.open_title")),
    el("p", {}, t("keys.open_words")),
    copyable("stenogram keys create --name laptop", t("keys.command")),
    el("p", { class: "hint" }, t("keys.open_accounts"), " ", el("a", { href: "/app/settings#accounts" }, t("keys.open_link"))),
  );
}
