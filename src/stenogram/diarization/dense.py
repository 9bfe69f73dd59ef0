"""A recording without its silence, and the way back to its own clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from stenogram.types import SAMPLE_RATE, Audio, Span

if TYPE_CHECKING:
    from stenogram.types import Samples

PAUSE_S = 2.0
"""A silence longer than this is removed; shorter ones belong to how people take turns."""
MARGIN_S = 0.5
"""So much of it is left on either side: speech detection may be a little late."""

_MINUTE = 60 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Dense:
    """Stretches of a recording, joined: samples ``starts[i]`` to ``ends[i]``, one after the other."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    places: tuple[int, ...]
    """Where each stretch begins in the joined sound; at the end, its length."""

    @classmethod
    def of(cls, speech: Sequence[Span], sample_count: int, *, finished: bool) -> Dense:
        """The stretches with speech. While more is to come, the last one ends with what is known to be speech."""
        joined: list[list[float]] = []
        for span in speech:
            if joined and span.start - joined[-1][1] <= PAUSE_S:
                joined[-1][1] = max(joined[-1][1], span.end)
            else:
                joined.append([span.start, span.end])
        starts = [max(round((start - MARGIN_S) * SAMPLE_RATE), 0) for start, _ in joined]
        ends = [min(round((end + MARGIN_S) * SAMPLE_RATE), sample_count) for _, end in joined]
        if joined and not finished:
            ends[-1] = min(round(joined[-1][1] * SAMPLE_RATE), sample_count)
        places = accumulate((end - start for start, end in zip(starts, ends, strict=True)), initial=0)
        return cls(tuple(starts), tuple(ends), tuple(places))

    def __len__(self) -> int:
        """Samples of the joined sound."""
        return self.places[-1]

    def window(self, audio: Audio, start: int, end: int) -> Samples:
        """Samples ``start`` to ``end`` of the joined sound, with zeros behind its end."""
        import numpy as np

        found = np.zeros(end - start, np.float32)
        for first, last in self._stretches(start, min(end, len(self))):
            place = self.place(first) - start
            found[place : place + last - first] = audio.window(first, last)
        return found

    def write(self, audio: Audio, path: Path) -> Audio:
        """The joined sound as a file of its own, written minute by minute."""
        with path.open("wb") as file:
            for start in range(0, len(self), _MINUTE):
                file.write(self.window(audio, start, min(start + _MINUTE, len(self))).tobytes())
        return Audio(path, len(self))

    def place(self, sample: int) -> int:
        """Where a sample of the recording, which must be in a stretch, is in the joined sound."""
        stretch = bisect_right(self.starts, sample) - 1
        return self.places[stretch] + sample - self.starts[stretch]

    def spans(self, start: int, end: int) -> list[Span]:
        """Samples ``start`` to ``end`` of the joined sound on the clock of the recording, one span for each stretch."""
        return [Span(first / SAMPLE_RATE, last / SAMPLE_RATE) for first, last in self._stretches(start, end)]

    def _stretches(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        stretch = max(bisect_right(self.places, start) - 1, 0)
        while stretch < len(self.starts) and self.places[stretch] < end:
            shift = self.starts[stretch] - self.places[stretch]
            first, last = max(start, self.places[stretch]), min(end, self.places[stretch + 1])
            if first < last:
                yield first + shift, last + shift
            stretch += 1
