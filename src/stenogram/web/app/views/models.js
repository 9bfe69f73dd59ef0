// Models: which are here, on and in memory; which could be had; fetching, checking and removing them.

import * as api from "../../api.js";
import { el, keyed, show, text } from "../../dom.js";
import { bytes, count, languageName, languages, percent } from "../../format.js";
import { explain, locale, t } from "../../i18n.js";
import { bar } from "../../meter.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { confirm } from "../../ui/dialog.js";
import { choice, field } from "../../ui/field.js";
import { menu } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";

const BUSY_MS = 1000; // while something is fetched
const IDLE_MS = 10_000;
const FIRST = 12; // of those to be had, before all are asked for

export async function mount(root, _params, { announce }) {
  const keeper = session.may("models");
  let models = [];
  let timer = 0;
  let left = false;
  let all = false;
  const touched = new Set(); // names of what was under way while the page was open: they stay in front
  const working = new Map(); // name -> what is being done with it
  const memory = machineMemory();
  const here = section("here");
  const others = section("others");
  const elsewhere = el("ul", { class: "rows" });
  const unable = el("details", { class: "unable" }, el("summary", {}), el("p", { class: "hint" }, t("models.unable_words")), elsewhere);
  const search = field({ label: t("models.search"), attributes: { type: "search", autocomplete: "off", spellcheck: "false" } });
  const language = choice({ label: t("models.language"), options: [["", t("models.any_language")]] });
  search.input.addEventListener("input", draw);
  language.input.addEventListener("change", draw);
  const offline = el("p", { class: "card notice fault", role: "status", hidden: "" });
  root.append(
    el("div", { class: "view-head" }, el("h1", {}, t("models.title"))),
    el("p", { class: "lead" }, t(keeper ? "models.lead" : "models.lead_reader")),
    offline,
    memory.node,
    here.node,
    others.node,
  );
  others.node.querySelector("h2").after(el("div", { class: "filters" }, search.node, language.node));
  const every = button({ label: "", onClick: () => { all = true; draw(); others.node.querySelectorAll(".model")[FIRST]?.querySelector("button")?.focus(); } });
  others.node.append(every, unable);

  await look();
  offer();
  addEventListener("visibilitychange", onSight);
  plan();

  async function look() {
    ({ models } = await api.json("/api/v1/models"));
    show(offline, false);
    draw();
    if (session.may("read")) memory.draw(await api.json("/dashboard/state").catch(() => null));
  }

  function plan() {
    clearTimeout(timer);
    if (left || document.hidden) return;
    const busy = models.some((model) => model.state === "downloading");
    timer = setTimeout(async () => {
      try {
        await look();
      } catch (error) {
        text(offline, explain(error));
        show(offline, true);
      }
      plan();
    }, busy ? BUSY_MS : IDLE_MS);
  }

  function onSight() {
    if (!document.hidden) look().catch(() => {}).finally(plan);
  }

  function offer() {
    const codes = [...new Set(models.flatMap((model) => model.languages))].filter((code) => code !== "*");
    const order = new Intl.Collator(locale());
    const named = codes.map((code) => [code, languageName(code)]).sort((a, b) => order.compare(a[1], b[1]));
    language.input.append(...named.map(([code, name]) => el("option", { value: code }, name)));
  }

  function draw() {
    const [words, code] = [search.input.value.trim().toLowerCase(), language.input.value];
    const fits = (model) =>
      [model.name, ...model.aliases, model.engine].some((name) => name.toLowerCase().includes(words)) &&
      (!code || model.languages.includes(code) || model.languages.includes("*"));
    const mine = models.filter((model) => model.installed);
    const rest = models.filter((model) => !model.installed && fits(model));
    for (const { name, state } of models) if (state === "downloading" || state === "failed") touched.add(name);
    const coming = (model) => (touched.has(model.name) ? 0 : 1);
    const able = rest.filter((model) => model.runs || coming(model) === 0).sort((a, b) => coming(a) - coming(b) || Number(a.restricted) - Number(b.restricted));
    const no = rest.filter((model) => !able.includes(model));
    here.draw(mine, t("models.none_here"));
    const shown = all || words || code ? able : able.slice(0, FIRST);
    others.draw(shown, t("models.none_found"), able.length);
    text(every.lastElementChild, t("models.show_all", { n: able.length }));
    show(every, shown.length < able.length);
    keyed(elsewhere, no, (model) => model.name, row);
    text(unable.querySelector("summary"), t("models.unable", { n: no.length }));
    show(unable, no.length > 0);
  }

  function section(name) {
    const heading = el("h2", { id: `models-${name}` });
    const list = el("ul", { class: "rows" });
    const none = el("p", { class: "hint" });
    const node = el("section", { class: "models-part", "aria-labelledby": heading.id }, heading, list, none);
    return {
      node,
      draw(shown, empty, n = shown.length) {
        heading.replaceChildren(t(`models.${name}`), " ", el("span", { class: "count" }, count(n)));
        keyed(list, shown, (model) => model.name, row);
        text(none, empty);
        show(none, shown.length === 0);
      },
    };
  }

  function row(first) {
    const { name } = first;
    let model = first;
    const badge = el("span", { class: "badge" });
    const off = el("span", { class: "badge" }, t("models.off"));
    const licence = el("span", { class: "badge", "data-state": "queued", title: first.licence }, t("models.restricted"));
    const spoken = el("p", { class: "model-languages" });
    const facts = el("p", { class: "hint" });
    const fetched = bar(() => t("models.fetching", { name }), { role: "progressbar" });
    const fault = el("p", { class: "fault" });
    const told = el("p", { class: "hint", role: "status" });
    const doing = el("div", { class: "row-actions" });
    const act = {
      get: button({ label: t("models.get"), glyph: "download", attributes: { "aria-label": t("models.get_name", { name }) }, onClick: () => run("pull") }),
      again: button({ label: t("common.again"), glyph: "retry", attributes: { "aria-label": `${t("common.again")}: ${name}` }, onClick: () => run("pull") }),
      cancel: button({ label: t("common.cancel"), attributes: { "aria-label": t("models.cancel_name", { name }) }, onClick: () => run("cancel") }),
      on: button({ label: t("models.enable"), attributes: { "aria-label": `${t("models.enable")}: ${name}` }, onClick: () => run("enable") }),
      load: button({ label: t("models.load"), attributes: { "aria-label": t("models.load_name", { name }) }, onClick: () => run("load") }),
      unload: button({ label: t("models.unload"), attributes: { "aria-label": t("models.unload_name", { name }) }, onClick: () => run("unload") }),
      more: button({ label: t("models.more", { name }), glyph: "more", kind: "quiet", only: true }),
    };
    menu(act.more, () => [
      { label: t("models.verify"), glyph: "check", run: () => run("verify") },
      model.enabled ? { label: t("models.disable"), glyph: "pause", run: () => run("disable") } : { label: t("models.enable"), glyph: "play", run: () => run("enable") },
      null,
      { label: t("common.delete"), glyph: "trash", danger: true, run: remove, disabled: model.bundled },
    ]);
    if (keeper) doing.append(...Object.values(act));
    const node = el("li", { class: "row-card model" }, el("div", { class: "row-main" }, el("p", { class: "row-title" }, el("strong", {}, name), badge, off, licence), spoken, facts, fetched.node, fault, told), doing);

    function update(next) {
      model = next;
      const busy = working.get(name);
      const state = model.loaded ? "loaded" : model.state;
      badge.dataset.state = state === "installed" ? "" : state;
      text(badge, t(`models.state_${state}`));
      show(badge, state !== "absent");
      show(licence, model.restricted);
      show(off, model.installed && !model.enabled);
      text(spoken, languages(model.languages));
      text(facts, [bytes(model.bytes), model.runs && t("models.memory", { size: bytes(model.memory_bytes) }), model.runs && speed(model), model.engine, model.licence.split(" (")[0]].filter(Boolean).join(" · "));
      show(fetched.node, model.state === "downloading");
      const share = model.bytes ? Math.min(model.bytes_done / model.bytes, 1) : null;
      fetched.update(share, t("models.of", { done: bytes(model.bytes_done), total: bytes(model.bytes), share: percent(share * 100) }));
      text(fault, model.error ? t("models.failed", { why: model.error }) : "");
      show(fault, Boolean(model.error));
      text(told, busy ? t(`models.doing_${busy}`) : told.dataset.result ?? "");
      show(told, told.textContent !== "");
      show(act.get, model.state === "absent");
      show(act.again, model.state === "failed");
      show(act.cancel, model.state === "downloading");
      show(act.on, model.installed && !model.enabled);
      show(act.load, model.installed && model.enabled && model.runs && !model.loaded);
      show(act.unload, model.loaded);
      show(act.more, model.installed);
      for (const each of Object.values(act)) each.setAttribute("aria-disabled", String(Boolean(busy)));
    }

    async function run(what) {
      if (working.has(name)) return;
      working.set(name, what);
      delete told.dataset.result;
      update(model);
      try {
        const answer = await api.json(`/api/v1/models/${encodeURIComponent(name)}/${what}`, { method: "POST" });
        working.delete(name);
        if (what === "verify") told.dataset.result = t("models.verified");
        models = models.map((each) => (each.name === name ? answer : each));
        announce(t(`models.did_${what}`, { name }));
      } catch (error) {
        working.delete(name);
        toast(explain(error), { tone: "bad" });
      }
      await after();
    }

    async function remove() {
      const words = t("models.delete_words", { size: bytes(model.bytes) });
      if (!(await confirm({ title: t("models.delete_title", { name }), words, action: t("common.delete") }))) return;
      try {
        await api.request(`/api/v1/models/${encodeURIComponent(name)}`, { method: "DELETE" });
        toast(t("models.deleted", { name }));
      } catch (error) {
        toast(explain(error), { tone: "bad" });
      }
      await after();
    }

    return { node, update };
  }

  async function after() {
    draw();
    await look().catch(() => {});
    plan();
  }

  return {
    title: t("models.title"),
    unmount() {
      left = true;
      clearTimeout(timer);
      removeEventListener("visibilitychange", onSight);
    },
  };
}

function speed({ speed: times }) {
  if (!times) return null;
  const rounded = times >= 10 ? Math.round(times) : Math.round(times * 10) / 10;
  return t("models.speed", { times: rounded });
}

/** Memory of the machine and its GPUs. */
function machineMemory() {
  const node = el("section", { class: "card memory", "aria-label": t("models.memory_title"), hidden: "" });
  const bars = new Map();

  function one(name, used, total) {
    if (!bars.has(name)) {
      bars.set(name, bar(() => name, { scarce: true }));
      node.append(bars.get(name).node);
    }
    bars.get(name).update(used / total, t("models.of", { done: bytes(used * 2 ** 20), total: bytes(total * 2 ** 20), share: percent((100 * used) / total) }));
  }

  return {
    node,
    draw(state) {
      if (!state?.cpu?.memory_total_mb) return;
      show(node, true);
      one(t("models.memory_machine"), state.cpu.memory_used_mb, state.cpu.memory_total_mb);
      for (const gpu of state.gpus) {
        if (gpu.vram_total_mb) one(t("models.memory_gpu", { index: gpu.index, name: gpu.name }), gpu.vram_used_mb, gpu.vram_total_mb);
      }
    },
  };
}
