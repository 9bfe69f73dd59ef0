"""Error rates are the Levenshtein distance over the words that ``normalise`` leaves."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.scoring import Score, character_error_rate, error_rate, normalise, word_error_rate

words = st.lists(st.sampled_from("abcd"), max_size=8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He said: “Don't!”", ["he", "said", "dont"]),
        ("He said: “Don’t!”", ["he", "said", "dont"]),  # noqa: RUF001 - the typographic apostrophe
        ("the forty-two line Bible", ["the", "forty", "two", "line", "bible"]),
        ("2:30 PM", ["2", "30", "pm"]),
        ("Ein CAFE\u0301.", ["ein", "caf\u00e9"]),
        ("हिन्दी।", ["हिन्दी"]),
        (" ... ", []),
    ],
)
def test_normalise_lowers_and_strips_punctuation(text: str, expected: list[str]) -> None:
    assert normalise(text) == expected


def test_each_kind_of_error_is_counted() -> None:
    assert word_error_rate("the cat sat on the mat", "The cat, sat on mat.") == Score(6, 0, 1, 0)
    assert word_error_rate("the cat sat", "the big cat sat") == Score(3, 0, 0, 1)
    assert word_error_rate("the cat sat", "the dog sat") == Score(3, 1, 0, 0)
    assert word_error_rate("one two", "") == Score(2, 0, 2, 0)
    assert word_error_rate("", "one") == Score(0, 0, 0, 1)


def test_rate_of_an_empty_reference_is_zero_only_without_errors() -> None:
    assert word_error_rate("", "").rate == 0.0
    assert math.isinf(word_error_rate("", "invented").rate)


def test_chinese_is_scored_by_characters() -> None:
    assert error_rate("今天天气很好。", "今天天很好", "zh") == Score(6, 0, 1, 0)
    assert character_error_rate("今 天", "今天").errors == 0
    assert error_rate("good day", "good", "en") == Score(2, 0, 1, 0)


@given(words, words)
def test_errors_are_the_least_number_of_edits(reference: list[str], hypothesis: list[str]) -> None:
    """Against the textbook recursion."""

    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = reference[i - 1] == hypothesis[j - 1]
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (not same))

    score = word_error_rate(" ".join(reference), " ".join(hypothesis))

    assert score.errors == distance(len(reference), len(hypothesis))
    assert score.insertions - score.deletions == len(hypothesis) - len(reference)
    assert min(score.substitutions, score.deletions, score.insertions) >= 0


def test_scores_of_several_recordings_add_up() -> None:
    total = word_error_rate("a b c", "a b") + word_error_rate("d", "e f")

    assert total == Score(4, 1, 1, 1)
    assert total.rate == 0.75
