"""What a window of tokens says: passages between timestamp tokens, and where to go on when the model stopped early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stenogram.types import Chunk

TIME_STEP_S = 0.02
"""Seconds from one timestamp token to the next."""
LEAST_REST_S = 0.5
"""Less speech after the last timestamp is not decoded on its own."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Text tokens between two timestamps; seconds in the window."""

    start: float
    end: float
    ids: tuple[int, ...]


def passages(
    ids: Sequence[int], first_special: int, first_time: int, window_s: float
) -> tuple[list[Passage], float | None]:
    """Split a window's tokens at their timestamps, by the rules of openai-whisper's ``transcribe``.

    The second value: the time up to which the model said anything, where it announced more (two timestamps at the end)
    and did not say it; None: the window is done.
    """
    doubled = [place for place in range(1, len(ids)) if ids[place - 1] >= first_time and ids[place] >= first_time]
    single_end = len(ids) > 1 and ids[-2] < first_time <= ids[-1]
    borders = [0, *doubled, *([len(ids)] if single_end or not doubled else [])]
    found = []
    for first, last in zip(borders, borders[1:], strict=False):
        part = ids[first:last]
        times = [(token - first_time) * TIME_STEP_S for token in part if token >= first_time]
        text = tuple(token for token in part if token < first_special)
        start = times[0] if part and part[0] >= first_time else 0.0
        end = times[-1] if len(times) > 1 or (times and part[0] < first_time) else window_s
        if text:
            found.append(Passage(min(start, window_s), min(max(end, start), window_s), text))
    if doubled and not single_end:
        return found, min((ids[doubled[-1] - 1] - first_time) * TIME_STEP_S, window_s)
    return found, None


def speech_after(chunk: Chunk, time_s: float) -> float:
    """Seconds of speech in a chunk after a time on the clock of the recording."""
    if not chunk.spans:
        return max(chunk.end - time_s, 0.0)
    return sum(max(0.0, span.end - max(span.start, time_s)) for span in chunk.spans)
