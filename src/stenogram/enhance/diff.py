"""What clean text changed, as changes that can be taken or left one by one; and a transcript with some of them.

Texts are compared word by word. A word whose letters stay (a comma, a capital) is a change of its own, so that it can
be taken alone; all that stands between two words that stay is one change. White space is spliced exactly. In scripts
without spaces each character counts as a word.

Words of the transcript follow the text (``enhance.fitting``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from stenogram.enhance.alignment import matched
from stenogram.enhance.fitting import Clock, Piece, Span, fitted, letters, tokens
from stenogram.enhancement import Change, Line
from stenogram.errors import OptionError
from stenogram.types import Segment, Transcript


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
        clock = Clock(segment)
        for at, before, after in differences(segment.text, text):
            start, end = clock.time(Span(at, at + len(before)))
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


def differences(before: str, after: str) -> Iterator[tuple[int, str, str]]:
    """Offset in ``before``, what is there, and what is there instead."""
    if before == after:
        return
    old, new = tokens(before), tokens(after)
    pairs = matched([letters(before[a:b]) for a, b in old], [letters(after[a:b]) for a, b in new])
    left, right = 0, 0
    ends = (Span(len(before), len(before)), Span(len(after), len(after)))
    for a, b in [*((old[i], new[j]) for i, j in pairs), ends]:
        gap = _trimmed(before[left : a.begin], after[right : b.begin])
        if gap:
            yield left + gap[0], gap[1], gap[2]
        left, right = a.end, b.end
        if before[a.begin : left] != after[b.begin : right]:
            yield a.begin, before[a.begin : left], after[b.begin : right]


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
    found = _pieces(segment.text, sorted(changes, key=lambda change: (change.at, len(change.before) > 0)))
    after = {change.at: change.after for change in changes if change.before}
    inserted = {change.at: change.after for change in changes if not change.before}
    text = "".join(
        segment.text[piece.old.begin : piece.old.end]
        if piece.kept
        else (after if piece.old.end > piece.old.begin else inserted)[piece.old.begin]
        for piece in found
    )
    words = tuple(word for _, word in fitted(segment, text, found)) if segment.words else ()
    return replace(segment, text=text, words=words)


def _pieces(text: str, changes: Sequence[Change]) -> list[Piece]:
    """The new text in stretches, in order; ``changes`` are in order of the text."""
    pieces: list[Piece] = []
    left = right = 0
    last: Change | None = None
    for change in changes:
        end = change.at + len(change.before)
        if not 0 <= change.at <= len(text) or text[change.at : end] != change.before:
            raise _misfit(change, f"{change.before!r} does not stand at {change.at} in segment {change.segment}")
        if change.at < left or (last is not None and last.at == change.at and not last.before and not change.before):
            raise _misfit(change, f"overlaps another one in segment {change.segment}; apply one of them")
        kept = change.at - left
        pieces.append(Piece(Span(right, right + kept), Span(left, change.at), kept=True))
        right += kept
        pieces.append(Piece(Span(right, right + len(change.after)), Span(change.at, end), kept=False))
        left, right, last = end, right + len(change.after), change
    pieces.append(Piece(Span(right, right + len(text) - left), Span(left, len(text)), kept=True))
    return pieces


def _misfit(change: Change, cause: str) -> OptionError:
    return OptionError(name="change", value=change.id, cause=cause)
