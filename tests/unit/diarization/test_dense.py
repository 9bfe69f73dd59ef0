from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stenogram.diarization.dense import MARGIN_S, PAUSE_S, Dense
from stenogram.types import SAMPLE_RATE, Audio, Span


def spans_of(gaps: list[tuple[float, float]]) -> tuple[list[Span], int]:
    """Speech after pauses, (pause, speech) in seconds each, and the samples of the recording."""
    found, time = [], 0.0
    for pause, speech in gaps:
        found.append(Span(time + pause, time + pause + speech))
        time = found[-1].end
    return found, round((time + 3.0) * SAMPLE_RATE)


pauses = st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(0.1, 5.0)), max_size=12)


def test_long_silence_is_removed_and_short_pauses_stay() -> None:
    speech, count = spans_of([(10.0, 2.0), (PAUSE_S, 3.0), (60.0, 1.0)])
    dense = Dense.of(speech, count, finished=True)
    assert len(dense.starts) == 2
    assert len(dense) == round((2.0 + PAUSE_S + 3.0 + 1.0 + 4 * MARGIN_S) * SAMPLE_RATE)


@given(pauses)
def test_every_moment_of_speech_has_a_place_and_comes_back_to_its_time(gaps: list[tuple[float, float]]) -> None:
    speech, count = spans_of(gaps)
    dense = Dense.of(speech, count, finished=True)
    for span in speech:
        place = dense.place(round(span.start * SAMPLE_RATE))
        found = dense.spans(place, place + 1600)
        assert abs(found[0].start - span.start) < 1e-3
    total = sum(span.end - span.start for span in dense.spans(0, len(dense)))
    assert abs(total - len(dense) / SAMPLE_RATE) < 1e-3
    assert all(0 <= span.start < span.end <= count / SAMPLE_RATE for span in dense.spans(0, len(dense)))


@given(pauses, st.integers(0, 12))
def test_what_has_a_place_keeps_it_while_the_recording_grows(gaps: list[tuple[float, float]], known: int) -> None:
    """Windows that were heard early stand where they stand in the end."""
    speech, count = spans_of(gaps)
    early = Dense.of(speech[:known], count, finished=False)
    whole = Dense.of(speech, count, finished=True)
    assert early.spans(0, len(early)) == whole.spans(0, len(early))


def test_a_window_reads_the_joined_sound_and_zeros_behind_its_end(tmp_path: Path) -> None:
    samples = np.arange(20 * SAMPLE_RATE, dtype=np.float32)
    samples.tofile(tmp_path / "sound")
    dense = Dense.of([Span(1.0, 2.0), Span(10.0, 11.0)], len(samples), finished=True)
    window = dense.window(Audio(tmp_path / "sound", len(samples)), 0, 5 * SAMPLE_RATE)
    first, second = (
        samples[SAMPLE_RATE // 2 : 5 * SAMPLE_RATE // 2],
        samples[19 * SAMPLE_RATE // 2 : 23 * SAMPLE_RATE // 2],
    )
    np.testing.assert_array_equal(window, np.concatenate([first, second, np.zeros(SAMPLE_RATE, np.float32)]))


def test_without_speech_there_is_nothing() -> None:
    dense = Dense.of([], 1000, finished=True)
    assert len(dense) == 0
    assert dense.spans(0, 100) == []
