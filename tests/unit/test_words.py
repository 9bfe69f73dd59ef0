"""Word times: alignment by attention, and interpolation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.engines.words import align, interpolate, weight
from stenogram.types import SAMPLE_RATE, Chunk, Span, Word

START = 100.0


def tone(*stretches: tuple[float, float], length_s: float) -> Chunk:
    """A chunk of near silence that sounds from each start to each end, in seconds of the chunk."""
    times = np.arange(int(length_s * SAMPLE_RATE)) / SAMPLE_RATE
    samples = 1e-4 * np.random.default_rng(0).standard_normal(len(times))
    for low, high in stretches:
        samples += 0.3 * np.sin(2 * np.pi * 200 * times) * ((times >= low) & (times < high))
    return Chunk(0, START, samples.astype(np.float32), length_s)


def check(words: list[Word], texts: list[str], chunk: Chunk) -> None:
    assert [word.word for word in words] == texts
    assert all(chunk.start <= word.start < word.end <= chunk.end + 1e-9 for word in words)
    assert all(one.end <= following.start for one, following in pairwise(words))


def test_interpolated_words_lie_in_sound() -> None:
    """Three bursts, three words of like length: each gets its burst, and no silence."""
    bursts = [(0.5, 1.0), (2.0, 2.5), (3.0, 3.5)]

    words = interpolate(["apple", "lemon", "melon"], tone(*bursts, length_s=4.0))

    for word, (low, high) in zip(words, bursts, strict=True):
        assert [word.start - START, word.end - START] == pytest.approx([low, high], abs=0.04)
    assert all(word.interpolated for word in words)


def test_interpolation_keeps_to_the_spans() -> None:
    """Sound outside the chunk's speech, such as a neighbour's, takes no word."""
    chunk = tone((0.0, 1.0), (2.0, 3.0), length_s=3.0)
    chunk = Chunk(0, START, chunk.samples, 3.0, (Span(START + 1.9, START + 3.0),))

    words = interpolate(["one", "two"], chunk)

    assert all(word.start >= START + 1.9 for word in words)


def test_longer_words_take_longer() -> None:
    """Without any dip to hold on to, words share the sound by what they take to say."""
    short, long = interpolate(["a", "extraordinarily"], tone((0.0, 2.0), length_s=2.0))

    assert long.end - long.start > 3 * (short.end - short.start)
    assert weight("extraordinarily") > weight("two") > weight("a") > 0


def test_aligned_words_follow_the_attention() -> None:
    """Without pauses, words lie where the model read them, whatever their length in letters."""
    attention = np.zeros((3, 100), np.float32)
    for row, (low, high) in enumerate([(0, 10), (10, 70), (70, 100)]):
        attention[row, low:high] = 1 / (high - low)

    words = align(["extraordinary", "a", "b"], attention, 0.02, tone((0.0, 2.0), length_s=2.0))

    assert [word.start - START for word in words] == pytest.approx([0.0, 0.2, 1.4], abs=0.05)
    assert not any(word.interpolated for word in words)


def test_aligned_borders_go_to_pauses() -> None:
    """Blurred attention is corrected by a pause nearby."""
    times = np.arange(100)
    attention = np.exp(-0.5 * ((times[None] - np.array([[25], [75]])) / 30) ** 2).astype(np.float32)
    attention /= attention.sum(axis=1, keepdims=True)

    first, second = align(["one", "two"], attention, 0.02, tone((0.1, 1.1), (1.3, 1.9), length_s=2.0))

    assert first.end - START == pytest.approx(1.1, abs=0.04)
    assert second.start - START == pytest.approx(1.3, abs=0.04)


@given(
    texts=st.lists(
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12), min_size=1, max_size=30
    ),
    length_s=st.floats(0.02, 3.0),
    seed=st.integers(0, 5),
)
def test_times_are_always_in_order(texts: list[str], length_s: float, seed: int) -> None:
    """Any words in any sound, even more words than frames: inside the chunk, in order, longer than zero."""
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.integers(0, 2, 100), int(length_s * SAMPLE_RATE) // 100 + 1)[: int(length_s * SAMPLE_RATE)]
    samples = (envelope * rng.standard_normal(len(envelope)) * 0.1).astype(np.float32)
    chunk = Chunk(0, START, samples, len(samples) / SAMPLE_RATE)
    attention: npt.NDArray[np.float32] = rng.dirichlet(np.ones(20), len(texts)).astype(np.float32)

    check(interpolate(texts, chunk), texts, chunk)
    check(align(texts, attention, length_s / 20, chunk), texts, chunk)


def test_no_words() -> None:
    """No words, no times."""
    chunk = tone(length_s=1.0)

    assert interpolate([], chunk) == []
    assert align([], np.zeros((0, 5), np.float32), 0.2, chunk) == []


def test_more_words_than_frames() -> None:
    """Found by hypothesis: a length between two frames must not let two words overlap by rounding."""
    chunk = Chunk(0, START, np.zeros(5600, np.float32), 0.35)
    attention = np.full((3, 20), 0.05, np.float32)

    check(align(["0", "0", "0"], attention, 0.0175, chunk), ["0", "0", "0"], chunk)
    check(interpolate(["0"] * 100, chunk), ["0"] * 100, chunk)


def attended(*frames: tuple[int, int], length: int) -> npt.NDArray[np.float32]:
    """Attention ``[words, length]``, each word's spread evenly from one frame to another."""
    attention = np.zeros((len(frames), length), np.float32)
    for row, (low, high) in enumerate(frames):
        attention[row, low:high] = 1 / (high - low)
    return attention


def test_a_word_read_from_the_pause_before_it_begins_where_the_sound_does() -> None:
    """The word "it" is read in the silence from 1.0 to 2.0 s; it is spoken at 2.0 s, with "was"."""
    chunk = tone((0.0, 1.0), (2.0, 3.0), length_s=3.0)
    attention = attended((0, 50), (55, 98), (100, 150), length=150)

    hope, it, was = align(["hope.", "it", "was"], attention, 0.02, chunk)

    assert hope.end - START == pytest.approx(1.0, abs=0.06)
    assert it.start - START == pytest.approx(2.0, abs=0.06)
    assert it.end == pytest.approx(was.start)
    assert was.end - START == pytest.approx(3.0, abs=0.06)


def test_the_end_of_a_clause_read_from_the_pause_after_it_ends_where_the_sound_does() -> None:
    """The word "ago." is read in the silence, but it closes what was said before it."""
    chunk = tone((0.0, 1.0), (2.0, 3.0), length_s=3.0)
    attention = attended((0, 50), (55, 98), (100, 150), length=150)

    long, ago, then = align(["long", "ago.", "Then"], attention, 0.02, chunk)

    assert long.end == pytest.approx(ago.start)
    assert ago.end - START == pytest.approx(1.0, abs=0.06)
    assert then.start - START == pytest.approx(2.0, abs=0.06)
