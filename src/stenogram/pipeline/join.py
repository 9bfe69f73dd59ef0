"""Two chunks that share sound, one text: where a cut fell into speech, the next chunk repeats the last seconds.

The first text is damaged at its end and the second at its beginning, where a word was cut through. Between the two they
agree, so the words that both heard are aligned (same letters, nearly the same time) and the texts change over in the
middle of the longest agreement: nothing is said twice and nothing is lost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from stenogram.types import Segment, Word

TOLERANCE_S = 1.0
"""Times of one word in two texts may differ by this much; interpolated times are off by up to half of it each."""


def join(
    before: Sequence[Segment], after: Sequence[Segment], start: float, end: float
) -> tuple[list[Segment], list[Segment]]:
    """Give each word in the sound that two chunks share to one of them.

    ``before`` and ``after`` are the segments of the earlier and the later chunk, ``start`` to ``end`` the shared
    seconds. Returns the segments of both without what the other one keeps; ids stay as they are, segments left without
    words are gone, and no word of ``after`` begins before the last word of ``before`` ends. Where no word agrees, the
    texts change over at the middle of the shared sound.
    """
    first = [word for segment in before for word in _words(segment)]
    second = [word for segment in after for word in _words(segment)]
    keep, drop = _change_over(first, second, start, end)
    kept_before = _take(before, 0, keep)
    edge = first[keep - 1].end if keep else start
    return kept_before, [_begin_at(segment, edge) for segment in _take(after, drop, len(second))]


def _change_over(first: Sequence[Word], second: Sequence[Word], start: float, end: float) -> tuple[int, int]:
    """How many words of ``first`` to keep, and how many of ``second`` to drop."""
    middle = (start + end) / 2
    skipped = sum(word.end <= start - TOLERANCE_S for word in first)
    heard = sum(word.start < end + TOLERANCE_S for word in second)
    pairs = _align(first[skipped:], second[:heard])
    if not pairs:
        return sum(_middle(word) < middle for word in first), sum(_middle(word) < middle for word in second)
    runs = [[pairs[0]]]
    for pair in pairs[1:]:
        if pair == (runs[-1][-1][0] + 1, runs[-1][-1][1] + 1):
            runs[-1].append(pair)
        else:
            runs.append([pair])
    run = max(runs, key=lambda run: (len(run), -abs(_middle(first[skipped + run[len(run) // 2][0]]) - middle)))
    i, j = run[len(run) // 2]
    return skipped + i + 1, j + 1


def _align(first: Sequence[Word], second: Sequence[Word]) -> list[tuple[int, int]]:
    """Pairs of indexes of the same words in both, in order: as many as possible and as near in time as possible."""
    best = [[0.0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in reversed(range(len(first))):
        for j in reversed(range(len(second))):
            both = _likeness(first[i], second[j])
            best[i][j] = max(best[i + 1][j], best[i][j + 1], both + best[i + 1][j + 1] if both else 0.0)
    pairs, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        both = _likeness(first[i], second[j])
        if both and best[i][j] == both + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _likeness(one: Word, other: Word) -> float:
    """0: not the same word; else up to 1, the more the nearer in time."""
    apart = abs(_middle(one) - _middle(other))
    letters = _letters(one.word)
    if not letters or letters != _letters(other.word) or apart >= TOLERANCE_S:
        return 0.0
    return 1.0 - apart / TOLERANCE_S


def _letters(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2


def _words(segment: Segment) -> Sequence[Word]:
    """The segment's words; where the engine gave none, its text spread over its time by letters."""
    if segment.words:
        return segment.words
    texts = segment.text.split()
    per_letter = (segment.end - segment.start) / max(sum(map(len, texts)), 1)
    words, now = [], segment.start
    for text in texts:
        words.append(Word(text, now, now + len(text) * per_letter, interpolated=True))
        now = words[-1].end
    return words


def _take(segments: Sequence[Segment], low: int, high: int) -> list[Segment]:
    """The segments with only the words ``low`` to ``high``, counted over all of them."""
    taken, position = [], 0
    for segment in segments:
        words = _words(segment)
        kept = words[max(low - position, 0) : max(high - position, 0)]
        position += len(words)
        if len(kept) == len(words):
            taken.append(segment)
        elif kept:
            taken.append(_cut_down(segment, words, kept))
    return taken


def _cut_down(segment: Segment, words: Sequence[Word], kept: Sequence[Word]) -> Segment:
    """The segment with some of its words; its tokens no longer fit and go."""
    space = "" if "".join(word.word for word in words) == segment.text else " "
    return dataclasses.replace(
        segment,
        start=segment.start if kept[0] is words[0] else kept[0].start,
        end=segment.end if kept[-1] is words[-1] else kept[-1].end,
        text=space.join(word.word for word in kept),
        words=tuple(kept) if segment.words else (),
        tokens=(),
    )


def _begin_at(segment: Segment, edge: float) -> Segment:
    """The segment with no time before ``edge``."""
    if segment.start >= edge and all(word.start >= edge for word in segment.words):
        return segment
    return dataclasses.replace(
        segment,
        start=max(segment.start, edge),
        end=max(segment.end, edge),
        words=tuple(
            dataclasses.replace(word, start=max(word.start, edge), end=max(word.end, edge)) for word in segment.words
        ),
    )
