// Fields of forms: a label, the input, a hint and a fault that screen readers connect with it.

import { el, show, text } from "../dom.js";
import { explain, t } from "../i18n.js";
import { button } from "./button.js";

let made = 0;

/** A field of one line; gives `{node, input, fail(words or null)}`. `attributes` are those of the input. */
export function field({ label, hint = "", attributes = {} }) {
  const id = `field-${(made += 1)}`;
  const input = el("input", { id, type: "text", ...attributes });
  return wrapped(input, input, label, hint);
}

/** A choice: `options` are `[[value, label], ...]`. */
export function choice({ label, hint = "", options, value, attributes = {} }) {
  const id = `field-${(made += 1)}`;
  const input = el("select", { id, ...attributes });
  for (const [code, name] of options) input.append(el("option", { value: code }, name));
  if (value !== undefined) input.value = value;
  return wrapped(input, input, label, hint);
}

/**
 * A password: shown on demand, with a hint where caps lock is on. `avoided()`: words that it must not be; where given,
 * how good it is is told.
 */
export function password({ label, hint = "", attributes = {}, avoided = null }) {
  const id = `field-${(made += 1)}`;
  const input = el("input", { id, type: "password", autocapitalize: "none", spellcheck: "false", ...attributes });
  const eye = button({ label: t("common.show_password"), glyph: "eye", kind: "quiet", only: true, attributes: { "aria-pressed": "false" } });
  eye.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    eye.setAttribute("aria-pressed", String(shown));
  });
  const caps = el("p", { class: "hint caps", role: "status" });
  for (const kind of ["keydown", "keyup", "pointerdown"]) {
    input.addEventListener(kind, (event) => text(caps, event.getModifierState?.("CapsLock") ? t("common.caps_lock") : ""));
  }
  input.addEventListener("blur", () => text(caps, ""));
  const made_ = wrapped(input, el("div", { class: "secret" }, input, eye), label, hint);
  if (avoided) made_.node.append(meter(input, avoided));
  made_.node.append(caps);
  return made_;
}

function wrapped(input, holder, label, hint) {
  const told = el("p", { id: `${input.id}-hint`, class: "hint" }, hint);
  const fault = el("p", { id: `${input.id}-fault`, class: "fault" });
  show(told, hint !== "");
  show(fault, false);
  if (hint) input.setAttribute("aria-describedby", told.id);

  function fail(words) {
    text(fault, words ?? "");
    show(fault, Boolean(words));
    if (words) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    const by = [hint && told.id, words && fault.id].filter(Boolean).join(" ");
    if (by) input.setAttribute("aria-describedby", by);
    else input.removeAttribute("aria-describedby");
  }

  input.addEventListener("input", () => fail(null));
  return { node: el("div", { class: "field" }, el("label", { for: input.id }, label), holder, told, fault), input, fail };
}

/**
 * A form that does one thing at a time. `act()` is awaited; what it throws is told under the field that `place(error)`
 * gives, else beside the button. Gives `{node, say}`.
 */
export function form({ fields, submit, act, place = () => null, kind = "primary", more = [] }) {
  const go = button({ label: submit, kind });
  go.type = "submit";
  const fault = el("p", { class: "fault", role: "alert" });
  const node = el("form", { class: "form", novalidate: "" }, ...fields.map((each) => each.node ?? each), fault, el("div", { class: "form-end" }, go, ...more));
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.getAttribute("aria-disabled") === "true" || !complete(fields)) return;
    text(fault, "");
    go.setAttribute("aria-disabled", "true"); // not `disabled`: the focus would be lost
    try {
      await act();
    } catch (error) {
      const where = place(error);
      if (where) {
        where.fail(explain(error));
        where.input.focus();
      } else {
        text(fault, explain(error));
      }
    } finally {
      go.removeAttribute("aria-disabled");
    }
  });
  return { node, go, say: (words) => text(fault, words) };
}

/** Whether every field may be sent; the first that may not says why, and has the focus. */
function complete(fields) {
  const wrong = fields.filter((each) => each.input && !each.input.checkValidity());
  for (const each of wrong) each.fail(reason(each.input));
  wrong[0]?.input.focus();
  return wrong.length === 0;
}

function reason(input) {
  const { valueMissing, typeMismatch, tooShort } = input.validity;
  if (valueMissing) return t("common.fill_in");
  if (typeMismatch && input.type === "email") return t("common.no_email");
  if (tooShort) return t("common.too_short", { n: input.minLength });
  return input.validationMessage;
}

/** How good a new password is, in four steps and words. */
function meter(input, avoided) {
  const words = el("span", { class: "strength-words", role: "status" });
  const steps = el("span", { class: "strength-steps", "aria-hidden": "true" }, ...Array.from({ length: 4 }, () => el("i")));
  const node = el("div", { class: "strength" }, steps, words);
  input.addEventListener("input", () => {
    const level = input.value ? strength(input.value, avoided()) : 0;
    node.dataset.level = String(level);
    text(words, level ? t(`common.strength_${level}`) : "");
  });
  return node;
}

const LEAST_CHARS = 8; // the server's own least
const ROWS = "abcdefghijklmnopqrstuvwxyz 01234567890 qwertyuiop asdfghjkl zxcvbnm йцукенгшщзхъ фывапролджэ ячсмитьбю";
const COMMON = /password|пароль|stenogram|letmein|welcome|admin|qwerty|йцукен/g;

/** 1 (will not do) to 4 (strong): by what is left of its length without names, runs and rows of keys. */
export function strength(password, avoided = []) {
  if ([...password].length < LEAST_CHARS || new Set(password).size === 1) return 1;
  let rest = password.toLowerCase().replaceAll(COMMON, "*");
  if (avoided.some((word) => word && rest === word.toLowerCase())) return 1;
  for (const word of avoided) if (word.length > 2) rest = rest.replaceAll(word.toLowerCase(), "*");
  rest = rest.replaceAll(/(.)\1+/gu, "$1");
  let counted = 0;
  let row = 0;
  for (let at = 0; at < rest.length; at += 1) {
    row = at > 0 && ROWS.includes(rest.slice(at - 1, at + 1)) ? row + 1 : 0;
    counted += row > 1 ? 0.25 : 1;
  }
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\d/, /[^\p{L}\d]/u].filter((kind) => kind.test(password)).length;
  const bits = counted * (2.6 + 0.7 * kinds);
  return bits < 32 ? 2 : bits < 48 ? 3 : 4;
}
