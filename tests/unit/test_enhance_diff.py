"""Changes of a text: each alone, none the original, all the edit; words keep what they had."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.enhance.diff import apply, changes
from stenogram.enhancement import Change, Line
from stenogram.errors import OptionError
from stenogram.types import Segment, Transcript, Word

texts = st.lists(
    st.sampled_from(["a", "b", "B,", "the", "The.", "don't", "dont", " ", "\n", "—", "é"]), max_size=9
).map(" ".join)
"""Few words, so that edits share some; white space of all kinds between them."""


def segment(text: str, number: int = 0, *, timed: bool = True) -> Segment:
    """A second for each word."""
    start = 100.0 * number
    words = tuple(
        Word(word, start + place, start + place + 0.8, 0.9, speaker=f"SPEAKER_{place % 2:02d}")
        for place, word in enumerate(text.split())
    )
    return Segment(number, start, start + len(text.split()), text, words if timed else ())


def transcript(*segments: Segment) -> Transcript:
    return Transcript(segments, 1000.0)


def changed(before: str, after: str) -> list[tuple[str, str]]:
    return [(change.before, change.after) for change in changes([segment(before)], [Line(0, after)])]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "well i dont know",
            "Well, I don't know.",
            [("well", "Well,"), ("i", "I"), ("dont", "don't"), ("know", "know.")],
        ),
        ("we met at the the station", "we met at the station", [("the ", "")]),
        ("um so it begins", "so it begins", [("um ", "")]),
        ("it ends um", "it ends", [(" um", "")]),
        ("he went home", "he had gone home", [("went", "had gone")]),
        ("he went", "he went away", [("", " away")]),
        ("went", "He went", [("", "He ")]),
        ("two  spaces", "two spaces", [(" ", "")]),
        ("can not", "cannot", [("can not", "cannot")]),
        ("", "new", [("", "new")]),
        ("old", "", [("old", "")]),
        ("same", "same", []),
    ],
)
def test_a_change_is_a_word_or_what_lies_between_words(
    before: str, after: str, expected: list[tuple[str, str]]
) -> None:
    assert changed(before, after) == expected


def test_changes_count_through_the_transcript_and_know_their_times() -> None:
    segments = [segment("one two three", 0), segment("four five", 1)]
    found = changes(segments, [Line(0, "One two, three"), Line(1, "four, five")])

    assert [(change.id, change.segment, change.at) for change in found] == [(0, 0, 0), (1, 0, 4), (2, 1, 0)]
    assert [(change.start, change.end) for change in found] == [(0.0, 0.8), (1.0, 1.8), (100.0, 100.8)]


def test_what_was_put_in_has_the_time_of_the_gap() -> None:
    [change] = changes([segment("one three")], [Line(0, "one two three")])

    assert (change.start, change.end) == (0.8, 1.0)


def test_without_word_times_those_of_the_segment_are_shared_by_characters() -> None:
    [change] = changes([replace(segment("abcd efgh", timed=False), end=9.0)], [Line(0, "abcd Efgh")])

    assert (change.start, change.end) == (5.0, 9.0)


@given(texts, texts, st.booleans())
def test_none_is_the_original_and_all_are_the_edit(before: str, after: str, timed: bool) -> None:
    original = transcript(segment(before, timed=timed))
    found = changes(original.segments, [Line(0, after)])

    assert apply(original, []) == original
    assert apply(original, found).segments[0].text == after


@given(texts, texts, texts, texts, st.randoms())
def test_every_change_stands_alone(before: str, after: str, other: str, other_after: str, chance: object) -> None:
    """Any of them, in any order, also one after the other on what came out."""
    original = transcript(segment(before), segment(other, 1))
    found = changes(original.segments, [Line(0, after), Line(1, other_after)])
    taken = [change for change in found if chance.random() < 0.5]  # type: ignore[attr-defined]
    shuffled = sorted(taken, key=lambda _: chance.random())  # type: ignore[attr-defined]
    result = apply(original, taken)

    assert apply(original, shuffled) == result
    for one in result.segments:
        text = original.segments[one.id].text
        for change in reversed([change for change in taken if change.segment == one.id]):
            text = text[: change.at] + change.after + text[change.at + len(change.before) :]
        assert one.text == text


@given(texts, texts)
def test_words_are_those_of_the_text_in_time(before: str, after: str) -> None:
    original = transcript(segment(before))
    result = apply(original, changes(original.segments, [Line(0, after)])).segments[0]

    assert [word.word for word in result.words] == after.split()
    for word in result.words:
        assert result.start <= word.start <= word.end <= result.end
    for left, right in pairwise(result.words):
        assert left.end <= right.start


@given(texts, texts)
def test_words_that_stay_keep_everything(before: str, after: str) -> None:
    original = transcript(segment(before))
    found = changes(original.segments, [Line(0, after)])
    touched = [range(change.at, change.at + len(change.before)) for change in found]
    result = apply(original, found).segments[0]
    place = 0
    for word in original.segments[0].words:
        at = before.index(word.word, place)
        place = at + len(word.word)
        if not any(at in span for span in touched):
            assert word in result.words


def test_words_put_in_are_marked_and_have_the_speaker_beside_them() -> None:
    original = transcript(segment("one three"))
    words = apply(original, changes(original.segments, [Line(0, "one two three")])).segments[0].words

    assert words[1].interpolated
    assert (words[1].start, words[1].end) == (0.8, 1.0)
    assert words[1].speaker == "SPEAKER_00"
    assert not words[0].interpolated
    assert words[2] == original.segments[0].words[1]


def test_words_that_do_not_fit_their_text_are_left_out() -> None:
    """As where an engine gave other words than text."""
    odd = replace(segment("one two"), words=(Word("one", 0.0, 1.0),))
    found = changes([odd], [Line(0, "One two")])

    assert apply(transcript(odd), found).segments[0].words == ()
    assert apply(transcript(odd), []).segments[0] == odd


@pytest.mark.parametrize(
    "foreign",
    [
        Change(0, 7, 0, "one", "One", 0.0, 1.0),
        Change(0, 0, 0, "eno", "One", 0.0, 1.0),
        Change(0, 0, 99, "one", "One", 0.0, 1.0),
        Change(0, 0, 1, "ne two", "", 0.0, 1.0),
    ],
)
def test_changes_of_another_transcript_are_refused(foreign: Change) -> None:
    original = transcript(segment("one two"))
    own = changes(original.segments, [Line(0, "One two")])

    with pytest.raises(OptionError, match="does not fit"):
        apply(original, [*own, foreign])
