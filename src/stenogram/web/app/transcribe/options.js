// How the next recordings are to be transcribed; what was chosen last is remembered for the reader.

import * as api from "../../api.js";
import { el, show, text } from "../../dom.js";
import { bytes, languageName, languages } from "../../format.js";
import { locale, t } from "../../i18n.js";
import * as session from "../../session.js";
import { WHISPER_LANGUAGES } from "./languages.js";

const NAME = "transcribe";
const PROFILES = ["auto", "fast", "balanced", "quality"];
const ENHANCE = ["", "always", "never"];
const DEFAULTS = { model: "", language: "", profile: "auto", diarize: false, speakers: "", enhance: "" };

export class Options {
  #chosen = { ...DEFAULTS, ...session.settings()[NAME] };
  #models = [];
  #model = el("select", { id: "option-model" });
  #modelFacts = el("p", { class: "hint", id: "option-model-facts" });
  #language = el("select", { id: "option-language" });
  #languageHint = el("p", { class: "hint" });
  #diarize = el("input", { type: "checkbox", id: "option-diarize" });
  #speakers = el("input", { type: "number", id: "option-speakers", min: "1", max: "100", inputmode: "numeric", placeholder: t("transcribe.speakers_auto") });
  #enhance = choices("enhance", ENHANCE, (value) => t(`transcribe.enhance_${value || "auto"}`));
  #enhanceHint = el("p", { class: "hint", id: "option-enhance-hint" }, t("transcribe.enhance_hint"));
  #profile = choices("profile", PROFILES, (value) => t(`transcribe.profile_${value}`));
  #profileHint = el("p", { class: "hint" });
  #summary = el("span", { class: "options-summary" });

  constructor() {
    this.#model.setAttribute("aria-describedby", "option-model-facts");
    const speakers = el("div", { class: "field speakers-number" }, el("label", { for: "option-speakers" }, t("transcribe.speakers_number")), this.#speakers);
    const form = el(
      "form",
      { class: "options-fields" },
      field("option-model", t("transcribe.model"), this.#model, this.#modelFacts, el("a", { class: "more-models", href: "/app/models" }, t("transcribe.more_models"))),
      field("option-language", t("transcribe.language"), this.#language, this.#languageHint),
      group(t("transcribe.profile"), this.#profile, this.#profileHint),
      el("div", { class: "field" }, el("div", { class: "check" }, this.#diarize, el("label", { for: "option-diarize" }, t("transcribe.diarize"))), speakers),
      group(t("transcribe.enhance"), this.#enhance, this.#enhanceHint),
    );
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => this.#changed());
    this.speakersNumber = speakers;
    const wide = matchMedia("(min-width: 64rem)");
    this.node = el("details", { class: "card options", ...(wide.matches && { open: "" }) });
    this.node.append(el("summary", {}, el("h2", {}, t("transcribe.options")), this.#summary), form);
    this.#put();
  }

  /** Ask the server what there is to choose from. */
  async load(signal) {
    const { models } = await api.json("/api/v1/models", { signal });
    this.#models = models.filter((model) => model.kind === "speech" && model.enabled && model.installed && model.runs);
    this.#put();
    const llm = await api.json("/api/v1/llm", { signal }).catch(() => null);
    if (llm && !llm.ready) text(this.#enhanceHint, t("transcribe.enhance_missing"));
  }

  /** The fields of the form that goes with a recording. */
  fields() {
    const { model, language, profile, diarize, speakers, enhance } = this.#chosen;
    return {
      model: this.#model.value === model ? model : "",
      language: this.#language.value === language ? language : "",
      profile: profile === "auto" ? "" : profile,
      enhance,
      ...(diarize && { diarize: "true", num_speakers: speakers }),
    };
  }

  #changed() {
    const number = Number.parseInt(this.#speakers.value, 10);
    this.#chosen = {
      model: this.#model.value,
      language: this.#language.value,
      profile: valueOf(this.#profile) ?? "auto",
      diarize: this.#diarize.checked,
      speakers: number >= 1 && number <= 100 ? String(number) : "",
      enhance: valueOf(this.#enhance) ?? "",
    };
    this.#put();
    session.remember({ [NAME]: this.#chosen }).catch(() => {}); // it holds for this visit, then
  }

  #put() {
    const { model, language, profile, diarize, speakers, enhance } = this.#chosen;
    const names = this.#models.map(({ name }) => [name, name]);
    fill(this.#model, [["", t("transcribe.automatic")], ...names], model);
    const found = this.#models.find(({ name }) => name === this.#model.value);
    text(this.#modelFacts, found ? factsOf(found) : t("transcribe.automatic_hint"));
    this.#putLanguages(found ? [found] : this.#models, language);
    select(this.#profile, profile);
    text(this.#profileHint, t(`transcribe.profile_${profile}_hint`));
    this.#diarize.checked = diarize;
    this.#speakers.value = speakers;
    show(this.speakersNumber, diarize);
    select(this.#enhance, enhance);
    text(this.#summary, this.#words());
  }

  #putLanguages(models, wanted) {
    const spoken = new Set(models.flatMap((model) => model.languages));
    const codes = spoken.has("*") ? [...new Set([...WHISPER_LANGUAGES, ...spoken])].filter((code) => code !== "*") : [...spoken];
    const named = codes.map((code) => [code, languageName(code)]).sort(([, a], [, b]) => a.localeCompare(b, locale()));
    fill(this.#language, [["", t("transcribe.detect")], ...named], wanted);
    const only = models.length === 1 && codes.length === 1;
    const key = this.#model.value ? "transcribe.one_language" : "transcribe.one_language_here";
    text(this.#languageHint, only ? t(key, { language: languageName(codes[0]) }) : "");
    show(this.#languageHint, only);
  }

  /** All of it in a line, for where the form is folded. */
  #words() {
    const { diarize, speakers, profile, enhance } = this.#chosen;
    return [
      this.#model.selectedOptions[0]?.textContent,
      this.#language.selectedOptions[0]?.textContent,
      profile !== "auto" && t(`transcribe.profile_${profile}`),
      diarize && (speakers ? t("transcribe.speakers_told", { n: Number(speakers) }) : t("transcribe.diarize_short")),
      enhance && `${t("transcribe.enhance")}: ${t(`transcribe.enhance_${enhance}`)}`,
    ]
      .filter(Boolean)
      .join(" · ");
  }
}

function factsOf(model) {
  const speed = model.speed ? t("transcribe.speed", { n: roughly(model.speed) }) : null;
  return [languages(model.languages), bytes(model.bytes), speed, model.loaded && t("transcribe.in_memory")].filter(Boolean).join(" · ");
}

/** An estimate is not told to more than two digits. */
function roughly(value) {
  return Number(value.toPrecision(value < 10 ? 1 : 2));
}

function field(id, label, ...parts) {
  return el("div", { class: "field" }, el("label", { for: id }, label), ...parts);
}

function group(label, fieldset, hint) {
  fieldset.prepend(el("legend", {}, label));
  return el("div", { class: "field" }, fieldset, hint);
}

/** One of a few, side by side. */
function choices(name, values, wordsOf) {
  const each = values.map((value) => {
    const id = `option-${name}-${value || "auto"}`;
    return el("span", { class: "choice" }, el("input", { type: "radio", name, id, value }), el("label", { for: id }, wordsOf(value)));
  });
  return el("fieldset", { class: "choices" }, el("div", { class: "choices-row" }, ...each));
}

function valueOf(fieldset) {
  return fieldset.querySelector("input:checked")?.value;
}

function select(fieldset, value) {
  const found = fieldset.querySelector(`input[value="${CSS.escape(value)}"]`) ?? fieldset.querySelector("input");
  found.checked = true;
}

function fill(node, options, value) {
  node.replaceChildren(...options.map(([each, words]) => el("option", { value: each }, words)));
  node.value = options.some(([each]) => each === value) ? value : "";
}
