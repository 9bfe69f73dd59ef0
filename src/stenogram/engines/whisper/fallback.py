"""When the text of a window is doubted and sampled anew: the rules of openai-whisper's ``transcribe``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stenogram.types import TranscribeOptions

HOTTEST = 1.0
ROUNDING = 1e-6
"""Five steps of 0.2 are a little more than 1."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came out of one window."""

    ids: list[int]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


def temperatures(options: TranscribeOptions) -> Iterator[float]:
    """The temperature of each try, up to 1; one only where the increment is 0."""
    first, step = float(options.temperature or 0.0), options.temperature_increment_on_fallback
    yield first
    tries = int((HOTTEST - first) / step + ROUNDING) if step > 0 else 0
    for number in range(1, tries + 1):
        yield min(first + number * step, HOTTEST)


def silent(said: Said, options: TranscribeOptions) -> bool:
    """Whether nothing is spoken: the model says so, and is unsure of the text it wrote all the same."""
    return said.no_speech_prob > options.no_speech_threshold and said.avg_logprob < options.logprob_threshold


def doubtful(said: Said, options: TranscribeOptions) -> bool:
    """Whether another try is worth it: text that repeats itself or is unlikely, unless nothing is spoken."""
    looped = said.compression_ratio > options.compression_ratio_threshold
    return not silent(said, options) and (looped or said.avg_logprob < options.logprob_threshold)
