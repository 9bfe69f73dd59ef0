"""Word times for engines without alignment: fitted to the sound between known borders.

The method: words share the speech of a chunk by how long they take to say (vowel groups and letters), where time counts
only as far as there is sound in it, so that pauses take no share; then all borders together are moved to where the
sound is weak, by dynamic programming over frames, preferring real pauses after punctuation; last, a word ends where
the silence around its border begins, and the next begins where it ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stenogram.types import SAMPLE_RATE, Chunk, Span, Word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FRAME = SAMPLE_RATE // 50
"""Samples per frame of energy: 20 ms."""
FRAME_S = FRAME / SAMPLE_RATE
REACH = 20
"""Frames that a border may move from its proportional place."""
QUIET_DB, LOUD_DB = 6.0, 20.0
"""Above the chunk's noise floor: where sound begins to count, and where it counts fully."""
FLOOR_DB = -70.0
"""Lowest noise floor believed, below full scale: digital silence is no measure."""
STRETCH = 0.35
"""Usual deviation of a word's length from its share."""
SOUND_COST, PAUSE_GAIN, PUNCTUATED_GAIN = 1.0, 2.0, 6.0
"""Cost of a border in full sound, and gain per second of pause at it, without and with punctuation before it; tuned on
joined recordings with known borders."""
SILENT = 0.05
"""Share of sound below which a frame is part of a pause."""
VOWELS = re.compile(r"[aeiouyаеёиоуыэюяäöüáéíóúàèìòùâêîôûãõœæø]+", re.IGNORECASE)  # noqa: RUF001 - Latin and Cyrillic
PUNCTUATED = re.compile(r"[.,;:?!…]\W*$")


def weight(word: str) -> float:
    """How long a word takes to say, in units of about a syllable."""
    letters = sum(letter.isalnum() for letter in word)
    digits = sum(letter.isdigit() for letter in word)
    return 0.5 * len(VOWELS.findall(word)) + 0.2 * letters + 0.8 * digits + 0.2


def interpolate(text_words: Sequence[str], chunk: Chunk) -> list[Word]:
    """Give each word a time inside the chunk's speech (``chunk.spans``; none: all of the chunk).

    Times are of the recording, monotonic, without overlap, each longer than zero, and marked ``interpolated``.
    """
    import numpy as np

    if not text_words:
        return []
    sound = _sound(chunk)
    shares = np.array([weight(word) for word in text_words])
    shares *= sound.total / shares.sum()
    borders = sound.fit(shares, [bool(PUNCTUATED.search(word)) for word in text_words])
    starts, ends = sound.trim(borders)
    times = _spread(chunk, starts, ends)
    return [Word(text, start, end, interpolated=True) for text, (start, end) in zip(text_words, times, strict=True)]


@dataclass(frozen=True, slots=True)
class _Sound:
    """How much each frame of a chunk sounds, 0..1, and what follows from it; nothing outside its speech sounds."""

    level: Floats
    passed: Floats
    """Sound up to each frame's beginning, in frames; one longer than ``level``."""
    pause: Floats
    """Length of the pause that a frame belongs to, seconds."""

    @property
    def total(self) -> float:
        """All sound, in frames."""
        return float(self.passed[-1])

    def fit(self, shares: Floats, punctuated: Sequence[bool]) -> list[int]:
        """Choose the frames at which words meet, first and last included: the cheapest way through all of them."""
        import numpy as np

        places = np.searchsorted(self.passed, np.cumsum(shares)[:-1])
        before, costs = np.zeros(1, np.int64), np.zeros(1)
        choices: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        for index, place in enumerate([*places, len(self.level)]):
            last = index == len(places)
            here = np.arange(place, place + 1) if last else self._near(int(place))
            length = self.passed[here][:, None] - self.passed[before][None]
            misfit = ((length - shares[index]) / (STRETCH * shares[index] + 1)) ** 2
            misfit[here[:, None] <= before[None]] = 1e6
            ways = misfit + costs[None]
            best = ways.argmin(axis=1)
            choices.append((before, best))
            costs = ways[np.arange(len(here)), best] + (0 if last else self._border_cost(here, punctuated[index]))
            before = here
        borders, at = [len(self.level)], 0
        for frames, best in reversed(choices):
            at = int(best[at])
            borders.append(int(frames[at]))
        return borders[::-1]

    def _near(self, place: int) -> npt.NDArray[np.int64]:
        import numpy as np

        return np.arange(max(place - REACH, 0), min(place + REACH, len(self.level) - 1) + 1)

    def _border_cost(self, frames: npt.NDArray[np.int64], punctuated: bool) -> Floats:
        import numpy as np

        gain = PUNCTUATED_GAIN if punctuated else PAUSE_GAIN
        return SOUND_COST * self.level[frames] - gain * np.minimum(self.pause[frames], 0.5)

    def trim(self, borders: Sequence[int]) -> tuple[list[int], list[int]]:
        """Starts and ends of the words between borders, without the pauses around them; frames."""
        import numpy as np

        starts, ends = [], []
        for low, high in zip(borders, borders[1:], strict=False):
            heard = low + np.flatnonzero(self.level[low:high] > SILENT)
            starts.append(int(heard[0]) if heard.size else low)
            ends.append(int(heard[-1]) + 1 if heard.size else high)
        return starts, ends


def _sound(chunk: Chunk) -> _Sound:
    import numpy as np

    count = max(1, round(chunk.duration / FRAME_S))
    samples = np.zeros(count * FRAME)
    given = chunk.samples[: len(samples)]
    samples[: len(given)] = given
    power = np.mean(np.square(samples.reshape(count, FRAME)), axis=1)
    decibels = 10 * np.log10(power + 1e-10)
    floor = max(float(np.percentile(decibels, 10)), FLOOR_DB)
    ceiling = max(float(np.percentile(decibels, 95)), floor + 1)
    quiet = floor + min(QUIET_DB, (ceiling - floor) / 4)
    level = np.clip((decibels - quiet) / min(LOUD_DB - QUIET_DB, ceiling - quiet), 0, 1)
    level *= _inside(chunk, count)
    if not level.any():
        level = np.ones(count)
    passed = np.concatenate([[0.0], np.cumsum(level)])
    return _Sound(level, passed, _pauses(level))


def _inside(chunk: Chunk, count: int) -> npt.NDArray[np.bool_]:
    """Which frames lie in the chunk's speech."""
    import numpy as np

    middles = chunk.start + (np.arange(count) + 0.5) * FRAME_S
    spans = chunk.spans or (Span(chunk.start, chunk.end),)
    inside = np.zeros(count, np.bool_)
    for span in spans:
        inside |= (middles >= span.start) & (middles <= span.end)
    return inside


def _pauses(level: Floats) -> Floats:
    import numpy as np

    silent = level <= SILENT
    edges = np.flatnonzero(np.diff(silent)) + 1
    lengths = np.zeros(len(level))
    for run in np.split(np.arange(len(level)), edges):
        if silent[run[0]]:
            lengths[run] = len(run) * FRAME_S
    return lengths


def _spread(chunk: Chunk, starts: Sequence[int], ends: Sequence[int]) -> list[tuple[float, float]]:
    """Frames as times; where words crowd into too few frames, they share what there is."""
    least = min(FRAME_S, chunk.duration / len(starts)) / 2
    times: list[tuple[float, float]] = []
    earliest = chunk.start
    for index, (first, last) in enumerate(zip(starts, ends, strict=True)):
        latest = chunk.end - (len(starts) - index) * least
        start = min(max(chunk.start + first * FRAME_S, earliest), latest)
        end = min(max(chunk.start + last * FRAME_S, start + least), latest + least)
        times.append((start, end))
        earliest = end
    return times
