"""The whole chain with the real model on real recordings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import stenogram
from stenogram.app import App
from stenogram.app.transcribe import Request, transcribe
from stenogram.config import read
from stenogram.formats import TextName, render
from stenogram.scoring import word_error_rate
from stenogram.types import Transcript

TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was
the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it was
the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were all
going direct to Heaven, we were all going direct the other way - in short, the period was so far like the present
period, that some of its noisiest authorities insisted on its being received, for good or for evil, in the superlative
degree of comparison only.
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The real app, opened once."""
    settings = read(stenogram.Settings, {"home": str(tmp_path_factory.mktemp("home"))}, {})
    with App.open(settings) as app:
        yield app


@pytest.fixture(scope="module")
def transcript(app: App, two_cities: Path) -> Transcript:
    """A Tale of Two Cities as the built-in model hears it."""
    return transcribe(app, Request(two_cities))


def test_few_words_are_wrong(transcript: Transcript) -> None:
    assert word_error_rate(TWO_CITIES, transcript.text).rate < 0.12
    assert transcript.language == "en"
    assert transcript.model == "moonshine-tiny-en"
    assert transcript.warnings == ()


def test_every_word_has_a_time_of_its_own_in_order_and_inside_its_segment(transcript: Transcript) -> None:
    for segment in transcript.segments:
        assert " ".join(word.word for word in segment.words) == segment.text
        assert all(segment.start <= word.start < word.end <= segment.end for word in segment.words)
    assert all(before.end <= after.start + 1e-6 for before, after in itertools.pairwise(transcript.words))


def test_words_stand_where_they_are_spoken(transcript: Transcript) -> None:
    """The sound itself: 0.8 s of silence (-60 dBFS) end at 29.1 s, and "In short" begins."""
    short = next(index for index, word in enumerate(transcript.words) if word.word.strip(".,").lower() == "short")

    assert transcript.words[short - 1].start == pytest.approx(29.1, abs=0.2)


def test_segments_carry_the_measures_of_the_wire(transcript: Transcript) -> None:
    for segment in transcript.segments:
        assert segment.tokens
        assert segment.avg_logprob is not None
        assert -1 < segment.avg_logprob <= 0
        assert segment.compression_ratio is not None
        assert segment.compression_ratio < 2.4
        assert segment.no_speech_prob is not None


@pytest.mark.parametrize("name", [name for name in get_args(TextName) if name != "rttm"])  # which has no text
def test_every_format_can_be_written(transcript: Transcript, name: TextName) -> None:
    assert "worst of times" in render(transcript, name, granularities=("segment", "word")).replace("\n", " ")


def test_the_public_function_gives_the_same_as_the_app(transcript: Transcript, two_cities: Path) -> None:
    assert stenogram.transcribe(two_cities).segments == transcript.segments
    assert tuple(stenogram.stream(str(two_cities))) == transcript.segments
