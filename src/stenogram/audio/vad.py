"""Voice activity detection: where in a recording somebody speaks. Silero VAD, in the order the sound comes.

Silero is recurrent: one call sees one frame of 32 ms, and 112,500 calls per hour cost 14 s of CPU time, most of it the
overhead of a call. So the recording is laid on a fixed grid of *lanes* of 16.4 s, which run side by side as one batch.
Each lane but the first begins by hearing the 2 s before it, which brings the recurrent state near to where it would be.
What is found depends on the sound and the grid alone, never on how the caller cuts the sound into blocks. Batches grow
from one lane to ``MOST_LANES``, so that the first speech is known after 16 s of sound.

Measured on one hour of real speech: 2.6 times less CPU time than frame by frame. Of 41 minutes, 0.1 % are no longer
found as speech and 0.4 % are found in addition; against speaker turns marked by hand 5.5 % are missed and 6.0 % wrongly
found, where frame by frame gives 5.7 % and 5.8 %.

Spans are fine-grained: any pause of ``PAUSE_MS`` or more separates two of them, so that ``audio.chunk`` sees every
place where it may cut. ``min_silence_duration_ms`` decides which of them form one passage: a passage with less speech
than ``min_speech_duration_ms`` is dropped as a whole. Spans are tight; ``audio.chunk`` adds ``speech_pad_ms``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stenogram import bundled
from stenogram.types import SAMPLE_RATE, Audio, Span, VadOptions

if TYPE_CHECKING:
    from stenogram.types import Samples

FRAME = 512
"""Samples per frame; Silero's only size at 16 kHz."""
CONTEXT = 64
"""Samples before a frame that Silero wants to see with it."""
LANE_FRAMES = 512
WARM_UP_FRAMES = 64
"""Frames a lane hears before its own. With 32, twice as much of what frame by frame finds is lost; 64 cost 12 %."""
LANES_GROWTH = 4
MOST_LANES = 16
"""Lanes in the largest batch, 262 s of sound; twice as many would save another 4 % of CPU time."""
PAUSE_MS = 96
"""Three frames; shorter gaps are the closures of stops (p, t, k) inside words."""
HYSTERESIS = 0.15
"""Speech goes on down to ``threshold`` less this; Silero's own value (``neg_threshold``)."""
SILENT_PEAK = 2.0**-10
"""A lane without a sample above this (-60 dBFS) is silence without asking; of speech so low Silero finds 0 to 5 %."""

_LANE = LANE_FRAMES * FRAME
_HISTORY = CONTEXT + WARM_UP_FRAMES * FRAME
_READ_S = 60


class SpeechNetwork:
    """Silero's weights in memory (about 3 MB, 25 ms to load); one instance serves any number of streams and threads."""

    def __init__(self) -> None:
        """Load the network. Raises ``ModelError`` when the wheel that carries it is absent or damaged."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            bundled.network("silero"), options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, lanes: Samples) -> Samples:
        """Probability of speech in each frame: ``[lanes, CONTEXT + n * FRAME]`` samples -> ``[lanes, n]``."""
        import numpy as np

        count, steps = len(lanes), (lanes.shape[1] - CONTEXT) // FRAME
        rate = np.array(SAMPLE_RATE, np.int64)
        state = np.zeros((2, count, 128), np.float32)
        answer = np.empty((count, steps), np.float32)
        for step in range(steps):
            frames = np.ascontiguousarray(lanes[:, step * FRAME : (step + 1) * FRAME + CONTEXT])
            output, state = self._session.run(None, {"input": frames, "state": state, "sr": rate})
            answer[:, step] = output[:, 0]
        return answer


class Vad:
    """Finds the speech in one channel while its sound comes in."""

    def __init__(self, network: SpeechNetwork, options: VadOptions) -> None:
        """Start a stream; ``network`` may be shared."""
        import numpy as np

        self._network = network
        self._options = options
        self._passages = _Passages(options)
        self._sound = np.zeros(_HISTORY + MOST_LANES * _LANE, np.float32)
        self._filled = 0  # samples behind the history
        self._lanes = 1  # of the next batch
        self._warm_up = 0  # frames before each lane of the next batch; nothing comes before the first lane
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
            taken = samples[: self._lanes * _LANE - self._filled]
            self._sound[_HISTORY + self._filled : _HISTORY + self._filled + len(taken)] = taken
            self._filled += len(taken)
            samples = samples[len(taken) :]
            if self._filled == self._lanes * _LANE:
                spans += self._hear(self._lanes)
                self._lanes = min(self._lanes * LANES_GROWTH, MOST_LANES)
        return spans

    def finish(self) -> list[Span]:
        """The remaining spans; the stream is over."""
        if not self._options.vad_filter:
            return []
        self._sound[_HISTORY + self._filled :] = 0
        spans = self._hear(-(-self._filled // _LANE)) if self._filled else []
        spans += self._passages.finish()
        end = self._received / SAMPLE_RATE
        return [Span(span.start, min(span.end, end)) for span in spans]

    def _hear(self, count: int) -> list[Span]:
        """Run the network over the first ``count`` lanes of the buffer and let them go."""
        import numpy as np

        frames = min(-(-self._filled // FRAME), LANE_FRAMES)
        lanes = np.lib.stride_tricks.sliding_window_view(self._sound, _HISTORY + frames * FRAME)[::_LANE][:count]
        own = lanes[:, _HISTORY:]
        loud = np.maximum(own.max(axis=1), -own.min(axis=1)) > SILENT_PEAK
        probabilities = np.zeros((count, frames), np.float32)
        if loud.any():
            heard = lanes[loud, (WARM_UP_FRAMES - self._warm_up) * FRAME :]
            probabilities[loud] = self._network.probabilities(heard)[:, self._warm_up :]
        self._sound[:_HISTORY] = self._sound[count * _LANE : count * _LANE + _HISTORY].copy()
        self._filled, self._warm_up = 0, WARM_UP_FRAMES
        return self._passages.feed(probabilities.ravel().tolist())


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
