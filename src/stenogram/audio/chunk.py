"""Chunks for an engine: dense windows of speech, cut at pauses, in the order the spans come.

One rule at a time, from the first speech that is in no chunk yet:

1. Spans form a passage until a silence of ``BREAK_S`` (or ``min_silence_duration_ms`` when that is longer): a chunk
   never reaches over it. A passage of at most ``target_s`` is one chunk.
2. A longer passage is cut at its best pause between half of ``target_s`` and ``max_s``, its end among them: the longest
   pause wins; those of ``min_silence_duration_ms`` and more are equally good, and the one nearest to ``target_s`` wins.
   A cut that leaves less than ``LEAST_S`` of the passage over is avoided.
3. Without a pause the cut falls into speech, at the quietest point of the last third; the next chunk begins
   ``overlap_s`` earlier, and ``pipeline.join`` merges the two texts.

A chunk's sound is its speech, ``speech_pad_ms`` on both sides, and then as much more of the pauses around it as makes
its length a multiple of ``step_s``. It never holds speech of a neighbour: where that, or the recording, ends the sound,
zeros fill the rest. A choice waits until all it can depend on has been heard, so that the chunks are the same however
the recording came in.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from stenogram.types import SAMPLE_RATE, Audio, Chunk, ChunkOptions, Span, VadOptions

BREAK_S = 1.0
LEAST_S = 1.0
"""A chunk much shorter than this gives an engine too little context."""

_FAR = sys.maxsize
_LEVEL_SAMPLES = SAMPLE_RATE // 50
_DIP = 0.5
"""A point is a dip when its level is below this share of the median around it (-6 dB)."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place to end a chunk: sample ``end``, behind ``count`` whole spans, with ``pause`` samples before the next.

    ``pause`` 0: inside the span that follows those.
    """

    count: int
    end: int
    pause: int


class Chunker:
    """Turns the spans of one channel into chunks while they come; keeps times only, sound is read when a chunk is."""

    def __init__(self, shape: ChunkOptions, vad: VadOptions, channel: int | None = None) -> None:
        """Start at the beginning of a recording; ``shape`` is the engine's, ``vad`` what found the spans."""
        self._channel = channel
        self._step = max(round(shape.step_s * SAMPLE_RATE), 1)
        self._most = max(int(shape.max_s * SAMPLE_RATE) // self._step, 1) * self._step
        self._pad = min(vad.speech_pad_ms * SAMPLE_RATE // 1000, self._most // 4)
        self._most_speech = self._most - 2 * self._pad
        self._target = min(round(shape.target_s * SAMPLE_RATE), self._most_speech)
        self._overlap = min(round(shape.overlap_s * SAMPLE_RATE), self._most_speech // 2)
        self._least = min(round(LEAST_S * SAMPLE_RATE), self._target // 4)
        self._silence = vad.min_silence_duration_ms * SAMPLE_RATE // 1000
        self._break = max(round(BREAK_S * SAMPLE_RATE), self._silence)
        self._reach = max(self._break, self._pad + self._step)  # how far behind its end a chunk depends on what comes
        self._spans: deque[tuple[int, int]] = deque()  # in samples; speech that is in no chunk yet
        self._floor = 0  # sound before this belongs to the previous chunk
        self._shared = 0  # samples at the start of the first span that the previous chunk also holds
        self._index = 0
        self._heard = 0

    def feed(self, spans: Sequence[Span], audio: Audio, heard_s: float) -> list[Chunk]:
        """Take further spans (in order; touching ones count as one); return the chunks that became certain.

        All speech that begins before ``heard_s`` is in the spans given so far (``Vad.heard_s``); ``audio`` holds the
        sound at least up to there.
        """
        for span in spans:
            start, end = round(span.start * SAMPLE_RATE), round(span.end * SAMPLE_RATE)
            if self._spans and start <= self._spans[-1][1]:
                start = self._spans.pop()[0]
            if end > start:
                self._spans.append((start, end))
        self._heard = int(heard_s * SAMPLE_RATE)
        return self._chunks(audio, self._heard)

    @property
    def bound_s(self) -> float:
        """No chunk that is still to come starts before this time."""
        start = self._spans[0][0] if self._spans else self._heard
        return max(self._floor, min(start, self._heard) - self._pad - self._step) / SAMPLE_RATE

    def finish(self, audio: Audio) -> list[Chunk]:
        """Return the remaining chunks; the recording is over."""
        return self._chunks(audio, _FAR)

    def _chunks(self, audio: Audio, heard: int) -> list[Chunk]:
        chunks = []
        while self._spans and (cut := self._choose(audio, heard)):
            chunks.append(self._chunk(cut, audio))
        return chunks

    def _choose(self, audio: Audio, heard: int) -> _Cut | None:
        """The next cut, or None while it may depend on what was not heard yet."""
        first = self._spans[0][0]
        limit = first + self._most_speech
        pauses: list[_Cut] = []
        for (_, end), (following, _) in pairwise(chain(self._spans, [(_FAR, _FAR)])):
            if end > limit:
                break
            if following == _FAR and heard < end + self._reach:
                return None
            pauses.append(_Cut(len(pauses) + 1, end, following - end))
            if following - end >= self._break:
                return pauses[-1] if end <= first + self._target else self._best(pauses, end)
        horizon = limit + max(self._reach, self._break + self._least)
        if heard < horizon:
            return None
        long_enough = [pause for pause in pauses if pause.end - first >= self._least]
        if long_enough:
            return self._best(long_enough, self._passage_end(horizon))
        low = limit - self._most_speech // 3
        if pauses and self._spans[len(pauses)][0] > low:
            return pauses[-1]
        return _Cut(len(pauses), _quietest(audio, low, limit), 0)

    def _best(self, pauses: Sequence[_Cut], passage_end: int) -> _Cut:
        """The pause that rule 2 names."""
        first = self._spans[0][0]
        good = [
            pause
            for pause in pauses
            if pause.end - first >= self._target // 2 and not 0 < passage_end - pause.end - pause.pause < self._least
        ]
        return max(
            good or pauses,
            key=lambda pause: (min(pause.pause, self._silence), -abs(pause.end - first - self._target)),
        )

    def _passage_end(self, horizon: int) -> int:
        """Where the passage ends; past ``horizon`` it does not matter."""
        passage_end = self._spans[0][0]
        for start, end in self._spans:
            if start >= min(passage_end + self._break, horizon):
                break
            passage_end = end
        return passage_end

    def _chunk(self, cut: _Cut, audio: Audio) -> Chunk:
        """Take the speech before the cut away, with the sound around it."""
        import numpy as np

        taken = [self._spans.popleft() for _ in range(cut.count)]
        again = cut.end
        if not cut.pause:
            start, end = self._spans.popleft()
            again = max(cut.end - self._overlap, start)
            taken.append((start, cut.end))
            self._spans.appendleft((again, end))
        ceiling = max(min(self._spans[0][0] if self._spans else _FAR, audio.sample_count), cut.end)
        start, end = self._sound(taken[0][0], cut.end, ceiling)
        sound = audio.window(start, end)
        chunk = Chunk(
            index=self._index,
            start=start / SAMPLE_RATE,
            samples=np.pad(sound, (0, -len(sound) % self._step)),
            duration=len(sound) / SAMPLE_RATE,
            spans=tuple(Span(first / SAMPLE_RATE, last / SAMPLE_RATE) for first, last in taken),
            overlap=self._shared / SAMPLE_RATE,
            channel=self._channel,
        )
        self._index += 1
        self._floor, self._shared = again, cut.end - again
        return chunk

    def _sound(self, start: int, end: int, ceiling: int) -> tuple[int, int]:
        """Widen speech by the pad and then, evenly, to a multiple of the step, between ``_floor`` and ``ceiling``."""
        start = max(start - self._pad, self._floor)
        end = min(end + self._pad, ceiling)
        missing = (start - end) % self._step
        before = min(missing - min(missing // 2, ceiling - end), start - self._floor)
        after = min(missing - before, ceiling - end)
        return start - before, end + after


def _quietest(audio: Audio, low: int, high: int) -> int:
    """The sample between ``low`` and ``high`` where the sound dips most clearly; without a clear dip, ``high``."""
    import numpy as np

    sound = audio.window(low, high)
    frames = sound[: len(sound) // _LEVEL_SAMPLES * _LEVEL_SAMPLES].reshape(-1, _LEVEL_SAMPLES)
    if not len(frames):
        return high
    levels = np.sqrt(np.square(frames).mean(axis=1))
    quietest = int(levels.argmin())
    if levels[quietest] > _DIP * np.median(levels):
        return high
    return low + quietest * _LEVEL_SAMPLES + _LEVEL_SAMPLES // 2


def cut(audio: Audio, spans: Sequence[Span], shape: ChunkOptions, vad: VadOptions) -> list[Chunk]:
    """All chunks of a whole recording from all its spans."""
    chunker = Chunker(shape, vad, audio.channel)
    return chunker.feed(spans, audio, 0.0) + chunker.finish(audio)
