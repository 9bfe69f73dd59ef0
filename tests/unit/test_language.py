"""Which language a recording is in: the rule of ``pipeline.language``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from stenogram.pipeline.language import DOUBTFUL, MOST, SURE, Heard, Hearing, must_be_heard
from stenogram.testing import FAKE_FILES, FakeEngine
from stenogram.types import Chunk, TranscribeOptions

CHUNKS = [Chunk(index, float(index), np.zeros(16_000, np.float32), 1.0) for index in range(6)]
MANY = replace(FAKE_FILES, languages=("en", "ru", "de"))


def ask(answers: list[Mapping[str, float]], chunks: int = 6) -> tuple[Heard | None, int]:
    """The verdict over a recording of so many chunks, and how many questions it took."""
    hearing = Hearing()
    hearing.add(CHUNKS[:chunks])
    asked = 0
    while (verdict := hearing.verdict(more=False)) is None and hearing.question() is not None:
        hearing.answer(answers[asked])
        asked += 1
    return verdict, asked


def test_a_clear_first_answer_decides() -> None:
    assert ask([{"ru": 0.9, "en": 0.1}]) == (Heard("ru", 0.9), 1)


def test_an_unclear_start_is_followed_by_further_questions_and_the_mean_decides() -> None:
    verdict, asked = ask([{"en": 0.6, "ru": 0.4}, {"ru": 0.98, "en": 0.02}, {"ru": 1.0}, {"ru": 1.0}])

    assert verdict is not None
    assert verdict.language == "ru"
    assert verdict.probability == pytest.approx((0.4 + 0.98 + 1.0 + 1.0) / 4, abs=1e-3)
    assert asked == 4


def test_no_more_than_so_many_questions_are_asked() -> None:
    verdict, asked = ask([{"en": 0.4, "de": 0.3}] * 6)

    assert asked == MOST
    assert verdict is not None
    assert (verdict.language, verdict.probability) == ("en", 0.4)


def test_a_short_recording_is_decided_by_what_there_is() -> None:
    assert ask([{"de": 0.5, "en": 0.3}], chunks=1) == (Heard("de", 0.5), 1)


def test_a_recording_without_speech_has_no_language() -> None:
    assert ask([], chunks=0) == (None, 0)


def test_more_speech_is_waited_for_while_the_answer_is_unclear() -> None:
    hearing = Hearing()
    hearing.add(CHUNKS[:1])
    hearing.answer({"en": 0.6})

    assert hearing.verdict(more=True) is None
    assert hearing.question() is None

    hearing.add(CHUNKS[1:2])

    assert hearing.question() is CHUNKS[1]


def test_doubt_is_told_with_the_way_out() -> None:
    assert Heard("en", SURE).doubts() == []
    assert "English" in Heard("en", DOUBTFUL - 0.1).doubts()[0]
    assert "--language" in Heard("en", DOUBTFUL - 0.1).doubts()[0]


def test_only_an_unknown_language_is_asked_for_and_only_where_the_model_can_tell() -> None:
    able = FakeEngine(supports=frozenset({"language_detection"}))

    assert must_be_heard(able, MANY, TranscribeOptions())
    assert not must_be_heard(able, MANY, TranscribeOptions(language="ru"))
    assert not must_be_heard(able, FAKE_FILES, TranscribeOptions())
    assert not must_be_heard(FakeEngine(), MANY, TranscribeOptions())
