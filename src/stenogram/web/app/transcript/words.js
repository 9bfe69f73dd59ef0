// The words of a segment and their place in its text. A word is `[word, start, end, probability | null, interpolated]`.

const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f]/; // no spaces between words
const TOKEN = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f]|[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f]+/g;
const LETTER = /[\p{L}\p{N}]/u;

const places = new WeakMap();

/** Where each word stands in the segment's text: `[[from, to], ...]`; null where its words are not those of its text. */
export function placed(segment) {
  if (!places.has(segment)) places.set(segment, find(segment));
  return places.get(segment);
}

function find({ text, words }) {
  const spans = [];
  let now = 0;
  for (const [word] of words) {
    const written = word.trim();
    const from = written ? text.indexOf(written, now) : -1;
    if (from < 0 || LETTER.test(text.slice(now, from))) return null;
    now = from + written.length;
    spans.push([from, now]);
  }
  return spans.length === 0 || LETTER.test(text.slice(now)) ? null : spans;
}

/** Number of the last item whose `low(item)` is not above `value`; -1: there is none. Items are in order. */
export function last(items, value, low) {
  let [from, to] = [0, items.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (low(items[middle]) <= value) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

/** Number of the word at an offset of the text, the next one where there is none there; -1 without words. */
export function wordAt(segment, offset) {
  const spans = placed(segment);
  if (!spans) return -1;
  const index = Math.max(0, last(spans, offset, (span) => span[0]));
  return offset >= spans[index][1] && index + 1 < spans.length ? index + 1 : index;
}

/** An offset inside a word moved to where the word starts or ends. */
export function wordEdge(segment, offset, side) {
  const span = placed(segment)?.find(([from, to]) => from < offset && offset < to);
  return span ? span[side === "start" ? 0 : 1] : offset;
}

/** The moment at which the word at an offset of the text begins. */
export function timeAt(segment, offset) {
  const index = wordAt(segment, offset);
  if (index >= 0) return segment.words[index][1];
  return segment.start + ((segment.end - segment.start) * offset) / Math.max(1, segment.text.length);
}

/** Text as it is kept: one line, single spaces, none at the ends. */
export function tidy(text) {
  return text.replace(/\s+/g, " ").trim();
}

/** Two texts as one. */
export function joinTexts(left, right) {
  if (!left || !right) return left || right;
  return UNSPACED.test(left.at(-1)) && UNSPACED.test(right[0]) ? left + right : `${left} ${right}`;
}

/** Several segments as one; it has the first one's id and speaker. */
export function joined(segments) {
  const [first, ...rest] = segments;
  return rest.reduce(
    (whole, next) => ({
      ...whole,
      end: Math.max(whole.end, next.end),
      text: joinTexts(whole.text, next.text),
      words: [...whole.words, ...next.words],
      suspect: whole.suspect || next.suspect,
      fitted: whole.fitted && next.fitted,
    }),
    first,
  );
}

/**
 * A segment with another text, its words fitted as well as can be told here until the server has done it: words at both
 * ends that nothing changed keep their times, those between share what is left.
 */
export function refit(segment, text) {
  if (text === segment.text) return segment;
  const next = { ...segment, text, fitted: false, words: [] };
  const spans = placed(segment);
  if (!spans) return next;
  const { words, text: old } = segment;
  const [same, tail] = alike(old, text);
  let head = 0;
  while (head < spans.length && spans[head][1] <= same && boundary(text, spans[head][1])) head += 1;
  let foot = spans.length;
  const shift = text.length - old.length;
  while (foot > head && spans[foot - 1][0] >= old.length - tail && boundary(text, spans[foot - 1][0] + shift - 1)) foot -= 1;
  const from = head ? spans[head - 1][1] : 0;
  const to = foot < spans.length ? spans[foot][0] + shift : text.length;
  const start = head ? words[head - 1][2] : segment.start;
  const end = foot < words.length ? words[foot][1] : segment.end;
  next.words = [...words.slice(0, head), ...spread(text.slice(from, Math.max(from, to)), words.slice(head, foot), start, end), ...words.slice(foot)];
  return next;
}

/** How many characters two texts begin and end with alike. */
function alike(left, right) {
  const least = Math.min(left.length, right.length);
  let [head, tail] = [0, 0];
  while (head < least && left[head] === right[head]) head += 1;
  while (tail < least - head && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail += 1;
  return [head, tail];
}

function boundary(text, at) {
  return at < 0 || at >= text.length || !LETTER.test(text[at]) || UNSPACED.test(text[at]);
}

/** The words of a text that stand for `old` ones: one for one where they are as many, else by their lengths. */
function spread(text, old, start, end) {
  const written = text.match(TOKEN) ?? [];
  if (written.length === old.length) return written.map((word, index) => [word, old[index][1], old[index][2], old[index][3], 1]);
  const first = old.length ? old[0][1] : start;
  const whole = (old.length ? old.at(-1)[2] : end) - first;
  const length = written.reduce((sum, word) => sum + word.length, 0);
  let passed = 0;
  return written.map((word) => {
    const from = first + (whole * passed) / length;
    passed += word.length;
    return [word, from, first + (whole * passed) / length, null, 1];
  });
}

/** A segment cut in two at an offset of its text; null where one of them would be empty. The first keeps the id. */
export function cut(segment, offset) {
  const [left, right] = [segment.text.slice(0, offset).trimEnd(), segment.text.slice(offset).trimStart()];
  if (!left || !right) return null;
  const spans = placed(segment);
  if (!spans) {
    const at = segment.start + ((segment.end - segment.start) * offset) / segment.text.length;
    const part = { ...segment, words: [], fitted: false };
    return [{ ...part, text: left, end: at }, { ...part, id: undefined, text: right, start: at }];
  }
  const before = [];
  const after = [];
  let inside = false;
  for (const [index, word] of segment.words.entries()) {
    const [from, to] = spans[index];
    if (to <= offset) before.push(word);
    else if (from >= offset) after.push(word);
    else {
      const at = word[1] + ((word[2] - word[1]) * (offset - from)) / (to - from);
      before.push([segment.text.slice(from, offset), word[1], at, word[3], 1]);
      after.push([segment.text.slice(offset, to), at, word[2], word[3], 1]);
      inside = true;
    }
  }
  const fitted = segment.fitted && !inside;
  const end = Math.max(segment.start, before.at(-1)?.[2] ?? segment.start);
  const start = after[0]?.[1] ?? end;
  return [
    { ...segment, text: left, words: before, end, fitted },
    { ...segment, id: undefined, text: right, words: after, start, end: Math.max(start, segment.end), fitted },
  ];
}

/** Segments with other texts in the place of these, which have all their time and words. */
export function fitTexts(segments, texts) {
  if (texts.length === 0) return [];
  let rest = joined(segments);
  const whole = texts.map(tidy);
  rest = refit(rest, whole.reduce(joinTexts, ""));
  const made = [];
  for (const text of whole.slice(0, -1)) {
    const [head, tail] = cut(rest, text.length) ?? [{ ...rest, text, words: [] }, { ...rest, id: undefined }];
    made.push(head);
    rest = tail;
  }
  return [...made, rest];
}
