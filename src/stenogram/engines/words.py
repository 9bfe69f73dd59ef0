"""Word times for engines without alignment: fitted between known borders, by letters and by the energy of the sound."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stenogram.types import SAMPLE_RATE, Chunk, Span, Word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FRAME = SAMPLE_RATE // 50
"""Samples per energy frame: 20 ms."""
FRAME_S = FRAME / SAMPLE_RATE
VOWELS = re.compile(r"[aeiouyаеёиоуыэюяäöüáéíóúàèìòùâêîôûãõœæø]+", re.IGNORECASE)  # noqa: RUF001 - Latin and Cyrillic


def weight(word: str) -> float:
    """How long a word takes to say, in units of about a syllable: vowel groups and letters count half each."""
    letters = sum(letter.isalnum() for letter in word)
    digits = sum(letter.isdigit() for letter in word)
    return 0.5 * len(VOWELS.findall(word)) + 0.2 * letters + 1.0 * digits + 0.2


def interpolate(text_words: Sequence[str], chunk: Chunk) -> list[Word]:
    """Give each word a time inside the chunk's speech (``chunk.spans``; none: all of the chunk).

    Times are of the recording, monotonic, without overlap, each longer than zero, and marked ``interpolated``.
    """
    if not text_words:
        return []
    spans = _speech(chunk)
    total = sum(span.end - span.start for span in spans)
    weights = [weight(word) for word in text_words]
    scale = total / sum(weights)
    words, done = [], 0.0
    for text, share in zip(text_words, weights, strict=True):
        start, end = _at(spans, done, later=True), _at(spans, done + share * scale, later=False)
        words.append(Word(text, start, max(end, start), interpolated=True))
        done += share * scale
    return words


def _speech(chunk: Chunk) -> list[Span]:
    clipped = [Span(max(span.start, chunk.start), min(span.end, chunk.end)) for span in chunk.spans]
    return [span for span in clipped if span.end > span.start] or [Span(chunk.start, chunk.end)]


def _at(spans: Sequence[Span], spoken: float, *, later: bool) -> float:
    """Time at which ``spoken`` seconds of speech have passed; at a gap, its ``later`` or its earlier side."""
    for span in spans[:-1]:
        length = span.end - span.start
        if spoken < length or (spoken == length and not later):
            return span.start + spoken
        spoken -= length
    return min(spans[-1].start + spoken, spans[-1].end)
