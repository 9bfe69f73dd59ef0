"""What differs between a transcript and its clean text, as changes that can be taken or left one by one.

A change replaces one slice of a segment's text, so that with none the text is the original, with all it is the edit,
character by character, and no change depends on another. Words are compared as they stand, with their punctuation.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stenogram.enhancement import Change, Line
from stenogram.errors import OptionError
from stenogram.types import Segment, Transcript, Word

_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class _Slice:
    """A stretch of a text, in characters and in words."""

    start: int
    end: int
    first: int
    last: int
    """Behind its last word."""


def changes(segments: Sequence[Segment], lines: Iterable[Line]) -> tuple[Change, ...]:
    """How the texts of lines differ from those of the segments they belong to, in the order of the segments."""
    texts = {line.segment: line.text for line in lines}
    found: list[Change] = []
    for segment in segments:
        after = texts.get(segment.id, segment.text)
        for old, new in _differences(segment.text, after):
            start, end = _times(segment, old)
            found.append(
                Change(
                    id=len(found),
                    segment=segment.id,
                    at=old.start,
                    before=segment.text[old.start : old.end],
                    after=after[new.start : new.end],
                    start=start,
                    end=end,
                )
            )
    return tuple(found)


def apply(transcript: Transcript, taken: Iterable[Change]) -> Transcript:
    """The transcript with some of its changes, in any order; words that stay keep their times and speakers.

    Words that came in are fitted between their neighbours (``interpolated``). Raises ``OptionError`` for a change that
    belongs to another transcript, or overlaps another one.
    """
    by_segment: Mapping[int, list[Change]] = defaultdict(list)
    for change in taken:
        by_segment[change.segment].append(change)
    unknown = by_segment.keys() - {segment.id for segment in transcript.segments}
    if unknown:
        raise _foreign(by_segment[min(unknown)][0])
    return replace(
        transcript,
        segments=tuple(
            _changed(segment, sorted(by_segment[segment.id], key=lambda change: (change.at, change.id)))
            if segment.id in by_segment
            else segment
            for segment in transcript.segments
        ),
    )


def _differences(before: str, after: str) -> Iterator[tuple[_Slice, _Slice]]:
    """Pairs of slices that differ: of one word written otherwise, or of what lies between words that are in both."""
    if before == after:
        return
    old, new = list(_TOKEN.finditer(before)), list(_TOKEN.finditer(after))
    matcher = difflib.SequenceMatcher(None, _keys(old), _keys(new), autojunk=False)
    pairs = [(block.a + n, block.b + n) for block in matcher.get_matching_blocks() for n in range(block.size)]
    for (a, b), (c, d) in pairwise([(-1, -1), *pairs, (len(old), len(new))]):
        if a >= 0 and old[a].group() != new[b].group():
            yield _Slice(*old[a].span(), a, a + 1), _Slice(*new[b].span(), b, b + 1)
        was, now = _between(before, old, a, c), _between(after, new, b, d)
        if before[was.start : was.end] != after[now.start : now.end]:
            yield _trimmed(before, after, was, now)


def _keys(tokens: Iterable[re.Match[str]]) -> list[str]:
    """Words without case and punctuation: by these it is known which word became which."""
    return [re.sub(r"\W", "", token.group()).casefold() or token.group() for token in tokens]


def _between(text: str, tokens: Sequence[re.Match[str]], left: int, right: int) -> _Slice:
    """From the end of one word to the beginning of another."""
    start = tokens[left].end() if left >= 0 else 0
    end = tokens[right].start() if right < len(tokens) else len(text)
    return _Slice(start, end, left + 1, right)


def _trimmed(before: str, after: str, was: _Slice, now: _Slice) -> tuple[_Slice, _Slice]:
    """Without the white space that both have at their beginnings, and at their ends."""
    old, new = before[was.start : was.end], after[now.start : now.end]
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head] and old[head].isspace():
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail] and old[-1 - tail].isspace():
        tail += 1
    return (
        replace(was, start=was.start + head, end=was.end - tail),
        replace(now, start=now.start + head, end=now.end - tail),
    )


def _times(segment: Segment, old: _Slice) -> tuple[float, float]:
    """When the words of a slice are spoken; of none, the gap between its neighbours."""
    words = _words_of(segment)
    if words is None:
        length = max(len(segment.text), 1)
        second = (segment.end - segment.start) / length
        return segment.start + old.start * second, segment.start + min(old.end, length) * second
    if old.first < old.last:
        return words[old.first].start, words[old.last - 1].end
    return _gap(segment, words, old.first)


def _gap(segment: Segment, words: Sequence[Word], place: int) -> tuple[float, float]:
    """From the end of the word before a place to the beginning of the word there."""
    start = words[place - 1].end if place else segment.start
    end = words[place].start if place < len(words) else segment.end
    return start, max(start, end)


def _words_of(segment: Segment) -> Sequence[Word] | None:
    """The words of a segment where they are those of its text; else None."""
    if [word.word for word in segment.words] == segment.text.split():
        return segment.words
    return None


def _changed(segment: Segment, taken: Sequence[Change]) -> Segment:
    pieces: list[str] = []
    words: list[Word] = []
    old_words = _words_of(segment)
    starts = [found.start() for found in _TOKEN.finditer(segment.text)]
    through, place = 0, 0
    for change in taken:
        end = change.at + len(change.before)
        if change.at < through or segment.text[change.at : end] != change.before:
            raise _foreign(change)
        pieces += [segment.text[through : change.at], change.after]
        through = end
        if old_words is not None:
            first = bisect_left(starts, change.at)
            last = bisect_left(starts, end)
            words += old_words[place:first]
            words += _fitted(segment, old_words, first, last, change.after.split())
            place = last
    text = "".join([*pieces, segment.text[through:]])
    if old_words is None:
        return replace(segment, text=text, words=(), tokens=())
    return replace(segment, text=text, words=(*words, *old_words[place:]), tokens=())


def _fitted(segment: Segment, words: Sequence[Word], first: int, last: int, texts: Sequence[str]) -> Iterator[Word]:
    """Words in the time of those they replace, by their lengths; one for one they keep their very times."""
    replaced = words[first:last]
    if len(replaced) == len(texts):
        for word, text in zip(replaced, texts, strict=True):
            yield replace(word, word=text)
        return
    if replaced:
        start, end, speaker = replaced[0].start, replaced[-1].end, replaced[0].speaker
    else:
        start, end = _gap(segment, words, first)
        speaker = words[first - 1].speaker if first else words[0].speaker if words else segment.speaker
    length = sum(map(len, texts))
    done = 0
    for text in texts:
        begun = start + (end - start) * done / length
        done += len(text)
        yield Word(text, begun, start + (end - start) * done / length, interpolated=True, speaker=speaker)


def _foreign(change: Change) -> OptionError:
    cause = "does not fit this transcript, or overlaps another change; take the changes that were made for it"
    return OptionError(name="change", value=change.id, cause=cause)
