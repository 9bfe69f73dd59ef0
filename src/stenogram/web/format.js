// Numbers, times and names for people.

import { locale, t } from "./i18n.js";

const made = new Map();

/** A formatter of Intl in the language in force, made once. */
function intl(kind, options) {
  const key = `${locale()} ${kind.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(locale(), options));
  return made.get(key);
}

const whole = { format: (value) => intl(Intl.NumberFormat, { maximumFractionDigits: 0 }).format(value) };
const short = { format: (value) => intl(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(value) };

function unit(value, name, digits = 0) {
  const options = { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits };
  return intl(Intl.NumberFormat, options).format(value);
}

export function count(value) {
  return whole.format(value ?? 0);
}

export function percent(value) {
  return value === null || value === undefined ? "–" : `${whole.format(value)} %`;
}

export function mebibytes(value) {
  return value >= 1024 ? `${short.format(value / 1024)} GiB` : `${whole.format(value)} MiB`;
}

export function bytes(value) {
  return value >= 2 ** 20 ? mebibytes(value / 2 ** 20) : `${whole.format(Math.ceil(value / 1024))} KiB`;
}

/** Seconds as a clock: 0:04, 1:02:03. */
export function clock(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const tail = String(rest).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** A time span in words: 12 sec, 5 min, 2 hr. */
export function span(seconds) {
  if (seconds < 90) return unit(seconds, "second");
  return seconds < 5400 ? unit(seconds / 60, "minute") : unit(seconds / 3600, "hour", 1);
}

export function languageName(code) {
  try {
    return intl(Intl.DisplayNames, { type: "language", fallback: "code" }).of(code);
  } catch { // not a code
    return code;
  }
}

export function languages(codes) {
  if (!codes?.length) return "";
  if (codes.includes("*")) return t("common.many_languages");
  const named = codes.slice(0, 3).map(languageName).join(", ");
  return codes.length > 3 ? t("common.and_more", { names: named, n: codes.length - 3 }) : named;
}

/** A moment (Unix seconds) as day and time; without the year where it is this one. */
export function moment(seconds) {
  const when = new Date(seconds * 1000);
  const year = when.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return intl(Intl.DateTimeFormat, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...year }).format(when);
}

/** How long ago a moment (Unix seconds) was: 5 minutes ago, yesterday. */
export function ago(seconds) {
  const past = seconds - Date.now() / 1000;
  const steps = [[60, 1, "second"], [3600, 60, "minute"], [86_400, 3600, "hour"], [Infinity, 86_400, "day"]];
  const [, size, name] = steps.find(([limit]) => Math.abs(past) < limit);
  return intl(Intl.RelativeTimeFormat, { numeric: "auto" }).format(Math.round(past / size), name);
}
