// Settings: how the page looks, who the reader is, where they are signed in, accounts, the language model, the version.

import * as api from "../../api.js";
import { el, text } from "../../dom.js";
import { ago } from "../../format.js";
import { explain, LANGUAGES, load as loadLanguage, locale, t } from "../../i18n.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { copyable } from "../../ui/copy.js";
import { confirm } from "../../ui/dialog.js";
import { choice, field, form, password } from "../../ui/field.js";
import { icon } from "../../ui/icons.js";
import { toast } from "../../ui/toast.js";

const THEME = "stenogram.theme";

export async function mount(root) {
  const told = session.current();
  root.classList.add("narrow");
  root.append(el("div", { class: "view-head" }, el("h1", {}, t("settings.title"))));
  const parts = [
    appearance(),
    ...(told.user ? [profile(), changePassword()] : []),
    ...(told.mode === "open" ? [] : [sessions()]),
    ...(told.mode === "accounts" ? [] : [accounts(told)]),
    languageModel(),
    about(told),
  ];
  root.append(el("div", { class: "settings card" }, ...parts));
  if (location.hash) root.querySelector(`#${CSS.escape(location.hash.slice(1))}`)?.scrollIntoView();
  return { title: t("settings.title"), unmount() {} };
}

/** A part: what it is about, and its controls. */
function part(name, ...controls) {
  const id = `part-${name}`;
  return el(
    "section",
    { class: "setting", id: name, "aria-labelledby": id },
    el("div", { class: "setting-head" }, el("h2", { id }, t(`settings.${name}`)), el("p", { class: "hint" }, t(`settings.${name}_words`))),
    el("div", { class: "setting-body" }, ...controls),
  );
}

function appearance() {
  const language = choice({ label: t("settings.language"), options: Object.entries(LANGUAGES), value: locale() });
  language.input.addEventListener("change", async () => {
    const code = language.input.value;
    if (session.current().user) await session.remember({ language: code }).catch(complain);
    await loadLanguage(code, { keep: true }); // draws the page anew
    document.querySelector("#appearance select")?.focus();
  });
  const themes = ["system", "light", "dark"].map((name) => {
    const input = el("input", { type: "radio", name: "theme", value: name, id: `theme-${name}` });
    input.checked = name === theme();
    input.addEventListener("change", () => setTheme(name));
    return el("label", { class: "check", for: input.id }, input, el("span", {}, t(`settings.theme_${name}`)));
  });
  const group = el("fieldset", { class: "across" }, el("legend", {}, t("settings.theme")), ...themes);
  return part("appearance", language.node, group);
}

function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

function setTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try {
    if (name === "system") localStorage.removeItem(THEME);
    else localStorage.setItem(THEME, name);
  } catch {
    // it holds until the page is left
  }
}

function profile() {
  const { user } = session.current();
  const name = field({ label: t("settings.name"), attributes: { value: user.name, required: "", maxlength: "100", autocomplete: "name" } });
  const made = form({
    fields: [name],
    submit: t("common.save"),
    kind: "",
    async act() {
      await api.request("/api/v1/me", { method: "PATCH", json: { name: name.input.value.trim() } });
      await session.load();
      text(document.querySelector(".who-name"), session.current().user.name);
      toast(t("common.saved"));
    },
  });
  const facts = el("dl", { class: "facts-list" }, el("dt", {}, t("settings.email")), el("dd", {}, user.email), el("dt", {}, t("settings.role")), el("dd", {}, t(`users.role_${user.role}`)));
  return part("profile", facts, made.node);
}

function changePassword() {
  const { user } = session.current();
  const known = el("input", { type: "email", name: "email", autocomplete: "username", value: user.email, readonly: "", hidden: "" }); // tells password managers whose it is
  const current = password({ label: t("settings.current"), attributes: { name: "current", autocomplete: "current-password", required: "" } });
  const fresh = password({ label: t("settings.new"), hint: t("common.password_hint"), avoided: () => [user.email, user.email.split("@")[0], user.name], attributes: { name: "new", autocomplete: "new-password", required: "", minlength: "8" } });
  const made = form({
    fields: [known, current, fresh],
    submit: t("settings.change"),
    kind: "",
    place: (error) => ({ wrong_password: current, weak_password: fresh })[error.code] ?? null,
    async act() {
      await api.request("/api/v1/me/password", { method: "POST", json: { current: current.input.value, new: fresh.input.value }, quiet: true });
      made.node.reset();
      fresh.input.dispatchEvent(new Event("input"));
      await session.load();
      document.dispatchEvent(new Event("stenogram:sessions"));
      toast(t("settings.changed"));
    },
  });
  return part("password", made.node);
}

function sessions() {
  const list = el("ul", { class: "rows plain" });
  const others = button({ label: t("settings.end_others"), kind: "danger", onClick: endOthers });
  others.hidden = true;
  const fault = el("p", { class: "fault" });

  async function draw() {
    try {
      const { sessions: all } = await api.json("/api/v1/sessions");
      all.sort((a, b) => Number(b.current) - Number(a.current) || b.seen_at - a.seen_at);
      list.replaceChildren(...all.map(row));
      others.hidden = all.length < 2;
      text(fault, "");
    } catch (error) {
      text(fault, explain(error));
    }
  }

  function row(each) {
    const node = el(
      "li",
      { class: "row-card" },
      icon("device", 22),
      el("div", { class: "row-main" }, el("p", { class: "row-title" }, el("strong", { title: each.agent }, browser(each.agent)), ...(each.current ? [el("span", { class: "badge", "data-state": "succeeded" }, t("settings.this_one"))] : [])), el("p", { class: "hint" }, [each.address, t("settings.seen", { when: ago(each.seen_at) })].filter(Boolean).join(" · "))),
    );
    if (!each.current) node.append(button({ label: t("settings.end"), onClick: () => end(each), attributes: { "aria-label": t("settings.end_name", { name: browser(each.agent) }) } }));
    return node;
  }

  async function end(each) {
    try {
      await api.request(`/api/v1/sessions/${encodeURIComponent(each.id)}`, { method: "DELETE" });
    } catch (error) {
      complain(error);
    }
    await draw();
  }

  async function endOthers() {
    if (!(await confirm({ title: t("settings.end_others"), words: t("settings.end_others_words"), action: t("settings.end_others") }))) return;
    try {
      await api.request("/api/v1/sessions", { method: "DELETE" });
      toast(t("settings.ended_others"));
    } catch (error) {
      complain(error);
    }
    await draw();
  }

  draw();
  const made = part("sessions", list, fault, el("p", {}, others));
  const again = () => (made.isConnected ? draw() : document.removeEventListener("stenogram:sessions", again));
  document.addEventListener("stenogram:sessions", again);
  return made;
}

const BROWSERS = [["Edg/", "Edge"], ["OPR/", "Opera"], ["YaBrowser/", "Yandex Browser"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
const SYSTEMS = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["CrOS", "ChromeOS"], ["Linux", "Linux"]];

/** A browser in few words: it describes itself in many. */
function browser(agent) {
  const [name, system] = [BROWSERS, SYSTEMS].map((known) => known.find(([mark]) => agent.includes(mark))?.[1]);
  if (name && system) return t("settings.browser_on", { name, system });
  return name ?? agent.split(" ")[0] ?? "";
}

/** How accounts are turned on, while there are none. */
function accounts({ mode, setup }) {
  const state = el("p", { class: "state-line" }, icon(mode === "open" ? "info" : "key", 18), el("span", {}, t(mode === "open" ? "settings.state_open" : "settings.state_keys")));
  if (setup) {
    return part("accounts", state, el("p", {}, t("settings.setup_ready")), el("p", {}, el("a", { class: "button primary", href: "/app/set-up" }, icon("person", 18), el("span", {}, t("settings.setup_link")))), el("p", { class: "hint" }, t("settings.or_command")), copyable("stenogram users create --admin --email you@example.org", t("settings.command")));
  }
  const steps = el(
    "ol",
    { class: "steps" },
    el("li", {}, el("p", {}, t("settings.step_create")), copyable("stenogram users create --admin --email you@example.org", t("settings.step_create"))),
    el("li", {}, el("p", {}, t("settings.step_sign_in"))),
    el("li", {}, el("p", {}, t("settings.step_open")), copyable("stenogram serve --host 0.0.0.0", t("settings.step_open"))),
  );
  return part("accounts", state, steps);
}

function languageModel() {
  const body = el("div", { class: "llm", "aria-live": "polite" }, el("p", { class: "hint" }, t("common.loading")));
  const again = button({ label: t("settings.llm_check"), glyph: "retry", onClick: () => look() });

  async function look() {
    again.disabled = true;
    try {
      body.replaceChildren(...state(await api.json("/api/v1/llm")));
    } catch (error) {
      body.replaceChildren(el("p", { class: "fault" }, explain(error)));
    }
    again.disabled = false;
  }

  look();
  return part("llm", body, el("p", {}, again));
}

function state(llm) {
  const badge = el("span", { class: "badge", "data-state": llm.ready ? "succeeded" : "queued" }, t(llm.ready ? "settings.llm_ready" : "settings.llm_absent"));
  const where = el("dl", { class: "facts-list" }, el("dt", {}, t("settings.llm_model")), el("dd", {}, el("code", {}, llm.model)), el("dt", {}, t("settings.llm_where")), el("dd", {}, el("code", {}, llm.where)));
  if (llm.on_gpu !== null && llm.ready) where.append(el("dt", {}, t("settings.llm_runs")), el("dd", {}, t(llm.on_gpu ? "settings.llm_gpu" : "settings.llm_cpu")));
  if (llm.ready) return [el("p", { class: "state-line" }, badge), where];
  const made = [el("p", { class: "state-line" }, badge, el("span", {}, t("settings.llm_without"))), where];
  const ollama = llm.where.startsWith("http");
  if (ollama && llm.answers && llm.has_model === false) {
    made.push(el("p", {}, t("settings.llm_pull")), copyable(`ollama pull ${llm.model}`, t("settings.llm_pull")));
    if (llm.models.length) made.push(el("p", { class: "hint" }, t("settings.llm_others", { names: llm.models.join(", ") })), copyable(`STENOGRAM_LLM_MODEL=${llm.models[0]}`, t("settings.llm_setting")));
  } else if (ollama && !llm.answers) {
    made.push(el("p", {}, t("settings.llm_start")), copyable(`ollama serve\nollama pull ${llm.model}`, t("settings.llm_commands")));
    made.push(el("p", { class: "hint" }, t("settings.llm_elsewhere")), copyable("STENOGRAM_LLM_BASE_URL=http://host:11434/v1", t("settings.llm_setting")));
  }
  const words = [llm.cause, llm.advice].filter(Boolean).join(" ");
  if (words) made.push(el("details", {}, el("summary", {}, t("settings.llm_details")), el("p", { class: "hint", lang: "en" }, words)));
  return made;
}

function about({ version }) {
  const facts = el("dl", { class: "facts-list" }, el("dt", {}, t("settings.version")), el("dd", {}, version));
  const links = el("p", { class: "links" }, el("a", { href: "/docs" }, t("nav.api")), el("a", { href: "/" }, t("nav.dashboard")));
  return part("about", facts, links);
}

function complain(error) {
  toast(explain(error), { tone: "bad" });
}
