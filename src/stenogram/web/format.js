// Numbers, times and names for people.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const languageNames = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

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

/** A time span in words: 12 s, 5 min, 2 h. */
export function span(seconds) {
  if (seconds < 90) return `${whole.format(seconds)} s`;
  return seconds < 5400 ? `${whole.format(seconds / 60)} min` : `${short.format(seconds / 3600)} h`;
}

export function languageName(code) {
  try {
    return languageNames.of(code);
  } catch { // not a code
    return code;
  }
}

export function languages(codes) {
  if (!codes?.length) return "";
  if (codes.includes("*")) return "many languages";
  const named = codes.slice(0, 3).map(languageName).join(", ");
  return codes.length > 3 ? `${named} and ${codes.length - 3} more` : named;
}
