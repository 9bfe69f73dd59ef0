// The search box and what narrows the list.

import { el, show, text } from "../../dom.js";
import { languageName } from "../../format.js";
import { locale, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";
import { narrows, SORTS, SPANS, STATES, widened } from "./address.js";

const TYPING_MS = 250;
const BETWEEN = "between";

export class Filters {
  #query;
  #onChange;
  #facets = { tags: [], models: [], languages: [], states: {} };
  #typing = 0;
  #choosers = Object.fromEntries(["state", "tag", "model", "language", "when", "sort"].map((name) => [name, chooser(name, t(`library.${name}`))]));
  #from = el("input", { type: "date", id: "filter-from" });
  #to = el("input", { type: "date", id: "filter-to" });
  #between = el("div", { class: "filter-between" });
  #clear = button({ label: t("library.clear"), kind: "quiet", glyph: "close", onClick: () => this.#change(widened(this.#query)) });
  #active = el("span", { class: "badge" });

  /** `onChange(query, {typing})`: the reader looks for something else. */
  constructor(query, onChange) {
    this.#query = query;
    this.#onChange = onChange;
    this.search = el("input", { type: "search", id: "search", placeholder: t("library.search_hint"), autocomplete: "off", spellcheck: "false", enterkeyhint: "search", maxlength: "300" });
    this.search.value = query.q;
    const box = el("div", { class: "search", role: "search" }, icon("search", 18), el("label", { class: "sr", for: "search" }, t("library.search")), this.search, el("kbd", { "aria-hidden": "true" }, "/"));
    this.#between.append(labelled("filter-from", t("library.from"), this.#from), labelled("filter-to", t("library.to"), this.#to));
    const { sort, ...narrowing } = this.#choosers;
    const fields = el("div", { class: "filter-fields" }, ...Object.values(narrowing).map(({ node }) => node), this.#between, sort.node, this.#clear);
    const wide = matchMedia("(min-width: 60rem)");
    const fold = el("details", { class: "filters", ...(wide.matches && { open: "" }) });
    fold.append(el("summary", {}, icon("filter", 18), el("span", {}, t("library.filters")), this.#active), fields);
    this.node = el("div", { class: "toolbar card" }, box, fold);
    this.#listen();
    this.#put();
  }

  /** What there is to choose from. */
  offer(facets) {
    this.#facets = facets;
    this.#put();
  }

  #listen() {
    this.search.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#type(), TYPING_MS);
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#type();
      if (event.key === "Escape" && this.search.value) {
        event.preventDefault();
        this.search.value = "";
        this.#type();
      }
    });
    for (const name of ["state", "tag", "model", "language", "sort"]) {
      const { select } = this.#choosers[name];
      select.addEventListener("change", () => this.#change({ ...this.#query, [name]: select.value }));
    }
    this.#choosers.when.select.addEventListener("change", () => {
      const { value } = this.#choosers.when.select;
      show(this.#between, value === BETWEEN);
      if (value === BETWEEN) this.#from.focus();
      else this.#change({ ...this.#query, when: value, from: "", to: "" });
    });
    for (const each of [this.#from, this.#to]) {
      each.addEventListener("change", () => this.#change({ ...this.#query, when: "", from: this.#from.value, to: this.#to.value }));
    }
  }

  #type() {
    clearTimeout(this.#typing);
    const q = this.search.value.trim();
    if (q !== this.#query.q) this.#change({ ...this.#query, q }, { typing: true });
  }

  #change(query, { typing = false } = {}) {
    this.#query = query;
    this.#put();
    if (!typing) this.search.value = query.q;
    this.#onChange(query, { typing });
  }

  #put() {
    const { state, tag, model, language, when, from, to, sort, trash } = this.#query;
    const { tags, models, languages, states } = this.#facets;
    const any = ["", t("library.any")];
    const numbers = (name) => STATES[name].reduce((sum, each) => sum + (states[each] ?? 0), 0);
    fill(this.#choosers.state, [any, ...Object.keys(STATES).map((name) => [name, counted(t(`library.state_${name}`), trash ? 0 : numbers(name))])], state);
    fill(this.#choosers.tag, [any, ...tags.map((each) => [each.tag, counted(each.tag, each.count)])], tag);
    fill(this.#choosers.model, [any, ...models.map((each) => [each.model, counted(each.model, each.count)])], model);
    fill(this.#choosers.language, [any, ...languages.map((each) => [each.language, counted(languageName(each.language), each.count)])], language);
    fill(this.#choosers.when, [any, ...[...Object.keys(SPANS), BETWEEN].map((name) => [name, t(`library.when_${name}`)])], from || to ? BETWEEN : when);
    fill(this.#choosers.sort, SORTS.map((name) => [name, t(`library.sort_${name.replace("-", "down_")}`)]), sort);
    this.#from.value = from;
    this.#to.value = to;
    show(this.#between, this.#choosers.when.select.value === BETWEEN);
    show(this.#clear, narrows(this.#query));
    const narrowing = [state, tag, model, language, when || from || to].filter(Boolean).length;
    text(this.#active, new Intl.NumberFormat(locale()).format(narrowing));
    show(this.#active, narrowing > 0);
  }
}

function counted(words, count) {
  return count ? `${words} (${new Intl.NumberFormat(locale()).format(count)})` : words;
}

function chooser(name, label) {
  const select = el("select", { id: `filter-${name}` });
  return { select, node: labelled(`filter-${name}`, label, select) };
}

function labelled(id, label, control) {
  return el("div", { class: "filter" }, el("label", { for: id }, label), control);
}

/** What is chosen stays to be seen, also where nothing has it any more. */
function fill({ select }, options, value) {
  const all = options.some(([each]) => each === value) ? options : [...options, [value, value]];
  select.replaceChildren(...all.map(([each, words]) => el("option", { value: each }, words)));
  select.value = value;
  select.classList.toggle("chosen", value !== "" && value !== "-created");
}
