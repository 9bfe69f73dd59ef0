"""Turns of speakers, while what they said is given to others."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter

from stenogram.types import Segment, SpeakerTurn

_start, _end = itemgetter(0), itemgetter(1)


class Turns:
    """Each change costs the same however many turns there are."""

    def __init__(self, turns: Sequence[SpeakerTurn]) -> None:
        self._as_found = turns
        self._of: dict[str, list[tuple[float, float]]] = {}
        """Speaker -> start and end of their turns, in order, of which none touches another."""
        self._changed = False

    def give(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Take the time of ``new`` segments from who spoke in the ``old`` ones, and give it to who speaks now."""
        before = {segment.speaker for segment in old}
        if not new or (len(before) == 1 and before == {segment.speaker for segment in new}):
            return
        if not self._changed:
            if not self._as_found:
                return
            for turn in sorted(self._as_found, key=lambda turn: turn.start):
                self._add(turn.speaker, turn.start, turn.end)
            self._changed = True
        if not any(self._of.values()):
            return
        for segment in new:
            for speaker in before | {segment.speaker}:
                self._cut(speaker, segment.start, segment.end)
            if segment.speaker is not None and segment.end > segment.start:
                self._add(segment.speaker, segment.start, segment.end)

    def told(self) -> Sequence[SpeakerTurn]:
        """The turns, in order."""
        if not self._changed:
            return self._as_found
        return sorted(self._all(), key=lambda turn: turn.start)

    def _all(self) -> Iterable[SpeakerTurn]:
        return (SpeakerTurn(start, end, speaker) for speaker, spans in self._of.items() for start, end in spans)

    def _cut(self, speaker: str | None, start: float, end: float) -> None:
        spans = self._of.get(speaker, []) if speaker is not None else []
        first, last = bisect_right(spans, start, key=_end), bisect_left(spans, end, key=_start)
        if first >= last or end <= start:
            return
        left, right = (spans[first][0], start), (end, spans[last - 1][1])
        spans[first:last] = [part for part in (left, right) if part[0] < part[1]]

    def _add(self, speaker: str, start: float, end: float) -> None:
        spans = self._of.setdefault(speaker, [])
        first, last = bisect_left(spans, start, key=_end), bisect_right(spans, end, key=_start)
        if first < last:
            start, end = min(start, spans[first][0]), max(end, spans[last - 1][1])
        spans[first:last] = [(start, end)]
