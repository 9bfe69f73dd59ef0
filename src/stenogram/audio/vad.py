"""Voice activity detection: where in a recording somebody speaks. Silero VAD, in the order the sound comes.

The network hears the sound by blocks of 4 s on a fixed grid and carries its state from one to the next: what is found
is what it says frame by frame, and depends on the sound alone, never on how the caller cuts it.

Spans are fine-grained: any pause of ``PAUSE_MS`` or more separates two of them, so that ``audio.chunk`` sees every
place where it may cut. ``min_silence_duration_ms`` decides which of them form one passage: a passage with less speech
than ``min_speech_duration_ms`` is dropped as a whole. Spans are tight; ``audio.chunk`` adds ``speech_pad_ms``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stenogram.audio.silero import CONTEXT, FRAME, HIDDEN, SpeechNetwork
from stenogram.types import SAMPLE_RATE, Audio, Span, VadOptions

if TYPE_CHECKING:
    from stenogram.types import Samples

BLOCK_FRAMES = 128
"""Frames the network hears at a time: the first speech is known after 4.1 s. Larger blocks cost the same CPU time."""
PAUSE_MS = 96
"""Three frames; shorter gaps are the closures of stops (p, t, k) inside words."""
HYSTERESIS = 0.15
"""Speech goes on down to ``threshold`` less this; Silero's own value (``neg_threshold``)."""

_READ_S = 60


class Vad:
    """Finds the speech in one channel while its sound comes in."""

    def __init__(self, network: SpeechNetwork, options: VadOptions) -> None:
        """Start a stream; ``network`` may be shared."""
        import numpy as np

        self._network = network
        self._options = options
        self._passages = _Passages(options)
        self._sound = np.zeros(CONTEXT + BLOCK_FRAMES * FRAME, np.float32)
        self._filled = CONTEXT  # samples of it; before the recording there are zeros
        self._state = np.zeros((2, 1, HIDDEN), np.float32)
        self._received = 0

    @property
    def heard_s(self) -> float:
        """All speech that begins before this time (seconds from the stream's start) has been returned."""
        if not self._options.vad_filter:
            return self._received / SAMPLE_RATE
        return self._passages.heard_frames * FRAME / SAMPLE_RATE

    def feed(self, samples: Samples) -> list[Span]:
        """Take the next samples (float32 ``[n]``, any n); return the spans that became final, seconds from the start.

        With ``vad_filter`` off all sound is speech: the blocks as they come, one touching the other.
        """
        before, self._received = self._received, self._received + len(samples)
        if not self._options.vad_filter:
            return [Span(before / SAMPLE_RATE, self._received / SAMPLE_RATE)] if len(samples) else []
        spans: list[Span] = []
        while len(samples):
            taken = samples[: len(self._sound) - self._filled]
            self._sound[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            samples = samples[len(taken) :]
            if self._filled == len(self._sound):
                spans += self._hear(BLOCK_FRAMES)
        return spans

    def finish(self) -> list[Span]:
        """The remaining spans; the stream is over."""
        if not self._options.vad_filter:
            return []
        self._sound[self._filled :] = 0
        spans = self._hear(-(-(self._filled - CONTEXT) // FRAME)) if self._filled > CONTEXT else []
        spans += self._passages.finish()
        end = self._received / SAMPLE_RATE
        return [Span(span.start, min(span.end, end)) for span in spans]

    def _hear(self, frames: int) -> list[Span]:
        """Run the network over the first frames of the buffer; its last samples come before the next block."""
        sound = self._sound[: CONTEXT + frames * FRAME]
        probabilities, self._state = self._network.probabilities(sound, self._state)
        self._sound[:CONTEXT] = self._sound[-CONTEXT:]
        self._filled = CONTEXT
        return self._passages.feed(probabilities.tolist())


class _Passages:
    """Turns probabilities, frame by frame, into spans; keeps back a passage until it is long enough to be speech."""

    def __init__(self, options: VadOptions) -> None:
        frame_ms = FRAME * 1000 / SAMPLE_RATE
        self._high = options.threshold
        self._low = max(options.threshold - HYSTERESIS, 0.01)
        self._silence_frames = max(round(options.min_silence_duration_ms / frame_ms), 1)
        self._pause_frames = min(round(PAUSE_MS / frame_ms), self._silence_frames)
        self._least_frames = options.min_speech_duration_ms / frame_ms
        self._frame = 0
        self._start: int | None = None  # of the open span
        self._end = 0  # of the speech heard last
        self._held: list[tuple[int, int]] = []  # spans of a passage that may still prove too short
        self._confirmed = False

    @property
    def heard_frames(self) -> int:
        if self._held:
            return self._held[0][0]
        return self._frame if self._start is None else self._start

    def feed(self, probabilities: Iterable[float]) -> list[Span]:
        spans: list[Span] = []
        for probability in probabilities:
            if probability >= (self._high if self._start is None else self._low):
                if self._start is None:
                    self._start = self._frame
                self._end = self._frame + 1
            quiet_frames = self._frame + 1 - self._end
            if self._start is not None and quiet_frames >= self._pause_frames:
                spans += self._close()
            if self._start is None and quiet_frames >= self._silence_frames:
                self._held, self._confirmed = [], False
            self._frame += 1
        return spans

    def finish(self) -> list[Span]:
        return self._close() if self._start is not None else []

    def _close(self) -> list[Span]:
        """End the open span; the passage's spans are final once they hold enough speech together."""
        if self._start is not None:
            self._held.append((self._start, self._end))
            self._start = None
        if not self._confirmed and sum(end - start for start, end in self._held) < self._least_frames:
            return []
        self._confirmed = True
        held, self._held = self._held, []
        return [Span(start * FRAME / SAMPLE_RATE, end * FRAME / SAMPLE_RATE) for start, end in held]


def detect(audio: Audio, options: VadOptions, network: SpeechNetwork) -> list[Span]:
    """All speech of a whole recording, seconds on its clock; reads it by windows of a minute."""
    vad = Vad(network, options)
    if not options.vad_filter:
        return [Span(0.0, audio.duration)] if audio.sample_count else []
    spans: list[Span] = []
    for start in range(0, audio.sample_count, _READ_S * SAMPLE_RATE):
        spans += vad.feed(audio.window(start, start + _READ_S * SAMPLE_RATE))
    return spans + vad.finish()
