// A clean text as differences from the transcript, passage by passage; each can be taken or left.

import { el, text } from "../../dom.js";
import { clock } from "../../format.js";
import { t } from "../../i18n.js";
import { button } from "../../ui/button.js";

const PAGE = 60;

/**
 * `told` is what `GET .../enhancement` gave. Changes count their places in code points of a text that may have been
 * edited since: those that fit no more are left out, and counted as stale.
 */
export function differences({ told, transcript, context, choose }) {
  const accepted = new Map(told.changes.map((change) => [change.id, change.accepted]));
  const passages = passagesOf(told, transcript);
  const fitting = passages.flatMap(({ changes }) => changes);
  const list = el("ol", { class: "differences" });
  const more = button({ label: t("panels.more"), onClick: () => add() });
  const node = el("div", { class: "differences-box" }, list, more);
  const view = { node, onChange: null, numbers, accepted: edits };
  let shown = 0;
  add();

  function add() {
    for (const passage of passages.slice(shown, shown + PAGE)) list.append(row(passage));
    shown = Math.min(shown + PAGE, passages.length);
    more.hidden = shown === passages.length;
  }

  function row({ segment, changes, points, kept }) {
    const time = el("button", { type: "button", class: "quiet time", "aria-label": t("panels.play_from", { time: clock(segment.start) }) }, clock(segment.start));
    time.addEventListener("click", () => context.hear(segment.start));
    const words = el("p", { class: "difference" });
    let at = 0;
    for (const change of changes) {
      words.append(points.slice(at, change.at).join(""), toggle(change));
      at = change.at + [...change.before].length;
    }
    words.append(points.slice(at).join(""));
    const item = el("li", {}, time, words);
    if (kept) item.append(el("p", { class: "hint kept" }, t(`panels.cleanup.doubts.${kept.reason}`), ...(kept.edit ? [el("q", {}, kept.edit)] : [])));
    return item;
  }

  function toggle(change) {
    const before = el("del", {}, change.before);
    const after = el("ins", {}, change.after);
    const node = el("button", { type: "button", class: "change", role: "switch" }, before, after);
    draw();
    node.addEventListener("click", async () => {
      const take = !accepted.get(change.id);
      accepted.set(change.id, take);
      draw();
      try {
        await choose(take ? { accept: [change.id] } : { revert: [change.id] });
      } catch {
        accepted.set(change.id, !take);
        draw();
      }
    });
    return node;

    function draw() {
      const take = accepted.get(change.id);
      node.setAttribute("aria-checked", String(take));
      const facts = { before: change.before.trim() || "–", after: change.after.trim() || "–" };
      node.setAttribute("aria-label", t(take ? "panels.cleanup.taken" : "panels.cleanup.left", facts));
      node.title = t(take ? "panels.cleanup.leave_it" : "panels.cleanup.take_it");
      view.onChange?.();
    }
  }

  function numbers() {
    return {
      fitting: fitting.length,
      accepted: fitting.filter(({ id }) => accepted.get(id)).length,
      stale: told.changes.length - fitting.length,
    };
  }

  /** The segments with their accepted changes, as texts. */
  function edits() {
    return passages
      .map(({ segment, changes, points }) => {
        const taken = changes.filter(({ id }) => accepted.get(id));
        return taken.length ? { segment, words: changed(points, taken) } : null;
      })
      .filter(Boolean);
  }

  return view;
}

/** Segments that have fitting changes, or an edit that was not let through; in the order of the transcript. */
function passagesOf(told, transcript) {
  const bySegment = new Map();
  for (const change of told.changes) {
    if (!bySegment.has(change.segment)) bySegment.set(change.segment, []);
    bySegment.get(change.segment).push(change);
  }
  const kept = new Map(told.kept.map((each) => [each.segment, each]));
  const found = [];
  for (const segment of transcript.segments) {
    const points = [...segment.text];
    const changes = (bySegment.get(transcript.serverId(segment.id)) ?? []).filter((change) => fits(points, change));
    const refused = kept.get(transcript.serverId(segment.id));
    if (changes.length || refused) found.push({ segment, changes, points, kept: refused });
  }
  return found;
}

function fits(points, { at, before }) {
  const old = [...before];
  return at <= points.length && old.every((point, index) => points[at + index] === point);
}

function changed(points, changes) {
  let at = 0;
  let words = "";
  for (const change of changes) {
    words += points.slice(at, change.at).join("") + change.after;
    at = change.at + [...change.before].length;
  }
  return (words + points.slice(at).join("")).trim();
}
