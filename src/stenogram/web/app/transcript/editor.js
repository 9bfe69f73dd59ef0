// The transcript under work: the text with its tools, its player and its panels, put together.

import { el, show } from "../../dom.js";
import { t } from "../../i18n.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { toast } from "../../ui/toast.js";
import { colours } from "./colours.js";
import { decide } from "./conflict.js";
import { controls } from "./controls.js";
import { Editing, momentAt } from "./editing.js";
import { Follow } from "./follow.js";
import { head, nameOf, saveState } from "./head.js";
import { bind, help, hint } from "./keys.js";
import { Lines } from "./lines.js";
import { Marks } from "./marks.js";
import { Player } from "./player.js";
import { rowMenus } from "./row_menus.js";
import { Row } from "./row.js";
import { side } from "./side.js";
import { gapsOf, nextDoubt, turnsOf } from "./timeline.js";

const LINE_PX = 29; // of the text, for rows that were not measured yet
const CHAR_PX = 8.6;
const NARROW_PX = 640;
const SHADING = "transcript_shading";

/** Draw a document into `root`. `context`: that of the view. */
export function editor(root, document_, context) {
  const { facts, readOnly } = document_;
  const marks = new Marks();
  marks.shading = session.settings()[SHADING] !== false;
  const colour = colours(document_);
  const look = { language: facts.language, count: () => document_.segments.length, colour, marks, readOnly };
  const player = facts.has_media ? new Player(`/api/v1/jobs/${encodeURIComponent(document_.jobId)}/media`, { duration: facts.duration, gaps: () => gapsOf(document_) }) : null;
  let current = null; // the segment that the keyboard comes to
  let follow = null;
  let menus = null;
  const lines = new Lines({
    segments: () => document_.segments,
    indexOf: (id) => document_.indexOf(id),
    estimate,
    make(segment) {
      const row = new Row(segment, look);
      menus.attach(row);
      return row;
    },
    shown(rows) {
      marks.sweep(rows);
      reach(rows);
      queueMicrotask(() => follow?.redraw());
    },
  });
  lines.node.setAttribute("aria-label", t("transcript.text"));
  const editing = new Editing(document_, lines, {
    hear: (segment, offset) => player && hear(momentAt(segment, offset)),
    entered(id) {
      current = id;
      reach(lines.rows);
    },
    typed: () => follow?.stop(),
    left: () => context.main.focus({ preventScroll: true }),
  });
  follow = player && new Follow(document_, player, lines, marks);
  menus = rowMenus(document_, { editing, lines, hear, speakers: colour, link: linkTo, announce: context.announce });

  const title = head(facts, { rename: readOnly ? null : (name) => document_.rename(name) });
  const tools = toolbar();
  const body = el("div", { class: "transcript-body" });
  const given = { document: document_, player, context: { ...context, lines, marks, editing, follow, colour, goTo, hear } };
  const panels = side(body, given);
  const foot = player && controls(player, { jobId: document_.jobId, turns: () => turnsOf(document_, colour), hint, title: nameOf(facts) });
  const pill = button({ label: t("transcript.follow"), glyph: "play", onClick: () => follow.resume() });
  pill.classList.add("follow-pill");
  show(pill, false);
  const key = legend();
  const column = el("div", { class: "transcript-column" }, ...notices(facts, player), key.node, document_.segments.length ? lines.node : nothing());
  body.append(column, panels.node);
  root.replaceChildren(title.node, tools.node, body, ...(foot ? [foot.node] : []));
  foot?.node.append(pill);
  tools.end.append(panels.buttons);

  const commands = {
    ...(player && {
      play: () => player.toggle(),
      back: () => player.back(),
      forward: () => player.forward(),
      slower: () => player.faster(-1),
      faster: () => player.faster(1),
      skip_silence: () => foot.toggleSkip(),
      follow: () => follow.resume(),
    }),
    previous: () => step(-1),
    next: () => step(1),
    doubt_next: () => doubt(1),
    doubt_previous: () => doubt(-1),
    find: () => panels.open("find"),
    shading: () => shade(!marks.shading),
    help,
    ...(!readOnly && {
      edit: () => editing.enter(here()),
      speaker: () => menus.pick(here()),
      undo: () => document_.undo(),
      redo: () => document_.redo(),
      save: () => void document_.flush(),
    }),
  };
  const unbind = bind(commands);
  const over = new AbortController();
  const on = (target, kind, run) => target?.addEventListener(kind, run, { signal: over.signal });
  on(document_, "change", ({ detail }) => changed(detail));
  on(document_, "facts", () => {
    title.update(document_.facts);
    tools.update();
    foot?.redraw();
  });
  on(document_, "conflict", () => decide(document_));
  on(document_, "others", () => toast(t("transcript.save.others")));
  on(document_, "recovered", () => toast(t("transcript.save.recovered")));
  on(player, "sought", () => remember());
  on(player, "state", () => {
    show(pill, player.playing && !follow.following);
    if (!player.playing) remember();
  });
  on(follow, "change", () => show(pill, player.playing && !follow.following));
  lines.draw();
  openAt();
  panels.restore();

  // --- what it is made of ------------------------------------------------------------------------------------------

  function toolbar() {
    const undo = button({ label: label("undo"), glyph: "undo", kind: "quiet", only: true, onClick: () => document_.undo() });
    const redo = button({ label: label("redo"), glyph: "redo", kind: "quiet", only: true, onClick: () => document_.redo() });
    const write = button({ label: t("transcript.tools.write"), glyph: "edit", kind: "quiet", only: true, onClick: () => setWrite(!editing.writes) });
    const keys = button({ label: t("transcript.tools.keys"), glyph: "keyboard", kind: "quiet", only: true, onClick: help });
    keys.classList.add("for-keyboard");
    const end = el("div", { class: "tools-end" });
    const own = readOnly ? [] : [undo, redo, ...(matchMedia("(any-pointer: coarse)").matches ? [write] : [])];
    const state = readOnly ? [] : [saveState(document_, { decide: () => decide(document_), announce: context.announce })];
    const node = el("div", { class: "tools", role: "toolbar", "aria-label": t("transcript.tools.name") }, ...own, keys, ...state, end);
    const setWrite = (on_) => {
      editing.writes = on_;
      write.setAttribute("aria-pressed", String(on_));
      if (!on_) editing.leave();
    };
    const update = () => {
      undo.disabled = !document_.canUndo;
      redo.disabled = !document_.canRedo;
    };
    setWrite(editing.writes);
    update();
    return { node, end, update };
  }

  function label(name) {
    return t("transcript.player.with_key", { label: t(`transcript.tools.${name}`), key: hint(name) });
  }

  /** What the marks in the text mean, with their switch; nothing where the engine told no probabilities. */
  function legend() {
    const doubt = el("span", { class: "sample doubt" }, t("transcript.legend.doubt"));
    const fitted = el("span", { class: "sample fitted" }, t("transcript.legend.fitted"));
    const box = el("input", { type: "checkbox" });
    box.checked = marks.shading;
    box.addEventListener("change", () => shade(box.checked));
    const node = el("p", { class: "legend hint" }, el("label", { class: "check" }, box, el("span", {}, t("transcript.legend.show"))), doubt, fitted);
    show(doubt, document_.segments.some(({ words }) => words.some((word) => word[3] !== null)));
    show(node, document_.segments.length > 0);
    return { node, box };
  }

  function shade(yes) {
    marks.shading = yes;
    key.box.checked = yes;
    for (const row of lines.rows.values()) marks.mark(row);
    session.remember({ [SHADING]: yes ? null : false }).catch(() => {});
  }

  function nothing() {
    return el("div", { class: "empty" }, el("h2", {}, t("transcript.silent.title")), el("p", {}, t("transcript.silent.words")));
  }

  function estimate({ speaker, text: said }, before, width) {
    const room = Math.min(width, 700) - (width < NARROW_PX ? 48 : 104);
    const begins = speaker !== (before ? before.speaker : null);
    const count = Math.max(1, Math.ceil((said.length * CHAR_PX) / Math.max(120, room)));
    return count * LINE_PX + 8 + (begins ? (speaker === null ? 16 : 48) : 0);
  }

  // --- what happens ------------------------------------------------------------------------------------------------

  function changed(detail) {
    const { structure, source, at } = detail;
    lines.refresh(detail);
    editing.changed(detail);
    tools.update();
    if (structure) foot?.redraw();
    if ((source === "undo" || source === "redo") && at !== null) lines.scrollTo(at, { block: "nearest" });
    follow?.redraw();
  }

  function reach(rows) {
    const known = current !== null && rows.has(current);
    const first = known ? current : rows.keys().next().value;
    for (const [id, row] of rows) row.reachable = id === first;
  }

  function hear(time) {
    if (!player) return;
    follow.following = true;
    player.seek(time, { play: true });
  }

  /** The segment that commands are about: the one that is written in, else the one that plays, else the first in sight. */
  function here() {
    return editing.id ?? document_.segments[follow?.segment ?? -1]?.id ?? lines.anchor()?.id ?? null;
  }

  function step(way) {
    const index = document_.indexOf(here());
    const next = document_.segments[index + way];
    if (!next) return;
    if (editing.id !== null) editing.enter(next.id, 0);
    else lines.scrollTo(next.id, { block: "nearest" });
    player?.seek(next.start);
  }

  function doubt(way) {
    const from = editing.caret ?? { id: here(), offset: way > 0 ? -1 : Infinity };
    const found = nextDoubt(document_, from, way);
    if (!found) return context.announce(t("transcript.no_doubt"));
    goTo(found);
    player?.seek(momentAt(document_.find(found.id), found.offset));
  }

  /** Show a place in the text, and put the caret there; `{id, offset, end}` selects up to `end`. */
  function goTo({ id, offset = 0, end = offset }, { write = true } = {}) {
    lines.scrollTo(id, { block: "nearest" });
    if (!write || readOnly) return;
    editing.enter(id, offset);
    const node = lines.row(id)?.words.firstChild;
    if (node && end > offset) getSelection().setBaseAndExtent(node, offset, node, Math.min(end, node.length));
  }

  // --- the moment in the address -----------------------------------------------------------------------------------

  function linkTo(time) {
    return `${location.origin}${location.pathname}#t=${time.toFixed(1)}`;
  }

  function remember() {
    const hash = player.time > 0.05 ? `#t=${player.time.toFixed(1)}` : "";
    if (hash !== location.hash) history.replaceState(history.state, "", location.pathname + location.search + hash);
  }

  function openAt() {
    const time = Number(new URLSearchParams(location.hash.slice(1)).get("t") ?? NaN);
    if (!Number.isFinite(time) || time < 0) return;
    player?.seek(time);
    const index = document_.segments.findLastIndex(({ start }) => start <= time + 1e-3);
    const segment = document_.segments[Math.max(0, index)];
    if (segment) lines.scrollTo(segment.id, { block: "nearest" });
  }

  return {
    document: document_,
    unmount() {
      unbind();
      over.abort();
      panels.unmount();
      editing.unmount();
      follow?.unmount();
      foot?.unmount();
      player?.close();
      lines.unmount();
      marks.unmount();
      document_.close();
    },
  };
}

/** What the reader has to know before the text. */
function notices(facts, player) {
  const told = [];
  if (!player) told.push(t("transcript.no_media"));
  told.push(...facts.warnings);
  return told.map((words) => el("p", { class: "card notice" }, words));
}
