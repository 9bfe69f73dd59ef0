"""What clean text changed, as changes that can be taken or left one by one; and a transcript with some of them.

Texts are compared word by word. A word whose letters stay (a comma, a capital) is a change of its own, so that it can
be taken alone; all that stands between two words that stay is one change. White space is spliced exactly. In scripts
without spaces each character counts as a word.

Words of the transcript follow the text (``enhance.fitting``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from stenogram.enhance.alignment import Effort, matched
from stenogram.enhance.fitting import Clock, Piece, Span, fitted, letters, tokens
from stenogram.enhancement import Change, Enhancement, Line
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


def carried(transcript: Transcript, made: Enhancement) -> list[Change]:
    """The changes of clean text on a transcript that was edited since, where they stand in it; others are left out.

    A change fits as long as the stretch that it replaces stands, wherever that is now.
    """
    segments = {segment.id: segment for segment in transcript.segments}
    lines = {line.segment: line.text for line in made.lines}
    fitting: list[Change] = []
    for number, group in groupby(made.changes, key=lambda change: change.segment):
        changes, segment = list(group), segments.get(number)
        if segment is None or number not in lines:
            continue
        original = _before(lines[number], changes)
        if original == segment.text:
            fitting += changes
            continue
        edits = list(differences(original, segment.text))
        fitting += [moved for change in changes if (moved := _moved(change, edits, segment)) is not None]
    return fitting


def _before(text: str, changes: Sequence[Change]) -> str:
    """The text that these changes, in order and all of them, made into ``text``."""
    parts: list[str] = []
    now = at = 0
    for change in changes:
        parts += [text[now : now + change.at - at], change.before]
        now += change.at - at + len(change.after)
        at = change.at + len(change.before)
    return "".join([*parts, text[now:]])


def _moved(change: Change, edits: Sequence[tuple[int, str, str]], segment: Segment) -> Change | None:
    """A change where its stretch stands after ``edits``; None: one of them touched it."""
    end, shift = change.at + len(change.before), 0
    for at, gone, come in edits:
        until = at + len(gone)
        if (at < end and until > change.at) if change.before else at <= change.at <= until:
            return None
        if until <= change.at:
            shift += len(come) - len(gone)
    start_s, end_s = Clock(segment).time(Span(change.at + shift, end + shift))
    return replace(change, at=change.at + shift, start=start_s, end=end_s)


# --- texts -----------------------------------------------------------------------------------------------------------


def differences(before: str, after: str, effort: Effort | None = None) -> Iterator[tuple[int, str, str]]:
    """Offset in ``before``, what is there, and what is there instead. ``effort``: what all texts together may cost."""
    if before == after:
        return
    old, new = tokens(before), tokens(after)
    pairs = matched([letters(before[a:b]) for a, b in old], [letters(after[a:b]) for a, b in new], effort)
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
