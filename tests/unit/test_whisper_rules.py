"""The pure rules of the engine ``whisper``: trying again, splitting at timestamps, laying out cores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.engines.whisper.fallback import Said, doubtful, silent, temperatures
from stenogram.engines.whisper.layout import lay_out
from stenogram.engines.whisper.passages import passages, speech_after
from stenogram.types import Chunk, LoadOptions, Span, TranscribeOptions

OPTIONS = TranscribeOptions()
END, TIMES = 100, 200
"""Ids of a small vocabulary: the first special token, and ``<|0.00|>``."""


def said(avg_logprob: float = -0.3, no_speech_prob: float = 0.0, compression_ratio: float = 1.2) -> Said:
    return Said([1], avg_logprob, no_speech_prob, compression_ratio)


def at(seconds: float) -> int:
    """The timestamp token of a time."""
    return TIMES + round(seconds / 0.02)


def split(*ids: int, window_s: float = 30.0) -> tuple[list[tuple[float, float, tuple[int, ...]]], float | None]:
    found, resume = passages(ids, END, TIMES, window_s)
    return [(round(one.start, 2), round(one.end, 2), one.ids) for one in found], resume


def test_temperatures_rise_to_one() -> None:
    """0, 0.2 ... 1.0 by default; what was asked for comes first."""
    assert list(temperatures(OPTIONS)) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert list(temperatures(TranscribeOptions(temperature=0.5))) == pytest.approx([0.5, 0.7, 0.9])
    assert list(temperatures(TranscribeOptions(temperature=0.3, temperature_increment_on_fallback=0))) == [0.3]
    assert list(temperatures(TranscribeOptions(temperature=1.0))) == [1.0]


@given(st.floats(0, 1), st.floats(0.01, 1))
def test_temperatures_stay_in_bounds(first: float, step: float) -> None:
    """Whatever is asked for: the first is that, they rise, and none is above 1."""
    tried = list(temperatures(TranscribeOptions(temperature=first, temperature_increment_on_fallback=step)))

    assert tried[0] == first
    assert tried == sorted(set(tried))
    assert tried[-1] <= 1


@pytest.mark.parametrize(
    ("one", "again"),
    [
        (said(), False),
        (said(avg_logprob=-1.2), True),
        (said(compression_ratio=3.0), True),
        (said(avg_logprob=-1.2, no_speech_prob=0.9), False),
        (said(compression_ratio=3.0, no_speech_prob=0.9), True),
    ],
    ids=["good", "unlikely", "loop", "nothing is spoken", "a loop the model is sure of, over what may be silence"],
)
def test_what_is_tried_again(one: Said, again: bool) -> None:
    """Loops and unlikely text; silence is spared only where the model is unsure of its text as well."""
    assert doubtful(one, OPTIONS) is again


def test_silence_needs_both_signs() -> None:
    """As openai-whisper has it: a likely text stands, however silent the model finds the window."""
    assert silent(said(avg_logprob=-1.2, no_speech_prob=0.9), OPTIONS)
    assert not silent(said(no_speech_prob=0.9), OPTIONS)
    assert not silent(said(avg_logprob=-1.2), OPTIONS)


def test_passages_lie_between_timestamps() -> None:
    """Two timestamps side by side part two passages; one at the end closes the window."""
    assert split(at(0.5), 1, 2, at(2), at(2.4), 3, at(4)) == ([(0.5, 2.0, (1, 2)), (2.4, 4.0, (3,))], None)


def test_window_left_early_goes_on_there() -> None:
    """Two timestamps at the end: more was announced; text that was begun and not closed is said again."""
    assert split(at(0), 1, at(2), at(2)) == ([(0.0, 2.0, (1,))], 2.0)
    assert split(at(0), 1, at(2), at(2), 5) == ([(0.0, 2.0, (1,))], 2.0)


def test_text_without_timestamps_fills_the_window() -> None:
    """Nothing is lost where the model forgot its timestamps, and nothing leaves the window."""
    assert split(1, 2, window_s=7.0) == ([(0.0, 7.0, (1, 2))], None)
    assert split(at(1), 1, at(29), window_s=7.0) == ([(1.0, 7.0, (1,))], None)
    assert split() == ([], None)


@given(st.lists(st.integers(0, TIMES + 1500), max_size=40), st.floats(0.1, 30))
def test_any_tokens_make_passages_inside_the_window(ids: list[int], window_s: float) -> None:
    """Whatever a network says: times in the window, each passage with text, no token twice."""
    found, resume = passages(ids, END, TIMES, window_s)

    assert all(0 <= one.start <= one.end <= window_s and one.ids for one in found)
    text = [token for token in ids if token < END]
    assert [token for one in found for token in one.ids] == text[: sum(len(one.ids) for one in found)]
    assert resume is None or 0 <= resume <= window_s


def test_only_speech_counts_as_rest() -> None:
    """Silence after the last timestamp is no reason to go on; without spans all of it may be speech."""
    samples = np.zeros(160_000, np.float32)

    assert speech_after(Chunk(0, 5.0, samples, 10.0, (Span(5.0, 8.0), Span(9.0, 10.0))), 7.5) == pytest.approx(1.5)
    assert speech_after(Chunk(0, 5.0, samples, 10.0), 7.5) == pytest.approx(7.5)


@pytest.mark.parametrize(
    ("cores", "width", "workers", "threads"),
    [
        (1, 384, 1, 1),
        (2, 384, 2, 1),
        (8, 512, 8, 1),
        (32, 768, 32, 1),
        (1, 1280, 1, 1),
        (2, 1280, 1, 2),
        (8, 1280, 2, 4),
        (32, 1280, 8, 4),
    ],
)
def test_cores_are_laid_out_by_rule(cores: int, width: int, workers: int, threads: int) -> None:
    """Small networks: a worker for each core; wide ones: four threads each. No core twice; a wish stands for cores."""
    layout = lay_out(cores, width, LoadOptions(device="cpu"))

    assert (layout.workers, layout.threads) == (workers, threads)
    assert layout.workers * layout.threads <= cores
    assert layout == lay_out(64, width, LoadOptions(device="cpu", cpu_threads=cores))
