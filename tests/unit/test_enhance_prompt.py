"""What is asked of a language model about lines, and how its answer is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.enhance import parts, prompt
from stenogram.enhance.policy import reason_to_skip
from stenogram.enhance.prompt import Answered, Reader


def read(answer: str, size: int) -> list[Answered]:
    reader = Reader()
    pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
    return [*(line for piece in pieces for line in reader.feed(piece)), *reader.finish()]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ("[1] Hello.\n[2] World.", [Answered(1, "Hello."), Answered(2, "World.")]),
        ("1. Hello.\n2) World.\n3: Third\n", [Answered(1, "Hello."), Answered(2, "World."), Answered(3, "Third")]),
        ("```text\n[1] Hello.\n```\n", [Answered(1, "Hello.")]),
        ("\n[1] Hello.\r\n\r\n[2] World.\r\n", [Answered(1, "Hello."), Answered(2, "World.")]),
        ("[1]\n[2] World.", [Answered(1, ""), Answered(2, "World.")]),
        ("[1]: Hello.", [Answered(1, "Hello.")]),
        ("[1] 2 of them came.", [Answered(1, "2 of them came.")]),
        ("[1] It was\n19.30 then.", [Answered(1, "It was", remark=True)]),
        ("Here you are:\n[1] Hello.\n[2] World.", [Answered(1, "Hello.", remark=True), Answered(2, "World.")]),
        ("[1] Hello.\nI put a period.", [Answered(1, "Hello.", remark=True)]),
        ("[2] World.\n[1] Hello.\n[2] Again.", [Answered(2, "World."), Answered(1, "Hello."), Answered(2, "Again.")]),
        ("I cannot help with that.", []),
        ("", []),
    ],
)
def test_an_answer_is_read_by_its_numbers(answer: str, lines: list[Answered], size: int) -> None:
    assert read(answer, size) == lines


@given(st.lists(st.text(max_size=30), max_size=12), st.integers(1, 9))
def test_lines_given_back_as_asked_are_read_as_asked(texts: list[str], size: int) -> None:
    """Whatever a line holds, also what looks like a number or a fence; each is one line to the model."""
    [_, asked] = prompt.messages("clean", texts, "en", None)
    found = read(asked["content"], size)

    assert [line.number for line in found] == list(range(1, len(texts) + 1))
    assert [line.text for line in found] == [" ".join(text.split()) for text in texts]
    assert not any(line.remark for line in found)


@given(st.text(max_size=400), st.integers(1, 50))
def test_any_answer_can_be_read(answer: str, size: int) -> None:
    assert all(line.number >= 0 for line in read(answer, size))


def test_the_question_names_languages_and_asks_for_numbers() -> None:
    [system, asked] = prompt.messages("clean", ["привет", "как дела"], "ru", None)

    assert "Russian" in system["content"]
    assert asked["content"] == "[1] привет\n[2] как дела"
    assert "into German" in prompt.messages("translation", ["hello"], "en", "de")[0]["content"]


@given(st.lists(st.text(max_size=60), max_size=30), st.integers(1, 120))
def test_parts_hold_every_text_once_and_in_order(texts: list[str], limit: int) -> None:
    found = list(parts.split(texts, limit))

    assert [place for part in found for place in part] == list(range(len(texts)))
    for part in found:
        assert len(part) == 1 or sum(len(texts[place].encode()) for place in part) <= limit


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=5))
def test_the_limit_of_an_answer_follows_the_lines(texts: list[str]) -> None:
    """Enough for a token in two bytes of English; for other scripts, and where one may come, for more of them."""
    limit = parts.token_limit(texts)

    assert limit > sum(len(text.encode()) for text in texts) / 2
    assert parts.token_limit(texts, translated=True) > sum(len(text.encode()) for text in texts) * 2
    assert limit < parts.token_limit([*texts, "one more"])


def test_an_answer_has_room_for_a_script_that_the_vocabulary_hardly_knows() -> None:
    """Kanji are up to two tokens each; from 100 English letters come some 100 of Hindi, each a token or more."""
    assert parts.token_limit(["漢字" * 50]) > 2 * 100
    assert parts.token_limit(["a" * 100], translated=True) > 200


def test_a_small_context_makes_small_parts() -> None:
    assert parts.part_bytes(1600, None) == parts.part_bytes(1600, 32_768) == 1600
    assert parts.part_bytes(1600, 1024) < 700


@pytest.mark.parametrize(
    ("model", "runs"),
    [
        ("moonshine-tiny-en", True),
        ("whisper-base.en", True),
        ("ggml-small-q5_1", True),
        ("openai-whisper-tiny", True),
        ("whisper-medium", False),
        ("ggml-large-v3-q5_0", False),
        ("whisper-large-v3-turbo", False),
        ("parakeet-tdt-0.6b-v3", False),
    ],
)
def test_auto_is_for_what_small_models_wrote(model: str, runs: bool) -> None:
    reason = reason_to_skip("auto", model)

    assert (reason is None) == runs
    assert reason_to_skip("always", model) is None
    assert reason_to_skip("never", model) is not None
    if reason is not None:
        assert model in reason
