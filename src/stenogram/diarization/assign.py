"""Who said which word: the words of a transcript, and the turns of its speakers.

Each word has one speaker. What it costs to give a word to a speaker is told in seconds:

- the word lies in turns: the seconds by which the speaker's turns cover less of it than those of the one who covers it
  most. So the largest overlap wins;
- it lies in no turn: the seconds by which the speaker's nearest turn is further away than the nearest of all, but not
  more than the word is long. So the nearest turn wins;
- the speaker changes before the word: nothing after the end of a sentence, ``CHANGE_S`` inside one, less after a comma
  or in a pause. So a turn that begins a word too early or too late is put right, and a word or two in the middle of a
  sentence are nobody else's, but "Yes." between two sentences stays whose it is;
- where all is equal, the speaker goes on.

All words of the recording are given together, so that the sum is least (Viterbi 1967). Where the text has no sentences
(an engine without punctuation), the turns alone decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from stenogram.diarization.pieces import Piece, Run, put_together, take_apart
from stenogram.engines.segments import ABBREVIATION
from stenogram.formats.breaks import break_cost
from stenogram.types import Segment, Span, SpeakerTurn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

CHANGE_S = 0.35
"""Price of a change of speaker inside a sentence. A short word takes 0.3 s, so that two changes around one cost more
than the word, and a clause of three words is still believed. Of 0 to 1 s tried on 7,130 real words in made-up talks
(turns off by 0.1 to 0.3 s, false ones, short answers, interruptions), 0.2 to 0.5 are best: with borders off by 0.2 s,
5.4 % of the words get a wrong speaker, by overlap alone 7.0 %."""
LAID_OUT_CHANGE_S = 1.5
"""The same inside a segment without word times, whose words may be a second away from where they were laid out."""
CLAUSE = 0.4
"""Part of the price after a comma (``formats.breaks``), and in a pause."""
PAUSE_S = 0.3
"""A gap between two words of this length is a pause."""
SAME_S = 0.001
"""Least difference that makes a speaker change; below it is the dust of floats."""
LEAST_WORD_S = 0.1
"""A word counts for at least this length where it lies in no turn: some engines give words no length."""
LONGEST_SENTENCE = 80
"""Pieces of text without the end of a sentence; more of them are text without punctuation."""


def assign(segments: Sequence[Segment], turns: Sequence[SpeakerTurn]) -> list[Segment]:
    """The same words with their speakers: every segment has one, and those in which the speaker changes are split.

    Words and text stay in order and complete. The result is in order of time and numbered from 0; of a segment without
    words the parts have none either. Without turns the segments come back as they are.
    """
    voices = _Voices(turns)
    if not voices.names:
        return list(segments)
    ordered = sorted(segments, key=lambda segment: segment.start)
    apart = [take_apart(segment, () if segment.words else voices.speech(segment)) for segment in ordered]
    pieces = [piece for own in apart for piece in own]
    speakers = iter(_cheapest(voices.losses(pieces), _prices(ordered, apart)) if pieces else ())
    parts: list[Segment] = []
    for segment, own in zip(ordered, apart, strict=True):
        runs, begin = [], 0
        for speaker, group in groupby(next(speakers) for _ in own):
            end = begin + sum(1 for _ in group)
            runs.append(Run(begin, end, voices.names[speaker]))
            begin = end
        parts += put_together(segment, own, runs)
    parts.sort(key=lambda part: part.start)
    return [replace(part, id=number) for number, part in enumerate(parts)]


class _Voices:
    """The turns, speaker by speaker in order of appearance."""

    def __init__(self, turns: Iterable[SpeakerTurn]) -> None:
        by_name: dict[str, list[Span]] = {}
        self._speech: list[Span] = []
        for turn in sorted((turn for turn in turns if turn.end > turn.start), key=lambda turn: turn.start):
            _extend(by_name.setdefault(turn.speaker, []), turn)
            _extend(self._speech, turn)
        self.names = list(by_name)
        self._spans = list(by_name.values())

    def speech(self, segment: Segment) -> list[Span]:
        """What of the segment's time lies in turns."""
        from bisect import bisect_right

        first = max(bisect_right(self._speech, segment.start, key=lambda span: span.start) - 1, 0)
        found = []
        for span in self._speech[first:]:
            if span.start >= segment.end:
                break
            if span.end > segment.start:
                found.append(Span(max(span.start, segment.start), min(span.end, segment.end)))
        return found

    def losses(self, pieces: Sequence[Piece]) -> list[list[float]]:
        """What it costs to give each piece to each speaker, seconds."""
        import numpy as np

        starts = np.array([piece.start for piece in pieces])
        ends = np.array([piece.end for piece in pieces])
        overlaps, distances = np.empty((2, len(self._spans), len(pieces)))
        for speaker, spans in enumerate(self._spans):
            begun = np.array([span.start for span in spans])
            ended = np.array([span.end for span in spans])
            overlaps[speaker] = _covered(begun, ended, ends) - _covered(begun, ended, starts)
            following = np.searchsorted(begun, starts, "right")
            before = starts - np.append(-np.inf, ended)[following]
            after = np.append(begun, np.inf)[following] - ends
            distances[speaker] = np.maximum(np.minimum(before, after), 0.0)
        most, least = overlaps.max(axis=0), distances.min(axis=0)
        further = np.minimum(distances - least, np.maximum(ends - starts, LEAST_WORD_S))
        losses: list[list[float]] = np.where(most > 0, most - overlaps, further).T.tolist()
        return losses


def _extend(spans: list[Span], turn: SpeakerTurn) -> None:
    """Add a turn to spans that do not touch each other; turns come by their start."""
    if spans and turn.start <= spans[-1].end:
        spans[-1] = Span(spans[-1].start, max(spans[-1].end, turn.end))
    else:
        spans.append(Span(turn.start, turn.end))


def _covered(begun: Floats, ended: Floats, times: Floats) -> Floats:
    """Seconds of the spans that lie before each of the times."""
    import numpy as np

    edges = np.stack([begun, ended], axis=1).ravel()
    passed = np.repeat(np.append(0.0, np.cumsum(ended - begun)), 2)[1:-1]
    covered: Floats = np.interp(times, edges, passed)
    return covered


# --- changes ---------------------------------------------------------------------------------------------------------


def _prices(segments: Sequence[Segment], apart: Sequence[Sequence[Piece]]) -> list[float]:
    """What a change of speaker costs before each piece but the first, seconds."""
    pieces = [piece for own in apart for piece in own]
    inside = [
        LAID_OUT_CHANGE_S if place and not segment.words else CHANGE_S
        for segment, own in zip(segments, apart, strict=True)
        for place in range(len(own))
    ]
    places = [_place(before, after) for before, after in pairwise(pieces)]
    prices = [place * price + SAME_S for place, price in zip(places, inside[1:], strict=True)]
    ends = [number + 1 for number, place in enumerate(places) if not place]
    if _ends_sentence(pieces[-1].text):
        ends.append(len(pieces))
    begin = 0
    for end in [*ends, len(pieces) + LONGEST_SENTENCE]:
        if end - begin > LONGEST_SENTENCE:
            prices[begin : end - 1] = [SAME_S] * len(prices[begin : end - 1])
        begin = end
    return prices


def _place(before: Piece, after: Piece) -> float:
    """Part of the price between two pieces: 0 after a sentence, 1 inside a clause."""
    cost = 1.0 if before.text[-1:].isalnum() else break_cost(before.text)
    if not cost and not _ends_sentence(before.text):
        cost = 1.0
    elif not cost and next(filter(str.isalnum, after.text), "").islower():
        cost = CLAUSE  # "Well... no", "Really? he said"
    return min(cost, CLAUSE) if after.start - before.end >= PAUSE_S else cost


def _ends_sentence(text: str) -> bool:
    if break_cost(text):
        return False
    # "No." is an answer far more often than a number.
    return text.casefold() == "no." or not ABBREVIATION.match(text)


def _cheapest(losses: Sequence[Sequence[float]], prices: Sequence[float]) -> list[int]:
    """The speaker of each piece, so that losses and prices of changes together are least."""
    sums = list(losses[0])
    came: list[tuple[int, float, list[float]]] = []
    for loss, price in zip(losses[1:], prices, strict=True):
        least = min(sums)
        limit = least + price
        came.append((sums.index(least), limit, sums))
        sums = [min(total, limit) + own for total, own in zip(sums, loss, strict=True)]
    path = [sums.index(min(sums))]
    for speaker, limit, sums in reversed(came):
        path.append(speaker if sums[path[-1]] >= limit else path[-1])
    return path[::-1]
