"""Spans become chunks: nothing lost, nothing twice, the same however the recording comes in."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stenogram.audio.chunk import BREAK_S, Chunker, cut
from stenogram.types import SAMPLE_RATE, Audio, Chunk, ChunkOptions, Span, VadOptions

SHAPE = ChunkOptions(target_s=8.0, max_s=12.0, overlap_s=2.0, step_s=0.5)
VAD = VadOptions(speech_pad_ms=200)
LONGEST_S = 240


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound in which every sample has another value, so that a sample tells where it comes from."""
    path = tmp_path_factory.mktemp("sound") / "sound.f32"
    count = LONGEST_S * SAMPLE_RATE
    ((np.arange(count) + 1) / np.float64(count)).astype(np.float32).tofile(path)
    return path


def _audio(sound: Path, duration_s: float) -> Audio:
    return Audio(sound, round(duration_s * SAMPLE_RATE))


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _spans(*edges: float) -> list[Span]:
    return [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _ends(chunks: list[Chunk]) -> list[tuple[float, float]]:
    """First and last speech of each chunk."""
    return [(chunk.spans[0].start, chunk.spans[-1].end) for chunk in chunks]


# --- rules, one by one -----------------------------------------------------------------------------------------------


def test_no_speech_gives_no_chunk(sound: Path) -> None:
    assert cut(_audio(sound, 60), [], SHAPE, VAD) == []


def test_a_short_passage_is_one_chunk_with_the_sound_around_it(sound: Path) -> None:
    [chunk] = cut(_audio(sound, 60), _spans(10, 11, 11.3, 12.6), SHAPE, VAD)

    assert (chunk.start, chunk.duration, chunk.overlap) == (9.8, 3.0, 0.0)
    assert np.array_equal(chunk.samples, _audio(sound, 60).window(_samples(9.8), _samples(12.8)))


def test_a_long_silence_separates_chunks_even_when_they_are_short(sound: Path) -> None:
    spans = _spans(10, 11, 11 + BREAK_S, 13)

    assert _ends(cut(_audio(sound, 60), spans, SHAPE, VAD)) == [(10, 11), (11 + BREAK_S, 13)]


def test_a_short_silence_does_not(sound: Path) -> None:
    assert len(cut(_audio(sound, 60), _spans(10, 11, 11.9, 13), SHAPE, VAD)) == 1


def test_a_longer_min_silence_lets_chunks_reach_over_longer_silence(sound: Path) -> None:
    vad = VadOptions(min_silence_duration_ms=3000)

    assert len(cut(_audio(sound, 60), _spans(10, 11, 13.5, 15), SHAPE, vad)) == 1


def test_the_longest_pause_in_the_window_wins(sound: Path) -> None:
    spans = _spans(0, 5, 5.3, 7.8, 7.9, 9, 9.2, 16)

    assert _ends(cut(_audio(sound, 60), spans, SHAPE, VAD)) == [(0, 5), (5.3, 16)]


def test_among_long_pauses_the_one_nearest_to_the_target_wins(sound: Path) -> None:
    spans = _spans(0, 5, 5.9, 8, 8.6, 16)

    assert _ends(cut(_audio(sound, 60), spans, SHAPE, VAD)) == [(0, 8), (8.6, 16)]


def test_a_cut_leaves_no_tiny_rest(sound: Path) -> None:
    spans = _spans(0, 6, 6.2, 11.4, 11.9, 12.3)

    assert _ends(cut(_audio(sound, 60), spans, SHAPE, VAD)) == [(0, 6), (6.2, 12.3)]


def test_a_passage_that_would_fit_is_cut_at_a_long_pause_nearer_to_the_target(sound: Path) -> None:
    spans = _spans(0, 7.4, 8, 11)

    assert _ends(cut(_audio(sound, 60), spans, SHAPE, VAD)) == [(0, 7.4), (8, 11)]


def test_what_looks_like_a_tiny_rest_is_waited_for(sound: Path) -> None:
    """The last span may go on behind a short pause: streaming must not decide before it is known."""
    spans = _spans(0, 6, 6.2, 11.2, 11.6, 11.7, 11.9, 20)
    chunker = Chunker(SHAPE, VAD)

    chunks = chunker.feed(spans[:3], _audio(sound, 12), 11.9)
    chunks += chunker.feed(spans[3:], _audio(sound, 22), 22)
    chunks += chunker.finish(_audio(sound, 60))

    assert _ends(chunks) == _ends(cut(_audio(sound, 60), spans, SHAPE, VAD)) == [(0, 11.2), (11.6, 20)]


def test_an_early_pause_is_better_than_a_cut_into_speech(sound: Path) -> None:
    spans = _spans(0, 2, 2.2, 13)

    assert _ends(cut(_audio(sound, 60), spans, SHAPE, VAD)) == [(0, 2), (2.2, 13)]


def test_endless_speech_is_cut_with_overlap(sound: Path) -> None:
    chunks = cut(_audio(sound, 60), _spans(0, 30), SHAPE, VAD)

    assert [chunk.overlap for chunk in chunks] == [0, 2, 2]
    assert all(len(chunk.samples) <= _samples(SHAPE.max_s) for chunk in chunks)
    for before, after in pairwise(chunks):
        assert after.start == pytest.approx(before.spans[-1].end - after.overlap)


def test_a_cut_into_speech_falls_into_a_dip_of_the_sound(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 20 * SAMPLE_RATE).astype(np.float32)
    noise[_samples(9.5) : _samples(9.6)] *= 0.05
    noise.tofile(tmp_path / "noise.f32")

    first = cut(_audio(tmp_path / "noise.f32", 20), _spans(0, 20), SHAPE, VAD)[0]

    assert 9.5 <= first.spans[-1].end <= 9.6


def test_no_sound_of_a_neighbours_speech_is_taken(sound: Path) -> None:
    first, second = cut(_audio(sound, 60), _spans(0, 7, 7.1, 15), SHAPE, VAD)

    assert first.start == 0
    assert first.duration == pytest.approx(7.1)
    assert not first.samples[_samples(7.1) :].any()
    assert second.start == 7.0


def test_the_end_of_the_recording_is_filled_with_zeros(sound: Path) -> None:
    [chunk] = cut(_audio(sound, 1.7), _spans(0.1, 1.7), SHAPE, VAD)

    assert (chunk.start, chunk.duration, len(chunk.samples)) == (0.0, 1.7, _samples(2.0))
    assert not chunk.samples[_samples(1.7) :].any()


def test_chunks_are_numbered_and_carry_their_channel(sound: Path) -> None:
    audio = Audio(sound, 60 * SAMPLE_RATE, channel=1)

    chunks = cut(audio, _spans(0, 3, 10, 13), SHAPE, VAD)

    assert [(chunk.index, chunk.channel) for chunk in chunks] == [(0, 1), (1, 1)]


def test_a_chunk_is_given_as_soon_as_it_is_certain(sound: Path) -> None:
    chunker = Chunker(SHAPE, VAD)

    assert chunker.feed(_spans(1, 4), _audio(sound, 4.5), 4.5) == []
    assert len(chunker.feed([], _audio(sound, 5), 5.0)) == 1


# --- what holds for any speech ---------------------------------------------------------------------------------------


@st.composite
def recordings(draw: st.DrawFn) -> tuple[float, list[Span]]:
    """A recording's length and the speech in it, on Silero's frames of 32 ms."""
    frames, now = [], draw(st.integers(0, 200))
    for _ in range(draw(st.integers(0, 25))):
        length = draw(st.one_of(st.integers(1, 60), st.integers(1, 900)))
        frames.append((now, now + length))
        now += length + draw(st.one_of(st.integers(3, 20), st.integers(3, 100)))
        if now > 6_000:
            break
    end = (frames[-1][1] if frames else 0) + draw(st.integers(0, 100))
    return max(end, 1) * 0.032, [Span(first * 0.032, last * 0.032) for first, last in frames]


shapes = st.builds(
    ChunkOptions,
    target_s=st.floats(1, 20),
    max_s=st.floats(2, 30),
    overlap_s=st.floats(0, 3),
    step_s=st.sampled_from([0.1, 0.5, 1.0]),
)
vads = st.builds(VadOptions, speech_pad_ms=st.integers(0, 1000), min_silence_duration_ms=st.integers(32, 2000))
relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@relaxed
@given(recording=recordings(), shape=shapes, vad=vads)
def test_all_speech_is_in_a_chunk_and_twice_only_in_overlaps(
    sound: Path, recording: tuple[float, list[Span]], shape: ChunkOptions, vad: VadOptions
) -> None:
    duration, spans = recording
    audio = _audio(sound, duration)

    chunks = cut(audio, spans, shape, vad)

    held = np.zeros(audio.sample_count, np.int32)
    allowed = np.ones(audio.sample_count, np.int32)
    for chunk in chunks:
        start = _samples(chunk.start)
        held[start : start + _samples(chunk.duration)] += 1
        allowed[start : start + _samples(chunk.overlap)] += 1
    for span in spans:
        speech = slice(_samples(span.start), _samples(span.end))
        assert (held[speech] == allowed[speech]).all()


@relaxed
@given(recording=recordings(), shape=shapes, vad=vads)
def test_each_chunk_is_true_sound_of_an_allowed_length(
    sound: Path, recording: tuple[float, list[Span]], shape: ChunkOptions, vad: VadOptions
) -> None:
    duration, spans = recording
    audio = _audio(sound, duration)

    for index, chunk in enumerate(cut(audio, spans, shape, vad)):
        real = _samples(chunk.duration)
        start = _samples(chunk.start)
        assert chunk.index == index
        assert chunk.samples.dtype == np.float32
        assert len(chunk.samples) % _samples(shape.step_s) == 0
        assert len(chunk.samples) <= max(_samples(shape.max_s), _samples(shape.step_s))
        assert np.array_equal(chunk.samples[:real], audio.window(start, start + real))
        assert not chunk.samples[real:].any()
        assert chunk.start <= chunk.spans[0].start + 1e-6
        assert chunk.spans[-1].end <= chunk.end + 1e-6


@relaxed
@given(recording=recordings(), shape=shapes, vad=vads, blocks=st.lists(st.floats(0.01, 40), max_size=40))
def test_streaming_gives_the_same_chunks_for_any_blocks(
    sound: Path, recording: tuple[float, list[Span]], shape: ChunkOptions, vad: VadOptions, blocks: list[float]
) -> None:
    duration, spans = recording
    whole = cut(_audio(sound, duration), spans, shape, vad)

    chunker, now, streamed = Chunker(shape, vad), 0.0, []
    for block in blocks:
        before, now = now, min(now + block, duration)
        closed = [span for span in spans if before < span.end <= now]
        heard = min([now, *(span.start for span in spans if span.end > now)])
        streamed += chunker.feed(closed, _audio(sound, now), heard)
    streamed += chunker.feed([span for span in spans if span.end > now], _audio(sound, duration), duration)
    streamed += chunker.finish(_audio(sound, duration))

    assert _facts(streamed) == _facts(whole)


@relaxed
@given(duration=st.floats(0.1, 60), shape=shapes, blocks=st.lists(st.floats(0.01, 10), max_size=40))
def test_touching_spans_are_one_stretch_of_speech(
    sound: Path, duration: float, shape: ChunkOptions, blocks: list[float]
) -> None:
    """As ``Vad`` gives them with ``vad_filter`` off: the blocks as they come."""
    end = _samples(duration) / SAMPLE_RATE
    whole = cut(_audio(sound, end), [Span(0, end)], shape, VAD)

    chunker, now, streamed = Chunker(shape, VAD), 0.0, []
    for block in [*blocks, LONGEST_S]:
        before, now = now, min(now + _samples(block) / SAMPLE_RATE, end)
        streamed += chunker.feed([Span(before, now)] if now > before else [], _audio(sound, now), now)
    streamed += chunker.finish(_audio(sound, end))

    assert _facts(streamed) == _facts(whole)


def _facts(chunks: list[Chunk]) -> list[tuple[object, ...]]:
    return [(chunk.index, chunk.start, chunk.duration, chunk.spans, chunk.overlap, chunk.digest()) for chunk in chunks]
