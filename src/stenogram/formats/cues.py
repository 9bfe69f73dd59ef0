"""Segments cut into subtitle cues: what stands on the screen at once, in lines that read well.

A segment's text is taken apart into the smallest pieces that may not be broken (words; single characters of Chinese and
Japanese), each with its time. Then two searches of one kind find the best partition: of the segment into cues, and of
each cue into lines. Both weigh how few parts there are, where they end (best after a sentence), how even they are, and
whether a word stands alone; the first, whether the cues can be read in their time as well. How long they stand is at
last decided by ``pace``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import NamedTuple

from stenogram.formats.breaks import break_cost, characters, unit_starts, width
from stenogram.formats.pace import shown_until
from stenogram.types import Segment, SubtitleOptions

_PAUSE_MS = 300
"""A silence of this length between words is as good a place for the end of a cue as a comma."""
_ORPHAN = 0.6
"""Cost of a part that is one piece alone, in costs of a break inside a clause."""
_HASTE = 10.0
"""Cost of a full cue of which nothing can be read in time; so a tenth of one that can be read is worth another cue."""
_FOREVER_MS = 2**53
"""Later than anything; a float has it exactly."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle; times in milliseconds, ``end_ms > start_ms``."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    """Not empty, none of them blank."""
    speaker: str | None = None

    @property
    def characters(self) -> int:
        """What there is to read."""
        return sum(map(characters, self.lines))


class _Unit(NamedTuple):
    """A piece of text that stays whole."""

    text: str
    start_ms: int
    end_ms: int
    spaced: bool
    """A space stands before it."""


class _Stretch(NamedTuple):
    """Characters ``begin`` to ``end`` of a text, spoken evenly from ``start_ms`` to ``end_ms``."""

    begin: int
    end: int
    start_ms: int
    end_ms: int

    def at(self, offset: int) -> int:
        share = (offset - self.begin) / (self.end - self.begin)
        return round(self.start_ms + min(max(share, 0.0), 1.0) * (self.end_ms - self.start_ms))


def cut(
    segments: Iterable[Segment],
    options: SubtitleOptions,
    prefix: Callable[[str], str] = lambda _: "",
    duration_s: float = 0.0,
) -> list[Cue]:
    """All cues in order of time; ``prefix`` makes of a speaker what the first line of the cue begins with.

    A line is wider than ``max_line_chars`` and a cue longer than ``max_cue_s`` only where a single word is. Cues
    overlap only where their segments do. No cue is lengthened past the end of the recording, ``duration_s``; 0: it is
    not known.
    """
    end_ms = (round(duration_s * 1000) or _FOREVER_MS) + options.min_gap_ms  # before the end no gap is needed
    in_time = sorted(segments, key=lambda segment: segment.start)
    following = [max(round(segment.start * 1000), 0) for segment in in_time[1:]] + [end_ms]
    found = [
        (segment, cue)
        for segment, until_ms in zip(in_time, following, strict=False)
        for cue in _cut_segment(segment, options, prefix, until_ms)
    ]
    # By the end as well, so that of two with one start the one without length comes first.
    found.sort(key=lambda pair: (pair[1].start_ms, pair[1].end_ms))
    return _paced(_in_turn(found), options, end_ms)


def _paced(cues: Sequence[Cue], options: SubtitleOptions, end_ms: int) -> list[Cue]:
    """The cues, each standing for as long as it should."""
    if not options.max_cps and not options.min_gap_ms:
        return list(cues)
    following = [*(cue.start_ms for cue in cues[1:]), end_ms]
    return [
        replace(cue, end_ms=shown_until((cue.start_ms, cue.end_ms), next_ms, cue.characters, options))
        for cue, next_ms in zip(cues, following, strict=False)
    ]


def _in_turn(found: Sequence[tuple[Segment, Cue]]) -> list[Cue]:
    """Give every cue at least a millisecond, and push it behind the one before unless people talk over each other."""
    cues: list[Cue] = []
    before: Segment | None = None
    for segment, cue in found:
        start_ms = cue.start_ms
        if before is not None:
            start_ms = max(start_ms, cues[-1].start_ms if _overlap(before, segment) else cues[-1].end_ms)
        cues.append(Cue(start_ms, max(cue.end_ms, start_ms + 1), cue.lines, cue.speaker))
        before = segment
    return cues


def _overlap(one: Segment, other: Segment) -> bool:
    return one is not other and one.start < other.end and other.start < one.end


def _cut_segment(
    segment: Segment, options: SubtitleOptions, prefix: Callable[[str], str], following_ms: int
) -> list[Cue]:
    units = _units(segment)
    if not units:
        return []
    speaker = " ".join(segment.speaker.split()) if segment.speaker else None
    return _Sheet(units, options, prefix(speaker) if speaker else "", following_ms).cues(speaker)


# --- pieces and their times ------------------------------------------------------------------------------------------


def _units(segment: Segment) -> list[_Unit]:
    text = " ".join(segment.text.split())
    if not text:
        return []
    stretches = _stretches(segment, text)
    begins = [stretch.begin for stretch in stretches]

    def spoken(offset: int) -> _Stretch:
        return stretches[max(bisect_right(begins, offset) - 1, 0)]

    units = []
    for begin, end in pairwise([*unit_starts(text, frozenset(begins)), len(text)]):
        piece = text[begin:end].rstrip()
        last = begin + len(piece)
        spaced = begin > 0 and text[begin - 1] == " "
        units.append(_Unit(piece, spoken(begin).at(begin), spoken(last - 1).at(last), spaced))
    return units


def _stretches(segment: Segment, text: str) -> list[_Stretch]:
    """The segment's words found in its text; the whole text as one stretch where they are missing or differ.

    Times are kept in order and inside the segment, whatever the engine said.
    """
    start_ms = max(round(segment.start * 1000), 0)
    end_ms = max(round(segment.end * 1000), start_ms)
    whole = [_Stretch(0, len(text), start_ms, end_ms)]
    stretches: list[_Stretch] = []
    offset, now_ms = 0, start_ms
    for word in segment.words:
        spelling = " ".join(word.word.split())
        if not spelling:
            continue
        begin = text.find(spelling, offset)
        if begin < 0 or any(map(str.isalnum, text[offset:begin])):
            return whole
        offset = begin + len(spelling)
        word_start_ms = min(max(round(word.start * 1000), now_ms), end_ms)
        now_ms = min(max(round(word.end * 1000), word_start_ms), end_ms)
        stretches.append(_Stretch(begin, offset, word_start_ms, now_ms))
    return whole if any(map(str.isalnum, text[offset:])) else stretches or whole


# --- parting ---------------------------------------------------------------------------------------------------------


def _partition(first: int, last: int, cost: Callable[[int, int], float]) -> list[tuple[int, int]]:
    """The cheapest way to part ``first .. last`` into runs ``(begin, end)``.

    A run that does not fit costs ``inf``; a longer one that contains it does not fit either; a run of one always fits.
    """
    best = {first: 0.0}
    came_from: dict[int, int] = {}
    for end in range(first + 1, last + 1):
        best[end] = inf
        for begin in range(end - 1, first - 1, -1):
            price = cost(begin, end)
            if price == inf:
                break
            if best[begin] + price < best[end]:
                best[end], came_from[end] = best[begin] + price, begin
    runs = []
    while last > first:
        runs.append((came_from[last], last))
        last = came_from[last]
    return runs[::-1]


class _Sheet:
    """The pieces of one segment with their widths, and what it costs to put some on a line or into a cue."""

    def __init__(self, units: Sequence[_Unit], options: SubtitleOptions, prefix: str, following_ms: int) -> None:
        self._units = units
        self._options = options
        self._prefix = prefix
        self._edges = [0]
        """Columns up to the end of each piece, had all one line."""
        self._counts = [characters(prefix)]
        """Characters up to the end of each piece, had all one line."""
        for unit in units:
            self._edges.append(self._edges[-1] + unit.spaced + width(unit.text))
            self._counts.append(self._counts[-1] + unit.spaced + characters(unit.text))
        self._following_ms = [unit.start_ms for unit in units[1:]] + [following_ms]
        """When what comes after each piece begins."""
        self._break_costs = [self._break_cost(index) for index in range(len(units))]

    def cues(self, speaker: str | None) -> list[Cue]:
        """The segment as cues."""
        return [
            Cue(self._units[begin].start_ms, self._units[end - 1].end_ms, self._lines(begin, end), speaker)
            for begin, end in _partition(0, len(self._units), self._cue_cost)
        ]

    def _lines(self, begin: int, end: int) -> tuple[str, ...]:
        # The prefix stands before the first piece of the cue and takes its room from the first line.
        lead = width(self._prefix)
        runs = _partition(begin, end, lambda a, b: self._line_cost(a, b, lead if a == begin else 0, end))
        lines = [self._joined(a, b) for a, b in runs]
        lines[0] = self._prefix + lines[0]
        return tuple(lines)

    def _joined(self, begin: int, end: int) -> str:
        first, *others = self._units[begin:end]
        return first.text + "".join(" " * unit.spaced + unit.text for unit in others)

    def _cue_cost(self, begin: int, end: int) -> float:
        options = self._options
        if end - begin > 1 and (
            self._units[end - 1].end_ms - self._units[begin].start_ms > options.max_cue_s * 1000
            or self._lines_needed(begin, end) > options.max_lines
        ):
            return inf
        fill = self._width(begin, end) / (options.max_line_chars * options.max_lines)
        haste = _HASTE * self._unread(begin, end) / (options.max_line_chars * options.max_lines)
        return 1 + 0.5 * fill**2 + haste + self._end_cost(begin, end, len(self._units))

    def _unread(self, begin: int, end: int) -> float:
        """How many characters of a cue nobody can read in the time it may stand."""
        if not self._options.max_cps:
            return 0.0
        count = self._counts[end] - self._counts[begin] - self._units[begin].spaced + self._counts[0]
        start_ms = self._units[begin].start_ms
        until_ms = shown_until(
            (start_ms, self._units[end - 1].end_ms), self._following_ms[end - 1], count, self._options
        )
        return max(count - self._options.max_cps * (until_ms - start_ms) / 1000, 0.0)

    def _line_cost(self, begin: int, end: int, lead: int, cue_end: int) -> float:
        fill = (lead + self._width(begin, end)) / self._options.max_line_chars
        if end - begin > 1 and fill > 1:
            return inf
        # As few lines as can be before all else; then even ones, the lower rather longer; then good breaks.
        longer_above = 0.02 * fill if end < cue_end else 0.0
        return 100 + fill**2 + longer_above + 0.3 * self._end_cost(begin, end, cue_end)

    def _end_cost(self, begin: int, end: int, last: int) -> float:
        alone = _ORPHAN if end - begin == 1 and last > 1 else 0.0
        return alone + (self._break_costs[end - 1] if end < last else 0.0)

    def _break_cost(self, index: int) -> float:
        """How bad it is to break after the piece ``index``."""
        if index + 1 == len(self._units):
            return 0.0
        unit, following = self._units[index : index + 2]
        cost = break_cost(unit.text)
        if following.start_ms - unit.end_ms >= _PAUSE_MS:
            cost = min(cost, 0.4)
        return cost if following.spaced else cost + 0.2

    def _width(self, begin: int, end: int) -> int:
        return self._edges[end] - self._edges[begin] - self._units[begin].spaced

    def _lines_needed(self, begin: int, end: int) -> int:
        """Lines that the pieces take when each line is filled to the limit; stops counting past ``max_lines``."""
        limit, room, lines = self._options.max_line_chars, width(self._prefix), 0
        while begin < end and lines <= self._options.max_lines:
            reach = self._edges[begin] + self._units[begin].spaced + limit - room
            begin = max(bisect_right(self._edges, reach) - 1, begin + 1)
            lines, room = lines + 1, 0
        return lines
