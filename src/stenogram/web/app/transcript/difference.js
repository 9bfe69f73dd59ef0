// What differs between the segments that the server has and those of this page, and how to bring one upon the other.

import { joinTexts } from "./words.js";

/**
 * The passages that differ: `[{old: segments, now: segments, after: segment | null}]`, each as small as can be. Segments
 * are values: one that is the same object did not change. A segment that is only here belongs to the one before it.
 */
export function difference(old, now) {
  const oldIds = new Set(old.map(({ id }) => id));
  const nowIds = new Set(now.map(({ id }) => id));
  const found = [];
  let group = { old: [], now: [], after: null };
  let [left, right] = [0, 0];

  function close() {
    const [before] = group.old;
    const kept = before !== undefined && before === group.now[0] && group.old.length === 1;
    if (kept && group.now.length > 1) found.push({ old: [], now: group.now.slice(1), after: before });
    else if (!kept && group.old.length + group.now.length > 0) found.push(group);
  }

  while (left < old.length || right < now.length) {
    if (left < old.length && !nowIds.has(old[left].id)) group.old.push(old[left++]);
    else if (right < now.length && !oldIds.has(now[right].id)) group.now.push(now[right++]);
    else {
      close();
      group = { old: [old[left++]], now: [now[right++]], after: null };
    }
  }
  close();
  return found;
}

/** Whether two segments say the same. */
export function same(left, right) {
  return left.text === right.text && left.speaker === right.speaker;
}

/** Whether two segments are the same down to the times of their words. */
export function identical(left, right) {
  return (
    same(left, right) &&
    left.start === right.start &&
    left.end === right.end &&
    left.words.length === right.words.length &&
    left.words.every((word, index) => word.every((part, at) => part === right.words[index][at]))
  );
}

/**
 * Passages of this page brought upon segments that changed elsewhere: `{segments, clean, stuck}`. Clean are those whose
 * segments nobody touched; stuck ones (`[{mine, theirs}]`) are put in where `choose(number)` says so.
 */
export function rebase(groups, theirs, choose = () => false) {
  const index = new Map(theirs.map(({ id }, at) => [id, at]));
  const places = groups.map((group) => place(group, theirs, index)).filter((found) => !found.done);
  const stuck = places.filter((found) => !found.clean);
  const segments = [...theirs];
  const apply = places.filter((found) => found.clean || choose(stuck.indexOf(found)));
  for (const { at, count, group } of apply.sort((a, b) => b.at - a.at || b.count - a.count)) segments.splice(at, count, ...group.now);
  return {
    segments,
    clean: places.length - stuck.length,
    stuck: stuck.map(({ at, count, group }) => ({ mine: group.now, theirs: theirs.slice(at, at + count) })),
  };
}

/** Where a passage belongs among the segments of others. */
function place(group, theirs, index) {
  const { old, after } = group;
  if (old.length === 0) {
    const at = after === null ? 0 : index.has(after.id) ? index.get(after.id) + 1 : null;
    if (at !== null) return { group, at, count: 0, clean: true };
  }
  const first = old.length ? index.get(old[0].id) : undefined;
  const whole = first !== undefined && old.every((segment, step) => theirs[first + step]?.id === segment.id);
  if (whole && old.every((segment, step) => same(segment, theirs[first + step]))) return { group, at: first, count: old.length, clean: true };
  const [at, count] = whole ? [first, old.length] : overlap(group, theirs);
  const region = theirs.slice(at, at + count);
  return { group, at, count, clean: false, done: tells(region) === tells(group.now) };
}

/** The segments of others in the time of a passage. */
function overlap({ old, now }, theirs) {
  const own = old.length ? old : now;
  const [start, end] = [own[0].start, own.at(-1).end];
  const at = theirs.findIndex((segment) => segment.end > start);
  if (at < 0) return [theirs.length, 0];
  let count = 0;
  while (at + count < theirs.length && theirs[at + count].start < end) count += 1;
  return [at, count];
}

function tells(segments) {
  return JSON.stringify([segments.map(({ text }) => text).reduce(joinTexts, ""), segments.map(({ speaker }) => speaker)]);
}
