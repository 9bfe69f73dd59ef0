"""When a transcript is doubted to be in the model's language."""

from __future__ import annotations

import dataclasses
import math

import pytest

from stenogram.pipeline import doubt
from stenogram.testing import FAKE_FILES
from stenogram.types import Segment, TranscribeOptions, Transcript

UNSAID = TranscribeOptions()


def transcript(*rated: tuple[int, float | None]) -> Transcript:
    """One segment for each pair of (tokens, mean log-probability)."""
    segments = [
        Segment(number, float(number), number + 1.0, "some text", tokens=(7,) * count, avg_logprob=logprob)
        for number, (count, logprob) in enumerate(rated)
    ]
    return Transcript(tuple(segments), duration=float(len(segments)))


def test_an_unsure_text_is_doubted_with_a_word_on_what_to_do() -> None:
    (warning,) = doubt.of_language(transcript((20, math.log(0.41))), FAKE_FILES, UNSAID)

    assert "English" in warning
    assert "0.41" in warning
    assert "--language" in warning
    assert "stenogram models list" in warning


def test_a_sure_text_is_not_doubted() -> None:
    assert doubt.of_language(transcript((20, -0.3)), FAKE_FILES, UNSAID) == []


def test_who_names_the_language_is_believed() -> None:
    named = TranscribeOptions(language="en")

    assert doubt.of_language(transcript((20, -3.0)), FAKE_FILES, named) == []


@pytest.mark.parametrize("languages", [("*",), ("en", "de")], ids=["all", "several"])
def test_a_model_of_many_languages_is_believed(languages: tuple[str, ...]) -> None:
    files = dataclasses.replace(FAKE_FILES, languages=languages)

    assert doubt.of_language(transcript((20, -3.0)), files, UNSAID) == []


@pytest.mark.parametrize(
    "rated", [(), ((doubt.LEAST_TOKENS - 1, -3.0),), ((20, None),)], ids=["no text", "few tokens", "no log-probability"]
)
def test_too_little_to_tell_is_not_doubted(rated: tuple[tuple[int, float | None], ...]) -> None:
    assert doubt.of_language(transcript(*rated), FAKE_FILES, UNSAID) == []


def test_confidence_is_the_geometric_mean_over_all_tokens() -> None:
    """Three quarters of the tokens are in the first segment; the last one has no log-probability and does not count."""
    found = doubt.confidence(transcript((30, math.log(0.9)), (10, math.log(0.1)), (99, None)))

    assert found == pytest.approx(0.9**0.75 * 0.1**0.25)


def test_the_border_itself_is_not_doubted() -> None:
    at = math.log(doubt.LEAST_CONFIDENCE)

    assert doubt.of_language(transcript((20, at + 1e-9)), FAKE_FILES, UNSAID) == []
    assert doubt.of_language(transcript((20, at - 1e-9)), FAKE_FILES, UNSAID) != []
