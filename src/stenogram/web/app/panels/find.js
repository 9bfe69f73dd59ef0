// Find and replace over the whole transcript; what is replaced is one step, which undo takes back.

import { el, show, text } from "../../dom.js";
import { clock } from "../../format.js";
import { t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { toast } from "../../ui/toast.js";

const MOST_SHOWN = 200;
const AROUND = 32;
const PAUSE_MS = 150;

export const find = { id: "find", label: "panels.find.title", glyph: "search", mount };

function mount(root, { document: transcript, player, context }) {
  const wanted = field("find-what", t("panels.find.what"), "search");
  const instead = field("find-instead", t("panels.find.instead"), "text");
  const matchCase = check("find-case", t("panels.find.case"));
  const whole = check("find-whole", t("panels.find.whole"));
  const tally = el("p", { class: "tally", role: "status" });
  const previous = button({ label: t("panels.find.previous"), glyph: "back", only: true, onClick: () => step(-1) });
  const next = button({ label: t("panels.find.next"), glyph: "chevron", only: true, onClick: () => step(1) });
  const one = button({ label: t("panels.find.replace"), onClick: replaceOne });
  const all = button({ label: t("panels.find.replace_all"), glyph: "replace", onClick: replaceAll });
  const list = el("ol", { class: "hits" });
  let hits = [];
  let at = -1;
  let timer = 0;
  let frame = 0;

  root.append(
    wanted.node,
    el("div", { class: "checks" }, matchCase.node, whole.node),
    el("div", { class: "panel-actions" }, tally, previous, next),
    instead.node,
    el("div", { class: "panel-actions" }, one, all),
    list,
  );
  for (const input of [wanted.input, matchCase.input, whole.input]) input.addEventListener("input", later);
  wanted.input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    clearTimeout(timer);
    if (!hits.length) search();
    step(event.shiftKey ? -1 : 1);
  });
  transcript.addEventListener("change", later);
  addEventListener("scroll", painted, { passive: true });
  search();

  function later() {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE_MS);
  }

  function search() {
    const expression = expressionOf(wanted.input.value, { matchCase: matchCase.input.checked, whole: whole.input.checked });
    const before = hits[at];
    hits = expression ? occurrences(transcript.segments, expression) : [];
    at = before ? hits.findIndex((hit) => hit.segment === before.segment && hit.begin >= before.begin) : -1;
    draw();
  }

  function draw() {
    const told = hits.length > MOST_SHOWN ? t("panels.find.first", { n: hits.length, shown: MOST_SHOWN }) : t("panels.find.hits", { n: hits.length });
    text(tally, wanted.input.value ? told : "");
    for (const each of [previous, next, one, all]) each.disabled = hits.length === 0;
    list.replaceChildren(...hits.slice(0, MOST_SHOWN).map(row));
    show(list, hits.length > 0);
    painted();
  }

  /** Mark the hits in what is seen of the text, once a frame at most. */
  function painted() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      const { rows } = context.lines;
      const seen = hits.map((hit, index) => ({ row: rows.get(hit.segment), from: hit.begin, to: hit.end, now: index === at }));
      context.marks.find(seen.filter(({ row }) => row));
    });
  }

  function row(hit, index) {
    const { words, begin, end } = hit;
    const link = el(
      "button",
      { type: "button", class: "quiet hit", ...(index === at && { "aria-current": "true" }) },
      el("time", {}, clock(hit.start)),
      el("span", {}, `${begin > AROUND ? "…" : ""}${words.slice(Math.max(0, begin - AROUND), begin)}`, el("mark", {}, words.slice(begin, end)), words.slice(end, end + AROUND)),
    );
    link.addEventListener("click", () => go(index));
    return el("li", {}, link);
  }

  function step(by) {
    if (hits.length) go((at + by + hits.length) % hits.length);
  }

  function go(index) {
    at = index;
    for (const [place, item] of [...list.children].entries()) {
      const link = item.firstElementChild;
      if (place === at) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    list.children[at]?.scrollIntoView({ block: "nearest" });
    const { segment, begin, end, start } = hits[at];
    context.goTo({ id: segment, offset: begin, end }, { write: false });
    player?.seek(start);
    painted();
    context.announce(t("panels.find.at", { n: at + 1, all: hits.length }));
  }

  function replaceOne() {
    if (at < 0) return step(1);
    put([hits[at]]);
  }

  function replaceAll() {
    const done = hits.length;
    put(hits);
    toast(t("panels.find.replaced", { n: done }), { action: { label: t("common.undo"), run: () => transcript.undo() } });
  }

  function put(places) {
    const bySegment = grouped(places);
    transcript.together(() => {
      for (const [id, found] of bySegment) replaceIn(transcript.find(id), found);
    });
    search();
  }

  function replaceIn(segment, found) {
    let words = "";
    let from = 0;
    for (const { begin, end } of found) {
      words += segment.text.slice(from, begin) + instead.input.value;
      from = end;
    }
    words = (words + segment.text.slice(from)).replaceAll(/\s+/g, " ").trim();
    transcript.replace([segment.id], words ? [{ text: words, speaker: segment.speaker }] : []);
  }

  return {
    unmount() {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      removeEventListener("scroll", painted);
      transcript.removeEventListener("change", later);
      context.marks.find([]);
    },
  };
}

function grouped(places) {
  const found = new Map();
  for (const place of places) found.set(place.segment, [...(found.get(place.segment) ?? []), place]);
  return found;
}

/** What to look for; letters with and without marks are told apart, е and ё are not. */
function expressionOf(wanted, { matchCase, whole }) {
  if (!wanted) return null;
  const pattern = wanted.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/[её]/gi, "[её]").replaceAll(/\s+/g, "\\s+");
  const bounded = whole ? `(?<![\\p{L}\\p{N}_])${pattern}(?![\\p{L}\\p{N}_])` : pattern;
  return new RegExp(bounded, matchCase ? "gu" : "giu");
}

function occurrences(segments, expression) {
  const found = [];
  for (const { id, text: words, words: timed, start } of segments) {
    for (const match of words.matchAll(expression)) {
      found.push({ segment: id, words, begin: match.index, end: match.index + match[0].length, start: timeOf(words, timed, match.index) ?? start });
    }
  }
  return found;
}

/** When the word at a place of the text begins. */
function timeOf(words, timed, place) {
  let from = 0;
  for (const [word, start] of timed) {
    const begin = words.indexOf(word, from);
    if (begin < 0) continue;
    from = begin + word.length;
    if (place < from) return start;
  }
  return null;
}

function field(id, label, type) {
  const input = el("input", { id, type, autocomplete: "off", spellcheck: "false", ...(type === "search" && { autofocus: "" }) });
  return { input, node: el("p", { class: "field" }, el("label", { for: id }, label), input) };
}

function check(id, label) {
  const input = el("input", { id, type: "checkbox" });
  return { input, node: el("p", { class: "check" }, input, el("label", { for: id }, label)) };
}
