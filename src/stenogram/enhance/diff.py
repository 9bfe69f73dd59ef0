"""What clean text changed, as changes that can be taken or left one by one; and a transcript with some of them.

Texts are compared word by word. A word whose letters stay (a comma, a capital) is a change of its own, so that it can
be taken alone; all that stands between two words that stay is one change. White space is spliced exactly. In scripts
without spaces each character counts as a word.

Words of the transcript follow the text. Those that no change touches stay as they are; of those that only get another
case or punctuation, time and probability stay; all others are fitted into the time of the words they replace, or into
the gap, and say so (``interpolated``).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from stenogram.enhance.alignment import matched
from stenogram.enhancement import Change, Line
from stenogram.errors import OptionError
from stenogram.types import Segment, Transcript, Word

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, kana, Han: no spaces between words."""
_WORD = re.compile(rf"(?!\s)[{_UNSPACED}]|[^\s{_UNSPACED}]+")


class _Span(NamedTuple):
    """Characters ``begin`` to ``end`` of a text."""

    begin: int
    end: int


class _Piece(NamedTuple):
    """A stretch of the new text, and the stretch of the old one that it stands for."""

    new: _Span
    old: _Span
    kept: bool


def changes(segments: Sequence[Segment], lines: Sequence[Line]) -> tuple[Change, ...]:
    """How the text of each line differs from that of its segment; a segment without a line stays as it is.

    Raises ``OptionError`` for a line of no segment.
    """
    texts = {line.segment: line.text for line in lines}
    for unknown in texts.keys() - {segment.id for segment in segments}:
        raise OptionError(name="line", value=unknown, cause="the transcript has no such segment")
    found: list[Change] = []
    for segment in segments:
        text = texts.get(segment.id, segment.text)
        clock = _Clock(segment)
        for at, before, after in _differences(segment.text, text):
            start, end = clock.time(_Span(at, at + len(before)))
            found.append(Change(len(found), segment.id, at, before, after, start, end))
    return tuple(found)


def apply(transcript: Transcript, changes: Iterable[Change]) -> Transcript:
    """The transcript with these changes, in whatever order they come.

    Without any it is the original; with all of ``changes``, every line's text stands. Raises ``OptionError`` for a
    change that does not fit the text, or overlaps another.
    """
    by_segment: dict[int, list[Change]] = {}
    for change in changes:
        by_segment.setdefault(change.segment, []).append(change)
    for unknown in by_segment.keys() - {segment.id for segment in transcript.segments}:
        raise _misfit(by_segment[unknown][0], f"the transcript has no segment {unknown}")
    if not by_segment:
        return transcript
    segments = (_changed(segment, by_segment.get(segment.id, [])) for segment in transcript.segments)
    return replace(transcript, segments=tuple(segments))


# --- texts -----------------------------------------------------------------------------------------------------------


def _differences(before: str, after: str) -> Iterator[tuple[int, str, str]]:
    """Offset in ``before``, what is there, and what is there instead."""
    if before == after:
        return
    old, new = _words(before), _words(after)
    pairs = matched([_letters(before[a:b]) for a, b in old], [_letters(after[a:b]) for a, b in new])
    left, right = 0, 0
    ends = (_Span(len(before), len(before)), _Span(len(after), len(after)))
    for a, b in [*((old[i], new[j]) for i, j in pairs), ends]:
        gap = _trimmed(before[left : a.begin], after[right : b.begin])
        if gap:
            yield left + gap[0], gap[1], gap[2]
        left, right = a.end, b.end
        if before[a.begin : left] != after[b.begin : right]:
            yield a.begin, before[a.begin : left], after[b.begin : right]


def _words(text: str) -> list[_Span]:
    return [_Span(*found.span()) for found in _WORD.finditer(text)]


def _letters(word: str) -> str:
    """What a word is compared by."""
    return "".join(filter(str.isalnum, word)).casefold() or word


def _trimmed(before: str, after: str) -> tuple[int, str, str] | None:
    """Two stretches without the white space they begin or end with alike, and how much of it they began with."""
    if before == after:
        return None
    head, least = 0, min(len(before), len(after))
    while head < least and before[head] == after[head] and before[head].isspace():
        head += 1
    tail = 0
    while tail < least - head and before[-1 - tail] == after[-1 - tail] and before[-1 - tail].isspace():
        tail += 1
    return head, before[head : len(before) - tail], after[head : len(after) - tail]


def _changed(segment: Segment, changes: list[Change]) -> Segment:
    if not changes:
        return segment
    pieces = _pieces(segment.text, sorted(changes, key=lambda change: (change.at, len(change.before) > 0)))
    after = {change.at: change.after for change in changes if change.before}
    inserted = {change.at: change.after for change in changes if not change.before}
    text = "".join(
        segment.text[piece.old.begin : piece.old.end]
        if piece.kept
        else (after if piece.old.end > piece.old.begin else inserted)[piece.old.begin]
        for piece in pieces
    )
    words = _Fitting(segment, text, pieces).words() if segment.words else ()
    return replace(segment, text=text, words=words)


def _pieces(text: str, changes: Sequence[Change]) -> list[_Piece]:
    """The new text in stretches, in order; ``changes`` are in order of the text."""
    pieces: list[_Piece] = []
    left = right = 0
    last: Change | None = None
    for change in changes:
        end = change.at + len(change.before)
        if not 0 <= change.at <= len(text) or text[change.at : end] != change.before:
            raise _misfit(change, f"{change.before!r} does not stand at {change.at} in segment {change.segment}")
        if change.at < left or (last is not None and last.at == change.at and not last.before and not change.before):
            raise _misfit(change, f"overlaps another one in segment {change.segment}; apply one of them")
        kept = change.at - left
        pieces.append(_Piece(_Span(right, right + kept), _Span(left, change.at), kept=True))
        right += kept
        pieces.append(_Piece(_Span(right, right + len(change.after)), _Span(change.at, end), kept=False))
        left, right, last = end, right + len(change.after), change
    pieces.append(_Piece(_Span(right, right + len(text) - left), _Span(left, len(text)), kept=True))
    return pieces


def _misfit(change: Change, cause: str) -> OptionError:
    return OptionError(name="change", value=change.id, cause=cause)


# --- times -----------------------------------------------------------------------------------------------------------


class _Clock:
    """When the characters of a segment's text were spoken."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._first, self._last = segment.start, max(segment.start, segment.end)
        self.spans = _placed(segment)
        """Where each word of the segment stands in its text; None: they are not those of its text."""
        self._begins = [span.begin for span in self.spans or ()]
        self._ends = [span.end for span in self.spans or ()]

    def touched(self, stretch: _Span) -> range:
        """Numbers of the words that have characters in a stretch of the text."""
        first = bisect_right(self._ends, stretch.begin)
        return range(
            first, max(first, bisect_left(self._begins, stretch.end)) if stretch.end > stretch.begin else first
        )

    def time(self, stretch: _Span) -> tuple[float, float]:
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


def _placed(segment: Segment) -> list[_Span] | None:
    spans: list[_Span] = []
    now = 0
    for word in segment.words:
        written = word.word.strip()
        begin = segment.text.find(written, now)
        if begin < 0 or not written or any(map(str.isalnum, segment.text[now:begin])):
            return None
        now = begin + len(written)
        spans.append(_Span(begin, now))
    return None if not spans or any(map(str.isalnum, segment.text[now:])) else spans


class _Fresh(NamedTuple):
    """A word of the new text that was not there."""

    at: _Span
    start: float
    end: float
    speaker: str | None


class _Fitting:
    """The words of one segment, fitted to its new text."""

    def __init__(self, segment: Segment, text: str, pieces: Sequence[_Piece]) -> None:
        self._segment, self._text, self._pieces = segment, text, pieces
        self._clock = _Clock(segment)
        self._reused: set[int] = set()
        self._begins = [piece.new.begin for piece in pieces]
        self._written = [piece.new for piece in pieces if not piece.kept and piece.new.end > piece.new.begin]

    def words(self) -> tuple[Word, ...]:
        tokens = _words(self._text)
        kept = self._kept(tokens)
        found: list[tuple[_Span, Word | _Fresh]] = list(kept)
        covered = [span for span, _ in kept]
        for token in tokens:
            found += [(rest, self._fresh(rest)) for rest in _less(token, covered) if self._is_word(rest)]
        found.sort(key=lambda item: item[0])
        return tuple(self._laid_out([item for _, item in found]))

    def _kept(self, tokens: Sequence[_Span]) -> list[tuple[_Span, Word]]:
        """The words that no change touches, nor writes anything up against, and where they stand now."""
        begins = [token.begin for token in tokens]
        found = []
        for piece in self._pieces:
            if not piece.kept:
                continue
            shift = piece.new.begin - piece.old.begin
            for number in self._clock.touched(piece.old) if self._clock.spans else ():
                old = (self._clock.spans or [])[number]
                if old.begin < piece.old.begin or old.end > piece.old.end:
                    continue
                new = _Span(old.begin + shift, old.end + shift)
                first = tokens[bisect_right(begins, new.begin) - 1]
                last = tokens[bisect_right(begins, new.end - 1) - 1]
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

    def _old(self, new: _Span) -> tuple[_Span, bool]:
        """What a stretch of the new text stands for, and whether it is the same text."""
        first = max(bisect_right(self._begins, new.begin) - 1, 0)
        begin, end, kept = len(self._segment.text), 0, True
        for piece in self._pieces[first:]:
            if piece.new.begin >= new.end:
                break
            shift = piece.old.begin - piece.new.begin
            own = _Span(max(piece.new.begin, new.begin) + shift, min(piece.new.end, new.end) + shift)
            own = own if piece.kept else piece.old
            begin, end, kept = min(begin, own.begin), max(end, own.end), kept and piece.kept
        return _Span(begin, max(begin, end)), kept

    def _is_word(self, new: _Span) -> bool:
        """Marks that stand alone (a dash) are words only where they were, or where a change put them."""
        old, kept = self._old(new)
        return not kept or self._clock.spans is None or len(self._clock.touched(old)) > 0

    def _fresh(self, new: _Span) -> Word | _Fresh:
        old, _ = self._old(new)
        touched = self._clock.touched(old) if self._clock.spans else range(0)
        own = self._segment.words[touched.start : touched.stop]
        text = self._text[new.begin : new.end]
        if len(own) == 1 and _letters(own[0].word) == _letters(text) and touched.start not in self._reused:
            self._reused.add(touched.start)
            return replace(own[0], word=text)
        near = self._segment.words[max(touched.start - 1, 0) : touched.start + 1] if self._clock.spans else ()
        speaker = next((word.speaker for word in (*own, *near) if word.speaker is not None), self._segment.speaker)
        return _Fresh(new, *self._clock.time(old), speaker)

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


def _less(token: _Span, covered: Sequence[_Span]) -> Iterator[_Span]:
    """The parts of a token outside the covered stretches, which are in order."""
    now = token.begin
    for place in range(bisect_right(covered, token.begin, key=lambda span: span.end), len(covered)):
        span = covered[place]
        if span.begin >= token.end:
            break
        if span.begin > now:
            yield _Span(now, span.begin)
        now = max(now, span.end)
    if now < token.end:
        yield _Span(now, token.end)
