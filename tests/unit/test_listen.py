"""The front end when speech is known from an earlier run: the same chunks again, however the decode comes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.audio.decode import Decoded, Decoder
from stenogram.audio.vad import Vad
from stenogram.pipeline.listen import FrontEnd, Heard
from stenogram.protocols import Stop
from stenogram.types import SAMPLE_RATE, Audio, ChunkOptions, DecodeOptions, RunOptions, Span, VadOptions

LENGTH_S = 60
DECLARED_S = 100.0
SHAPE = ChunkOptions(target_s=4.0, max_s=8.0)


class SteppedDecoder(Decoder):
    """Gives a file of samples that is there already, as if it were decoded up to each of the ``ends`` in turn."""

    def __init__(self, path: Path, ends: Sequence[float]) -> None:
        super().__init__()
        self._path = path
        self._ends = [*sorted(ends), LENGTH_S]

    def decode(
        self, source: Path, folder: Path, options: DecodeOptions, stop: Stop, *, first_s: float | None = None
    ) -> Iterator[Decoded]:
        """One snapshot for each end."""
        for place, end in enumerate(self._ends):
            audio = Audio(self._path, round(end * SAMPLE_RATE))
            yield Decoded((audio,), DECLARED_S, 0.0, place == len(self._ends) - 1, ())


def no_vad(options: VadOptions) -> Vad:
    """Speech that is known is not looked for."""
    pytest.fail(f"looked for speech with {options}")


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of noise: every sample differs, so that equal chunks are the same place."""
    path = tmp_path_factory.mktemp("noise") / "noise.f32"
    np.random.default_rng(1).uniform(-0.1, 0.1, LENGTH_S * SAMPLE_RATE).astype(np.float32).tofile(path)
    return path


def listen(path: Path, spans: Sequence[Span], ends: Sequence[float]) -> list[Heard]:
    """All that the front end tells."""
    front = FrontEnd(SteppedDecoder(path, ends), no_vad, SHAPE, RunOptions(), [spans])
    return list(front.listen(path, path.parent, lambda: False))


@st.composite
def speech(draw: st.DrawFn) -> list[Span]:
    """Spans in order, from short words to long passages."""
    spans: list[Span] = []
    now = 0.0
    while True:
        start = now + draw(st.sampled_from([0.1, 0.3, 0.6, 1.2, 5.0]))
        now = start + draw(st.sampled_from([0.2, 1.0, 3.0, 12.0]))
        if now > LENGTH_S:
            return spans
        spans.append(Span(start, now))


@given(speech(), st.lists(st.floats(1, LENGTH_S - 1), max_size=4))
def test_known_speech_gives_the_same_chunks_however_the_decode_comes_in(
    noise: Path, spans: list[Span], ends: list[float]
) -> None:
    (whole,) = listen(noise, spans, [])

    told = listen(noise, spans, ends)

    chunks = [chunk for heard in told for chunk in heard.chunks]
    assert [(chunk.start, chunk.digest()) for chunk in chunks] == [(c.start, c.digest()) for c in whole.chunks]
    for place, heard in enumerate(told):
        assert all(chunk.start >= heard.bounds[None] for later in told[place + 1 :] for chunk in later.chunks)


def test_a_recording_that_ends_before_its_declared_length_is_through_when_it_ends(noise: Path) -> None:
    """Such as a video whose picture goes on when the sound has ended: the progress bar shall reach its end."""
    told = listen(noise, [], [20.0])

    assert [heard.total_s for heard in told] == [DECLARED_S, LENGTH_S]
