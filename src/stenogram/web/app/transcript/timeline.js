// What the times of a transcript tell: who speaks when, where nobody does, and which words are in doubt.

import { DOUBT } from "./marks.js";
import { placed } from "./words.js";

const NEAR_S = 1.5; // two segments of one speaker so near each other are one turn for the eye

/** Who speaks when, for the waveform: `[{start, end, colour}]`, in order. */
export function turnsOf(document_, colour) {
  const turns = [];
  for (const { speaker, start, end } of document_.segments) {
    if (speaker === null) continue;
    const name = colour.property(speaker);
    const before = turns.at(-1);
    if (before?.colour === name && start - before.end < NEAR_S) before.end = Math.max(before.end, end);
    else turns.push({ start, end, colour: name });
  }
  return turns;
}

let known = { segments: null, count: -1, gaps: [] };

/** Times in which no word is spoken: `[[start, end], ...]`, in order. */
export function gapsOf(document_) {
  const { segments, version, facts } = document_;
  if (known.segments === segments && known.count === segments.length && known.version === version) return known.gaps;
  const gaps = [];
  let now = 0;
  for (const { words, start, end } of segments) {
    for (const [, from, to] of words.length ? words : [["", start, end]]) {
      if (from > now) gaps.push([now, from]);
      now = Math.max(now, to);
    }
  }
  if (facts.duration > now) gaps.push([now, facts.duration]);
  known = { segments, count: segments.length, version, gaps };
  return gaps;
}

/** The next word in doubt behind a place (1), or the one before (-1): `{id, offset, end}`, or null. */
export function nextDoubt(document_, { id, offset }, way) {
  const { segments } = document_;
  for (let index = Math.max(0, document_.indexOf(id)); index >= 0 && index < segments.length; index += way) {
    const segment = segments[index];
    const spans = placed(segment) ?? [];
    const found = spans
      .map(([from, to], word) => ({ id: segment.id, offset: from, end: to, probability: segment.words[word][3], fitted: segment.words[word][4] }))
      .filter((word) => !word.fitted && word.probability !== null && word.probability < DOUBT)
      .filter((word) => segment.id !== id || (way > 0 ? word.offset > offset : word.end < offset));
    if (found.length) return found.at(way > 0 ? 0 : -1);
  }
  return null;
}
