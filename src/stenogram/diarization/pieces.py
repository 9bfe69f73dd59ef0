"""A segment taken apart into the smallest pieces that may go to different speakers, and put together again.

A piece is one word; several where no space and no script lets a text be parted between them ("don" and "'t"); a single
character where the text of a segment without word times has no spaces (Chinese).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from stenogram.engines.words import weight
from stenogram.formats.breaks import may_part, unit_starts
from stenogram.types import Segment, Span, Word


class Piece(NamedTuple):
    """A part of a segment's text that stays whole."""

    begin: int
    """Offset in the text, white space as single spaces; the first piece begins at 0."""
    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    """Those of the segment that it is made of."""


class Run(NamedTuple):
    """Pieces ``begin`` to ``end`` of a segment, given to one speaker; None: to nobody."""

    begin: int
    end: int
    speaker: str | None


def take_apart(segment: Segment, speech: Sequence[Span] = ()) -> list[Piece]:
    """The pieces of a segment in the order of its text; at least one.

    Where the segment has no words, the text is laid out over its ``speech`` (in order, inside the segment; none: all of
    its time) by how long each piece takes to say. Where its words are not those of its text, it is one piece.
    """
    text = " ".join(segment.text.split())
    if segment.words:
        return _timed(segment, text) or [_whole(segment, text)]
    begins = unit_starts(text, ())
    if len(begins) < 2:  # noqa: PLR2004 - nothing to lay out
        return [_whole(segment, text)]
    texts = [text[begin:end].rstrip() for begin, end in pairwise([*begins, len(text)])]
    times = _lay_out(texts, speech or [Span(segment.start, max(segment.start, segment.end))])
    return [Piece(begin, piece, start, end) for begin, piece, (start, end) in zip(begins, texts, times, strict=True)]


def put_together(segment: Segment, pieces: Sequence[Piece], runs: Sequence[Run]) -> list[Segment]:
    """One segment for each run of its pieces (the runs hold all of them, in order), with what belongs to it.

    Nobody can tell which tokens a word was written with. They are shared out in order, by the length of the text, so
    that each is in one part and all are there. The measures of the whole segment (``avg_logprob`` ...) go to each part.
    """
    if len(runs) == 1:
        (run,) = runs
        words = tuple(_spoken(word, run.speaker) for word in segment.words)
        return [replace(segment, words=words, speaker=run.speaker)]
    text = " ".join(segment.text.split())
    edges = [*(pieces[run.begin].begin for run in runs), len(text)]
    shares = [round(len(segment.tokens) * edge / len(text)) for edge in edges]
    parts: list[Segment] = []
    now = segment.start
    for number, run in enumerate(runs):
        own = pieces[run.begin : run.end]
        # In order and inside the segment, whatever times the engine gave its words.
        start = min(max(own[0].start, now), max(segment.end, now)) if number else segment.start
        end = segment.end if number == len(runs) - 1 else min(own[-1].end, segment.end)
        parts.append(
            replace(
                segment,
                start=start,
                end=max(end, start),
                text=text[edges[number] : edges[number + 1]].strip(),
                words=tuple(_spoken(word, run.speaker) for piece in own for word in piece.words),
                tokens=segment.tokens[shares[number] : shares[number + 1]],
                speaker=run.speaker,
            )
        )
        now = start
    return parts


def _spoken(word: Word, speaker: str | None) -> Word:
    # Not replace(): there are ten thousand words in an hour, and this takes a third of its time.
    return Word(word.word, word.start, word.end, word.probability, word.interpolated, speaker)


def _whole(segment: Segment, text: str) -> Piece:
    return Piece(0, text, segment.start, max(segment.start, segment.end), segment.words)


def _timed(segment: Segment, text: str) -> list[Piece] | None:
    """The words found in the text; None where they are not all of it."""
    pieces: list[Piece] = []
    offset = 0
    for word in segment.words:
        begin, end = _find(text, word.word, offset)
        gap = text[offset:begin]
        if begin < 0 or any(map(str.isalnum, gap)):
            return None
        cut = _cut(text, gap, begin) if pieces else 0
        if cut is None:
            known = pieces.pop()
            last = max(word.end, known.end)
            pieces.append(Piece(known.begin, text[known.begin : end], known.start, last, (*known.words, word)))
        else:
            pieces.append(Piece(cut, text[begin:end], word.start, max(word.start, word.end), (word,)))
        offset = end
    return None if any(map(str.isalnum, text[offset:])) else pieces


def _find(text: str, word: str, offset: int) -> tuple[int, int]:
    """Where the word stands in the text, from ``offset`` on; begin -1: nowhere."""
    begin = text.find(word, offset)
    if begin < 0:
        word = " ".join(word.split())
        begin = text.find(word, offset)
    return begin, begin + len(word)


def _cut(text: str, gap: str, begin: int) -> int | None:
    """Where the text may be parted before the word at ``begin``: marks before a space stay with the word before."""
    if " " in gap:
        return begin - len(gap) + gap.index(" ") + 1
    return begin if 0 < begin < len(text) and may_part(text[begin - 1], text[begin], at_word=True) else None


def _lay_out(texts: Sequence[str], speech: Sequence[Span]) -> list[tuple[float, float]]:
    """Start and end of each text, one after the other over the seconds of the speech.

    A text that comes to lie over a pause is put where the longer part of it is.
    """
    weights = [weight(text) for text in texts]
    per_unit = sum(span.end - span.start for span in speech) / sum(weights)
    times = []
    rest = list(speech)[::-1]
    now = rest[-1].start
    for units in weights:
        left = units * per_unit
        lies = []
        while len(rest) > 1 and now + left >= rest[-1].end:
            lies.append((now, rest[-1].end))
            left -= rest.pop().end - now
            now = rest[-1].start
        lies.append((now, min(now + left, rest[-1].end)))
        now = lies[-1][1]
        times.append(max(lies, key=lambda part: part[1] - part[0]))
    return times
