"""Words fitted to another text: those that stay keep their time, others get theirs from the words they replace.

Words that no change touches stay as they are; of those that only get another case or punctuation, time and probability
stay; all others are fitted into the time of the words they replace, or into the gap, and say so (``interpolated``). In
scripts without spaces each character counts as a word.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from stenogram.types import Segment, Word

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, kana, Han: no spaces between words."""
_WORD = re.compile(rf"(?!\s)[{_UNSPACED}]|[^\s{_UNSPACED}]+")


class Span(NamedTuple):
    """Characters ``begin`` to ``end`` of a text."""

    begin: int
    end: int


class Piece(NamedTuple):
    """A stretch of the new text, and the stretch of the old one that it stands for."""

    new: Span
    old: Span
    kept: bool


def fitted(segment: Segment, text: str, pieces: Sequence[Piece]) -> list[tuple[Span, Word]]:
    """The words of a segment, which has some, fitted to its new text, each with its place there.

    ``pieces`` are the new text in stretches, in order.
    """
    return _Fitting(segment, text, pieces).words()


def tokens(text: str) -> list[Span]:
    """The words of a text."""
    return [Span(*found.span()) for found in _WORD.finditer(text)]


def letters(word: str) -> str:
    """What a word is compared by."""
    return "".join(filter(str.isalnum, word)).casefold() or word


class Clock:
    """When the characters of a segment's text were spoken."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._first, self._last = segment.start, max(segment.start, segment.end)
        self.spans = placed(segment)
        """Where each word of the segment stands in its text; None: they are not those of its text."""
        self._begins = [span.begin for span in self.spans or ()]
        self._ends = [span.end for span in self.spans or ()]

    def touched(self, stretch: Span) -> range:
        """Numbers of the words that have characters in a stretch of the text."""
        first = bisect_right(self._ends, stretch.begin)
        return range(
            first, max(first, bisect_left(self._begins, stretch.end)) if stretch.end > stretch.begin else first
        )

    def time(self, stretch: Span) -> tuple[float, float]:
        """Start and end of a stretch of the text; of one without words those of the gap."""
        if self.spans is None:
            share = (self._last - self._first) / max(len(self._segment.text), 1)
            return self._within(self._first + stretch.begin * share, self._first + stretch.end * share)
        words = self._segment.words
        touched = self.touched(stretch)
        if touched:
            own = words[touched.start : touched.stop]
            return self._within(min(word.start for word in own), max(word.end for word in own))
        before, after = touched.start - 1, bisect_left(self._begins, stretch.end)
        start = words[before].end if before >= 0 else self._first
        return self._within(start, words[after].start if after < len(words) else self._last)

    def _within(self, start: float, end: float) -> tuple[float, float]:
        start = min(max(start, self._first), self._last)
        return start, min(max(start, end), self._last)


def placed(segment: Segment) -> list[Span] | None:
    """Where each word of a segment stands in its text; None: they are not those of its text, or there are none."""
    spans: list[Span] = []
    now = 0
    for word in segment.words:
        written = word.word.strip()
        begin = segment.text.find(written, now)
        if begin < 0 or not written or any(map(str.isalnum, segment.text[now:begin])):
            return None
        now = begin + len(written)
        spans.append(Span(begin, now))
    return None if not spans or any(map(str.isalnum, segment.text[now:])) else spans


class _Fresh(NamedTuple):
    """A word of the new text that was not there."""

    at: Span
    start: float
    end: float
    speaker: str | None


class _Place(NamedTuple):
    """What is known of a stretch of the old text."""

    words: range
    start: float
    end: float
    speaker: str | None


class _Fitting:
    """The words of one segment, fitted to its new text."""

    def __init__(self, segment: Segment, text: str, pieces: Sequence[Piece]) -> None:
        self._segment, self._text, self._pieces = segment, text, pieces
        self._clock = Clock(segment)
        self._reused: set[int] = set()
        self._places: dict[Span, _Place] = {}
        self._begins = [piece.new.begin for piece in pieces]
        self._written = [piece.new for piece in pieces if not piece.kept and piece.new.end > piece.new.begin]

    def words(self) -> list[tuple[Span, Word]]:
        written = tokens(self._text)
        kept = self._kept(written)
        found: list[tuple[Span, Word | _Fresh]] = list(kept)
        covered = [span for span, _ in kept]
        for token in written:
            found += [(rest, self._fresh(rest)) for rest in _less(token, covered) if self._is_word(rest)]
        found.sort(key=lambda item: item[0])
        laid_out = self._laid_out([item for _, item in found])
        return [(span, word) for (span, _), word in zip(found, laid_out, strict=True)]

    def _kept(self, written: Sequence[Span]) -> list[tuple[Span, Word]]:
        """The words that no change touches, nor writes anything up against, and where they stand now."""
        begins = [token.begin for token in written]
        found = []
        for piece in self._pieces:
            if not piece.kept:
                continue
            shift = piece.new.begin - piece.old.begin
            for number in self._clock.touched(piece.old) if self._clock.spans else ():
                old = (self._clock.spans or [])[number]
                if old.begin < piece.old.begin or old.end > piece.old.end:
                    continue
                new = Span(old.begin + shift, old.end + shift)
                first = written[bisect_right(begins, new.begin) - 1]
                last = written[bisect_right(begins, new.end - 1) - 1]
                glued = (first.begin < new.begin and self._is_written(new.begin - 1)) or (
                    new.end < last.end and self._is_written(new.end)
                )
                if not glued:
                    found.append((new, self._segment.words[number]))
        return found

    def _is_written(self, at: int) -> bool:
        """Whether a change wrote this character of the new text."""
        place = bisect_right(self._written, at, key=lambda span: span.begin) - 1
        return place >= 0 and at < self._written[place].end

    def _old(self, new: Span) -> tuple[Span, bool]:
        """What a stretch of the new text stands for, and whether it is the same text."""
        first = max(bisect_right(self._begins, new.begin) - 1, 0)
        begin, end, kept = len(self._segment.text), 0, True
        for piece in self._pieces[first:]:
            if piece.new.begin >= new.end:
                break
            shift = piece.old.begin - piece.new.begin
            own = Span(max(piece.new.begin, new.begin) + shift, min(piece.new.end, new.end) + shift)
            own = own if piece.kept else piece.old
            begin, end, kept = min(begin, own.begin), max(end, own.end), kept and piece.kept
        return Span(begin, max(begin, end)), kept

    def _is_word(self, new: Span) -> bool:
        """Marks that stand alone (a dash) are words only where they were, or where a change put them."""
        old, kept = self._old(new)
        return not kept or self._clock.spans is None or len(self._clock.touched(old)) > 0

    def _fresh(self, new: Span) -> Word | _Fresh:
        old, _ = self._old(new)
        if old not in self._places:  # all the words of a long stretch that was written anew have one
            self._places[old] = self._place(old)
        place = self._places[old]
        text = self._text[new.begin : new.end]
        if len(place.words) == 1 and place.words.start not in self._reused:
            own = self._segment.words[place.words.start]
            if letters(own.word) == letters(text):
                self._reused.add(place.words.start)
                return replace(own, word=text)
        return _Fresh(new, place.start, place.end, place.speaker)

    def _place(self, old: Span) -> _Place:
        touched = self._clock.touched(old) if self._clock.spans else range(0)
        own = self._segment.words[touched.start : touched.stop]
        near = self._segment.words[max(touched.start - 1, 0) : touched.start + 1] if self._clock.spans else ()
        speaker = next((word.speaker for word in (*own, *near) if word.speaker is not None), self._segment.speaker)
        return _Place(touched, *self._clock.time(old), speaker)

    def _laid_out(self, items: Sequence[Word | _Fresh]) -> Iterator[Word]:
        """Fresh words in order between those that have a time, and inside the time they have."""
        now, end = self._segment.start, max(self._segment.start, self._segment.end)
        limits = [end] * (len(items) + 1)
        for number in range(len(items) - 1, -1, -1):
            item = items[number]
            limits[number] = item.start if isinstance(item, Word) else limits[number + 1]
        for _, group in groupby(enumerate(items), key=lambda item: _together(*item)):
            (first, item), *others = group
            if isinstance(item, Word):
                now = max(now, item.end)
                yield item
                continue
            own = [item, *(other for _, other in others if isinstance(other, _Fresh))]
            limit = max(now, min(limits[first], end))
            start = min(max(item.start, now), limit)
            for word in self._shared(own, start, min(max(item.end, start), limit)):
                now = word.end
                yield word

    def _shared(self, own: Sequence[_Fresh], start: float, end: float) -> Iterator[Word]:
        """Words that have one time together: each its part, by its length."""
        whole = sum(fresh.at.end - fresh.at.begin for fresh in own)
        passed, now = 0, start
        for fresh in own:
            passed += fresh.at.end - fresh.at.begin
            until = end if passed == whole else max(now, min(start + (end - start) * passed / whole, end))
            text = self._text[fresh.at.begin : fresh.at.end]
            yield Word(text, now, until, interpolated=True, speaker=fresh.speaker)
            now = until


def _together(number: int, item: Word | _Fresh) -> tuple[float, ...]:
    """Words that replace the same ones share their time; others have their own."""
    return (item.start, item.end) if isinstance(item, _Fresh) else (number, 0.0, 0.0)


def _less(token: Span, covered: Sequence[Span]) -> Iterator[Span]:
    """The parts of a token outside the covered stretches, which are in order."""
    now = token.begin
    for place in range(bisect_right(covered, token.begin, key=lambda span: span.end), len(covered)):
        span = covered[place]
        if span.begin >= token.end:
            break
        if span.begin > now:
            yield Span(now, span.begin)
        now = max(now, span.end)
    if now < token.end:
        yield Span(now, token.end)
