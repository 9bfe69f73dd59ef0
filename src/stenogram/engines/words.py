"""Word times: from a model's attention where it gives one, fitted between known borders where it does not.

Both ways choose all borders of a chunk together, by dynamic programming, and prefer to lay them where the sound is
weak; then a word ends where the silence around its border begins, and the next begins where it ends. Times are of the
recording, monotonic, without overlap, each longer than zero.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from stenogram.engines.sound import FRAME_S, Sound, measure
from stenogram.types import Chunk, Word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Indexes = npt.NDArray[np.int64]

REACH = 20
"""Frames that an interpolated border may move from its proportional place."""
STRETCH = 0.35
"""Usual deviation of a word's length from its share."""
SOUND_COST, PAUSE_GAIN, PUNCTUATED_GAIN = 1.0, 2.0, 6.0
"""Interpolation: cost of a border in full sound, and gain per second of pause, without and with punctuation."""
ALIGNED_SOUND_COST, ALIGNED_PAUSE_GAIN = 5.0, 5.0
"""Alignment: the same, in the unit of log-attention per 20 ms; the best of three tried on joined recordings."""
LEAST_ATTENTION = 1e-3
"""Attention below this is as good as none."""
VOWELS = re.compile(r"[aeiouyаеёиоуыэюяäöüáéíóúàèìòùâêîôûãõœæø]+", re.IGNORECASE)  # noqa: RUF001 - Latin and Cyrillic
PUNCTUATED = re.compile(r"[.,;:?!…]\W*$")


def align(
    text_words: Sequence[str],
    attention: npt.NDArray[np.float32],
    frame_s: float,
    chunk: Chunk,
    *,
    lead_s: float = 0.0,
) -> list[Word]:
    """Give each word the time that the model attended to while it wrote it.

    ``attention`` ``[words, T]``: how strongly each word was read from each of the model's frames of ``frame_s``
    seconds, rows that sum to about 1. ``lead_s``: silence put before the chunk for the model.
    """
    import numpy as np

    if not text_words:
        return []
    sound = measure(chunk)
    middles = (np.arange(len(sound.level)) + 0.5) * FRAME_S + lead_s
    frames = np.minimum((middles / frame_s).astype(int), attention.shape[1] - 1)
    gains = np.log(np.maximum(attention, LEAST_ATTENTION))[:, frames]
    costs = ALIGNED_SOUND_COST * sound.level - ALIGNED_PAUSE_GAIN * sound.pause
    return _words(text_words, chunk, sound.trim(_segment(gains, np.append(costs, 0.0))), interpolated=False)


def place(text_words: Sequence[str], borders: Sequence[int], chunk: Chunk) -> list[Word]:
    """Give words the times between known borders, without the pauses at them.

    ``borders``: frames of ``FRAME_S`` on the clock of the chunk, in order, one more than words.
    """
    sound = measure(chunk)
    inside = [min(max(border, 0), len(sound.level)) for border in borders]
    return _words(text_words, chunk, sound.trim(inside), interpolated=False) if text_words else []


def _segment(gains: Floats, costs: Floats) -> list[int]:
    """Cut ``T`` frames into one run per row so that the sum of gains, less the costs of the cuts, is greatest."""
    import numpy as np

    frames = gains.shape[1]
    best = np.full(frames + 1, -np.inf)
    best[0] = 0.0
    choices: list[Indexes] = []
    for row, gain in enumerate(gains):
        passed = np.concatenate([[0.0], np.cumsum(gain)])
        begun = best - passed - (costs if row else 0.0)
        highest = np.maximum.accumulate(begun)
        choices.append(np.maximum.accumulate(np.where(begun >= highest, np.arange(frames + 1), 0)))
        best = np.concatenate([[-np.inf], passed[1:] + highest[:-1]])
    borders = [frames]
    for choice in reversed(choices):
        borders.append(int(choice[max(borders[-1] - 1, 0)]))
    return borders[::-1]


def interpolate(text_words: Sequence[str], chunk: Chunk) -> list[Word]:
    """Share a chunk's speech (``chunk.spans``; none: all of it) among words; marked ``interpolated``.

    Each gets as much as it takes to say (vowel groups and letters), where time counts only as far as there is sound
    in it, so that pauses take no share.
    """
    import numpy as np

    if not text_words:
        return []
    sound = measure(chunk)
    shares = np.array([weight(word) for word in text_words])
    shares *= sound.level.sum() / shares.sum()
    borders = _fit(sound, shares, [bool(PUNCTUATED.search(word)) for word in text_words])
    return _words(text_words, chunk, sound.trim(borders), interpolated=True)


def weight(word: str) -> float:
    """How long a word takes to say, in units of about a syllable."""
    letters = sum(letter.isalnum() for letter in word)
    digits = sum(letter.isdigit() for letter in word)
    return 0.5 * len(VOWELS.findall(word)) + 0.2 * letters + 0.8 * digits + 0.2


def _fit(sound: Sound, shares: Floats, punctuated: Sequence[bool]) -> list[int]:
    """The frames at which words meet, first and last included: the cheapest way through all borders near their places.

    A word's cost is the square of how far its sound is from its share.
    """
    import numpy as np

    frames = len(sound.level)
    passed = np.concatenate([[0.0], np.cumsum(sound.level)])
    before, costs = np.zeros(1, np.int64), np.zeros(1)
    choices: list[tuple[Indexes, Indexes]] = []
    for index, place in enumerate([*np.searchsorted(passed, np.cumsum(shares)[:-1]), frames]):
        last = index == len(shares) - 1
        here = np.array([frames]) if last else np.arange(max(place - REACH, 0), min(place + REACH, frames - 1) + 1)
        length = passed[here][:, None] - passed[before][None]
        ways = ((length - shares[index]) / (STRETCH * shares[index] + 1)) ** 2 + costs[None]
        ways[here[:, None] <= before[None]] += 1e6  # a word without a frame only where there are too few
        best = ways.argmin(axis=1)
        choices.append((before, best))
        costs = ways[np.arange(len(here)), best]
        if not last:
            gain = PUNCTUATED_GAIN if punctuated[index] else PAUSE_GAIN
            costs = costs + SOUND_COST * sound.level[here] - gain * sound.pause[here]
        before = here
    borders, at = [frames], 0
    for places, best in reversed(choices):
        at = int(best[at])
        borders.append(min(int(places[at]), borders[-1]))
    return borders[::-1]


def _voiced(text_words: Sequence[str], runs: Sequence[tuple[int, int] | None]) -> list[tuple[int, int]]:
    """Frames for every word: those that fell into a pause share a neighbour's, by weight.

    A short word after a pause draws the model's attention while the pause still lasts ("It" of "It was"): it shares the
    next word's. Up to the end of a clause, and at the end, such words share those of the word before. Without this,
    words after a pause of 0.8 s begin 0.19 s early; with it, 0.01 s.
    """
    spoken = [index for index, run in enumerate(runs) if run is not None]
    if not spoken:
        return _shared(text_words, (0, len(text_words)))
    groups = {index: [index] for index in spoken}
    for before, after in pairwise([-1, *spoken, len(runs)]):
        silent = range(before + 1, after)
        ends = [index for index in silent if PUNCTUATED.search(text_words[index])]
        border = len(runs) if after == len(runs) else ends[-1] + 1 if ends and before >= 0 else 0
        for index in silent:
            groups[before if index < border else after].append(index)
    voiced: list[tuple[int, int]] = []
    for index in spoken:
        words = [text_words[place] for place in sorted(groups[index])]
        run = runs[index]
        voiced += _shared(words, run) if run is not None else []
    return voiced


def _shared(words: Sequence[str], run: tuple[int, int]) -> list[tuple[int, int]]:
    """Part a run of frames among words by their weight."""
    total, begun, passed = sum(map(weight, words)), run[0], 0.0
    parts = []
    for word in words:
        passed += weight(word)
        end = round(run[0] + (run[1] - run[0]) * passed / total)
        parts.append((begun, end))
        begun = end
    return parts


def _words(
    text_words: Sequence[str], chunk: Chunk, runs: Sequence[tuple[int, int] | None], *, interpolated: bool
) -> list[Word]:
    """Frames as times; where words crowd into too few frames, they share what there is."""
    frames = _voiced(text_words, runs)
    least = min(FRAME_S, chunk.duration / len(frames)) / 2
    words: list[Word] = []
    earliest = chunk.start
    for index, (text, (first, last)) in enumerate(zip(text_words, frames, strict=True)):
        latest = chunk.end - (len(frames) - index) * least
        start = max(min(chunk.start + first * FRAME_S, latest), earliest)
        end = max(min(chunk.start + last * FRAME_S, latest + least), start + least)
        words.append(Word(text, start, end, interpolated=interpolated))
        earliest = end
    return words
