"""How much a chunk sounds, frame by frame: what word borders are fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from stenogram.types import SAMPLE_RATE, Chunk, Span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FRAME = SAMPLE_RATE // 50
"""Samples per frame of energy: 20 ms."""
FRAME_S = FRAME / SAMPLE_RATE
QUIET_DB, LOUD_DB = 6.0, 20.0
"""Above the chunk's noise floor: where sound begins to count, and where it counts fully."""
FLOOR_DB = -70.0
"""Lowest noise floor believed, below full scale: digital silence is no measure."""
SILENT = 0.05
"""Share of sound below which a frame is part of a pause."""
LONGEST_PAUSE_S = 0.5
"""A longer pause is no better a border than this."""


@dataclass(frozen=True, slots=True)
class Sound:
    """How much each frame of a chunk sounds, 0..1, and the pauses in it; nothing outside its speech sounds."""

    level: Floats
    pause: Floats
    """Length of the pause that a frame belongs to, seconds, at most ``LONGEST_PAUSE_S``; 0 in sound."""

    def trim(self, borders: Sequence[int]) -> list[tuple[int, int] | None]:
        """First frame and end of each word between neighbouring borders, without the pauses around it.

        None: all of it is pause.
        """
        import numpy as np

        words: list[tuple[int, int] | None] = []
        for low, high in pairwise(borders):
            heard = low + np.flatnonzero(self.level[low:high] > SILENT)
            words.append((int(heard[0]), int(heard[-1]) + 1) if heard.size else None)
        return words


def measure(chunk: Chunk) -> Sound:
    """Measure a chunk of at least one frame."""
    import numpy as np

    count = max(1, round(chunk.duration / FRAME_S))
    samples = np.zeros(count * FRAME)
    given = chunk.samples[: len(samples)]
    samples[: len(given)] = given
    decibels = 10 * np.log10(np.mean(np.square(samples.reshape(count, FRAME)), axis=1) + 1e-10)
    floor = max(float(np.percentile(decibels, 10)), FLOOR_DB)
    ceiling = max(float(np.percentile(decibels, 95)), floor + 1)
    quiet = floor + min(QUIET_DB, (ceiling - floor) / 4)
    level = np.clip((decibels - quiet) / min(LOUD_DB - QUIET_DB, ceiling - quiet), 0, 1) * _inside(chunk, count)
    if not level.any():
        level = np.ones(count)
    return Sound(level, _pauses(level))


def _inside(chunk: Chunk, count: int) -> npt.NDArray[np.bool_]:
    """Which frames lie in the chunk's speech."""
    import numpy as np

    middles = chunk.start + (np.arange(count) + 0.5) * FRAME_S
    inside = np.zeros(count, np.bool_)
    for span in chunk.spans or (Span(chunk.start, chunk.end),):
        inside |= (middles >= span.start) & (middles <= span.end)
    return inside


def _pauses(level: Floats) -> Floats:
    import numpy as np

    silent = level <= SILENT
    lengths = np.zeros(len(level))
    for run in np.split(np.arange(len(level)), np.flatnonzero(np.diff(silent)) + 1):
        if silent[run[0]]:
            lengths[run] = min(len(run) * FRAME_S, LONGEST_PAUSE_S)
    return lengths
