// The words of the page in the reader's language, from one catalogue for each: locales/en.json, locales/ru.json.

const NAME = "stenogram.language";
export const LANGUAGES = { en: "English", ru: "Русский" };

let words = {};
let fallback = {};
let chosen = "en";
let plurals = new Intl.PluralRules("en");

/** Tells of `change` when another language was loaded. */
export const language = new EventTarget();

/** BCP 47 tag of the language in force, for Intl. */
export function locale() {
  return chosen;
}

/** The language to show: what the reader chose here, else the first of the browser's that there is. */
export function preferred() {
  let kept = null;
  try {
    kept = localStorage.getItem(NAME);
  } catch {
    // storage is switched off
  }
  if (kept in LANGUAGES) return kept;
  return navigator.languages.map((tag) => tag.split("-")[0].toLowerCase()).find((tag) => tag in LANGUAGES) ?? "en";
}

/** Load a language; with `keep` it is remembered in this browser. */
export async function load(wanted = preferred(), { keep = false } = {}) {
  const name = wanted in LANGUAGES ? wanted : "en";
  [fallback, words] = await Promise.all([catalogue("en"), catalogue(name)]);
  chosen = name;
  plurals = new Intl.PluralRules(name);
  document.documentElement.lang = name;
  if (keep) {
    try {
      localStorage.setItem(NAME, name);
    } catch {
      // it holds until the page is left
    }
  }
  for (const node of document.querySelectorAll("[data-t], [data-t-aria-label], [data-t-placeholder]")) translate(node);
  language.dispatchEvent(new Event("change"));
}

const loaded = new Map();

function catalogue(name) {
  if (!loaded.has(name)) {
    const fetched = fetch(new URL(`locales/${name}.json`, import.meta.url)).then((answer) => {
      if (!answer.ok) throw new Error(`locales/${name}.json: ${answer.status}`);
      return answer.json();
    });
    loaded.set(name, fetched);
    fetched.catch(() => loaded.delete(name));
  }
  return loaded.get(name);
}

/**
 * The text under a key such as `common.save`, with `{name}` filled in. Where the entry has plural forms, `n` chooses,
 * and `{n}` is that number as people write it.
 */
export function t(key, facts = {}) {
  const entry = find(words, key) ?? find(fallback, key);
  if (entry === undefined) return key;
  const form = typeof entry === "string" ? entry : (entry[plurals.select(facts.n ?? 0)] ?? entry.other);
  return form.replaceAll(/\{(\w+)\}/g, (all, name) => {
    const value = facts[name];
    if (value === undefined) return all;
    return typeof value === "number" ? new Intl.NumberFormat(chosen).format(value) : String(value);
  });
}

/** Whether the catalogue has words for a key. */
export function has(key) {
  return (find(words, key) ?? find(fallback, key)) !== undefined;
}

function find(tree, key) {
  return key.split(".").reduce((node, part) => node?.[part], tree);
}

/** Fill an element of the page's own HTML: data-t is its text, data-t-aria-label and the like an attribute. */
function translate(node) {
  if (node.dataset.t) node.textContent = t(node.dataset.t);
  for (const { name, value } of [...node.attributes]) {
    if (name.startsWith("data-t-")) node.setAttribute(name.slice("data-t-".length), t(value));
  }
}

/** What an error means to the reader: in their language where its code is known, else in the server's words. */
export function explain(error) {
  if (error.code && has(`errors.${error.code}`)) return t(`errors.${error.code}`, error.facts ?? {});
  return error.message;
}
