"""diarized_json, log-probabilities and usage, as clients of the OpenAI API parse them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.formats import openai
from stenogram.types import Segment, Transcript, Word


def transcript(*said: tuple[str | None, str]) -> Transcript:
    """One segment a second, with its speaker."""
    return Transcript(tuple(Segment(i, i, i + 1, text, speaker=who) for i, (who, text) in enumerate(said)), len(said))


def speakers(body: str) -> list[str]:
    return [segment["speaker"] for segment in json.loads(body)["segments"]]


def test_segments_without_text_are_left_out_and_ids_stay_in_order() -> None:
    body = json.loads(openai.diarized_json(transcript((None, ""), (None, "Two."), (None, ""), (None, "Four."))))

    assert [(segment["id"], segment["text"]) for segment in body["segments"]] == [
        ("seg_001", "Two."),
        ("seg_002", "Four."),
    ]


def test_a_letter_that_is_a_known_name_is_given_to_nobody_else() -> None:
    assert speakers(openai.diarized_json(transcript(("SPEAKER_00", "One."), ("A", "Two.")), ["A"])) == ["B", "A"]


def test_letters_go_on_after_z() -> None:
    labels = openai.Labels()

    assert [labels.of(str(number)) for number in range(53)][25:] == ["Z", *(f"A{chr(65 + n)}" for n in range(26)), "BA"]


@pytest.mark.parametrize(
    ("word", "mean", "logprob"),
    [
        (0.5, -2.0, round(math.log(0.5), 6)),
        (None, -2.0, -2.0),
        (0.0, None, round(math.log(1e-9), 6)),
        (1.0, None, 0.0),
        (None, 0.5, 0.0),
        (math.nan, -1.0, -1.0),
    ],
)
def test_a_word_s_logprob_is_its_own_or_the_mean_of_its_segment(
    word: float | None, mean: float | None, logprob: float
) -> None:
    segment = Segment(0, 0, 1, "猫", (Word("猫", 0, 1, word),), avg_logprob=mean)

    assert openai.logprobs(segment, "猫") == [{"token": "猫", "logprob": logprob, "bytes": [231, 140, 171]}]


def test_where_nothing_is_known_of_a_word_no_logprob_is_invented() -> None:
    assert openai.logprobs(Segment(0, 0, 1, "a", (Word("a", 0, 1),)), "a") == [{"token": "a", "bytes": [97]}]


@given(st.lists(st.text(max_size=4), max_size=5), st.text(max_size=3), st.sampled_from(["", " "]))
def test_the_parts_joined_are_the_text_to_the_letter(said: list[str], end: str, before: str) -> None:
    """Also where words are empty, repeat each other, or lack marks that the text has."""
    text = " ".join(said) + end
    segment = Segment(0, 0, 1, text, tuple(Word(word, 0, 1, 0.5) for word in said))

    parts = openai.logprobs(segment, before + text)

    assert "".join(part["token"] for part in parts) == before + text
    assert bytes(byte for part in parts for byte in part["bytes"]).decode() == before + text


def test_words_that_are_not_in_the_text_are_passed_over() -> None:
    segment = Segment(0, 0, 1, "one two", (Word("eins", 0, 1), Word("two", 0, 1)), avg_logprob=-1.0)

    assert [part["token"] for part in openai.logprobs(segment, "one two")] == ["one two"]


def test_usage_in_tokens_has_every_number_of_its_type() -> None:
    """Sound at ten tokens a second, rounded up; text as the engine counted."""
    said = Transcript((Segment(0, 0, 1, "a", tokens=(1, 2)), Segment(1, 1, 2, "b", tokens=(3,))), 2.01)

    assert openai.usage(said, "tokens") == {
        "type": "tokens",
        "input_tokens": 21,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 21},
        "output_tokens": 3,
        "total_tokens": 24,
    }
    assert openai.usage(said) == {"type": "duration", "seconds": 3}
    assert openai.usage(Transcript((), 0.3), "tokens")["input_tokens"] == 3  # 0.3 * 10 is 3.0000000000000004 elsewhere
