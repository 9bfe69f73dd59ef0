// A transcript by a link: to read and, where its owner allows that, to hear; for whoever has the link.

import * as api from "../../api.js";
import { el } from "../../dom.js";
import { clock, languageName, moment, span } from "../../format.js";
import { t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";
import { menu } from "../../ui/menu.js";

const FORMATS = ["txt", "docx", "srt", "vtt", "json", "tsv"];
const PAUSE_S = 2; // a new paragraph after so long a silence
const MOST_CHARS = 700; // of one paragraph
const RATES = [0.75, 1, 1.25, 1.5, 2];

export async function mount(root, { token }) {
  root.classList.add("reading");
  const base = `/api/v1/shared/${encodeURIComponent(token)}`;
  let told;
  try {
    told = await api.json(base, { quiet: true });
  } catch (error) {
    if (error.status !== 404) throw error;
    root.append(gone());
    return { title: t("shared.gone"), unmount() {} };
  }
  const title = told.title || t("shared.untitled");
  const facts = [told.duration && span(told.duration), told.language && languageName(told.language), names(told).length > 1 && t("shared.speakers", { n: names(told).length }), told.expires_at && t("shared.until", { when: moment(told.expires_at) })];
  const save = button({ label: t("shared.download"), glyph: "download" });
  menu(save, () => FORMATS.map((format) => ({ label: t(`shared.as_${format}`), glyph: "file", run: () => download(`${base}/export?format=${format}`) })));
  root.append(
    el("div", { class: "view-head" }, el("div", { class: "grow" }, el("p", { class: "overline" }, t("shared.overline")), el("h1", {}, title), el("p", { class: "hint" }, facts.filter(Boolean).join(" · "))), save),
  );
  if (!told.segments.length) {
    root.append(el("div", { class: "empty card" }, icon("file", 32), el("h2", {}, t("shared.silent")), el("p", {}, t("shared.silent_words"))));
    return { title, unmount() {} };
  }
  const player = told.has_media ? makePlayer(`${base}/media`, told.duration) : null;
  const text = reader(told, player);
  root.append(text.node);
  if (player) root.append(player.node);
  const opened = Number(location.hash.match(/^#t=([\d.]+)$/)?.[1]);
  if (opened) text.open(opened);
  return {
    title,
    unmount() {
      player?.stop();
      text.stop();
    },
  };
}

function names(told) {
  return [...new Set(told.segments.map((segment) => segment.speaker).filter(Boolean))];
}

function gone() {
  return el("div", { class: "empty", role: "alert" }, icon("link", 32), el("h1", {}, t("shared.gone")), el("p", {}, t("shared.gone_words")));
}

function download(href) {
  const link = el("a", { href, download: "", hidden: "" });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Consecutive segments of one speaker, until a pause or a fair length. */
function paragraphs(segments) {
  const found = [];
  for (const segment of segments) {
    const last = found.at(-1);
    const goesOn = last && last.speaker === segment.speaker && segment.start - last.end < PAUSE_S && last.chars < MOST_CHARS;
    if (goesOn) {
      last.segments.push(segment);
      last.end = segment.end;
      last.chars += segment.text.length;
    } else {
      found.push({ speaker: segment.speaker, start: segment.start, end: segment.end, chars: segment.text.length, segments: [segment] });
    }
  }
  return found;
}

/** The text; words become parts of the page only where they are near the window, so that hours of speech stay quick. */
function reader(told, player) {
  const colours = new Map(names(told).map((name, index) => [name, String(index % 6)]));
  const parts = paragraphs(told.segments).map((part, index, all) => {
    const body = el("p", { class: "said-text" }, part.segments.map((segment) => segment.text.trim()).join(" "));
    const time = clock(part.start);
    const head = el("div", { class: "said-head" });
    if (part.speaker && (index === 0 || all[index - 1].speaker !== part.speaker)) head.append(el("strong", { class: "said-who", "data-colour": colours.get(part.speaker) }, part.speaker));
    if (player) {
      const play = el("button", { type: "button", class: "quiet said-time", "aria-label": t("shared.play_from", { time }) }, time);
      play.addEventListener("click", () => player.playAt(part.start));
      head.append(play);
    } else {
      head.append(el("span", { class: "said-time" }, time));
    }
    return { ...part, body, node: el("section", { class: "said" }, head, body), words: null };
  });
  const node = el("article", { class: "card transcript-text", "data-heard": String(Boolean(player)) }, ...parts.map((part) => part.node));
  if (told.language) node.lang = told.language;
  const byNode = new Map(parts.map((part) => [part.node, part]));
  let lit = null;

  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) spell(byNode.get(target));
  }, { rootMargin: "600px" });
  if (player) for (const part of parts) seen.observe(part.node);

  node.addEventListener("click", (event) => {
    const word = event.target.closest("[data-at]");
    if (word && player && getSelection().isCollapsed) player.playAt(Number(word.dataset.at));
  });
  player?.onTime((now, playing) => {
    const part = before(parts, now, (each) => each.start);
    if (!part) return;
    const word = before(spell(part), now, (each) => each.start);
    if (word?.node === lit) return;
    lit?.classList.remove("now");
    lit = word?.node ?? null;
    lit?.classList.add("now");
    if (lit && playing) follow(lit);
  });

  function open(now) {
    const part = before(parts, now, (each) => each.start);
    part?.node.scrollIntoView({ block: "center" });
    player?.show(now);
  }

  return { node, open, stop: () => seen.disconnect() };
}

/** The last of the ordered `items` that begins at or before a moment. */
function before(items, now, startOf) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (startOf(items[middle]) <= now + 0.01) low = middle + 1;
    else high = middle;
  }
  return items[low - 1] ?? null;
}

/** Give the words of a paragraph elements of their own; once. */
function spell(part) {
  if (part.words) return part.words;
  part.words = [];
  const made = [];
  for (const segment of part.segments) {
    if (made.length) made.push(" ");
    const text = segment.text.trim();
    let at = 0;
    for (const [word, start] of segment.words ?? []) {
      const bare = word.trim();
      const found = text.indexOf(bare, at);
      if (!bare || found < 0) continue;
      if (found > at) made.push(text.slice(at, found));
      const node = el("span", { "data-at": String(start) }, bare);
      made.push(node);
      part.words.push({ start, node });
      at = found + bare.length;
    }
    made.push(text.slice(at));
  }
  part.body.replaceChildren(...made);
  return part.words;
}

let scrolledByHand = 0;
for (const kind of ["wheel", "touchmove", "keydown"]) addEventListener(kind, () => (scrolledByHand = Date.now()), { passive: true });

/** Keep what is heard in sight, unless the reader looks elsewhere. */
function follow(node) {
  const { top, bottom } = node.getBoundingClientRect();
  if (Date.now() - scrolledByHand < 4000 || (top > 120 && bottom < innerHeight - 160)) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  node.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
}

/** The player at the foot of the page. */
function makePlayer(source, duration) {
  const audio = el("audio", { src: source, preload: "metadata" });
  const play = button({ label: t("shared.play"), glyph: "play", kind: "primary", only: true });
  const seek = el("input", { type: "range", min: "0", max: String(Math.max(duration, 0.1)), step: "0.1", value: "0", "aria-label": t("shared.position") });
  const now = el("span", { class: "player-time" }, clock(0));
  const rest = el("span", { class: "player-time" }, clock(duration));
  const back = button({ label: t("shared.back"), glyph: "rewind", kind: "quiet", only: true, onClick: () => (audio.currentTime -= 5) });
  const on = button({ label: t("shared.forward"), glyph: "forward", kind: "quiet", only: true, onClick: () => (audio.currentTime += 5) });
  const rate = el("select", { "aria-label": t("shared.speed") }, ...RATES.map((value) => el("option", { value, ...(value === 1 && { selected: "" }) }, `${value}×`)));
  const fault = el("p", { class: "fault", role: "status" });
  const listeners = [];
  let frame = 0;

  play.addEventListener("click", () => (audio.paused ? start() : audio.pause()));
  rate.addEventListener("change", () => (audio.playbackRate = Number(rate.value)));
  seek.addEventListener("input", () => show(Number(seek.value)));
  audio.addEventListener("error", () => (fault.textContent = t("shared.cannot_play")));
  for (const kind of ["play", "pause", "ended"]) audio.addEventListener(kind, state);
  audio.addEventListener("seeked", tell);

  function start() {
    audio.play().catch(() => (fault.textContent = t("shared.cannot_play")));
  }

  function state() {
    play.replaceChildren(icon(audio.paused ? "play" : "pause"));
    const label = t(audio.paused ? "shared.play" : "shared.pause");
    play.setAttribute("aria-label", label);
    play.title = label;
    cancelAnimationFrame(frame);
    if (!audio.paused) frame = requestAnimationFrame(tick);
  }

  function tick() {
    tell();
    frame = requestAnimationFrame(tick);
  }

  function tell() {
    const at = audio.currentTime;
    seek.value = String(at);
    seek.setAttribute("aria-valuetext", clock(at));
    if (now.textContent !== clock(at)) now.textContent = clock(at);
    for (const listen of listeners) listen(at, !audio.paused);
  }

  function show(at) {
    audio.currentTime = at;
    if (audio.readyState === 0) now.textContent = clock(at);
  }

  return {
    node: el("div", { class: "player", role: "group", "aria-label": t("shared.player") }, back, play, on, now, seek, rest, rate, fault, audio),
    show,
    playAt(at) {
      show(at);
      start();
    },
    onTime: (listen) => listeners.push(listen),
    stop() {
      cancelAnimationFrame(frame);
      audio.pause();
      audio.removeAttribute("src");
      audio.load();
    },
  };
}
