"""Changes between a transcript and its clean text: exact, in time, and each for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.enhance.diff import apply, carried, changes
from stenogram.enhancement import Change, Enhancement, Line
from stenogram.errors import OptionError
from stenogram.types import Segment, Transcript, Word


def spoken(text: str, number: int = 0, start: float = 0.0, *, timed: bool = True) -> Segment:
    """A segment whose words take half a second each, and end a tenth before the next."""
    written = text.split()
    words = tuple(
        Word(word, start + place / 2, start + place / 2 + 0.4, 0.9, speaker="Ann") for place, word in enumerate(written)
    )
    return Segment(number, start, start + max(len(written), 1) / 2, text, words if timed else ())


def of(*segments: Segment) -> Transcript:
    return Transcript(segments, duration=segments[-1].end if segments else 0.0)


def told(found: Sequence[Change]) -> list[tuple[int, str, str]]:
    return [(change.at, change.before, change.after) for change in found]


def cleaned(before: str, after: str) -> tuple[Segment, tuple[Change, ...]]:
    segment = spoken(before)
    return segment, changes([segment], [Line(0, after)])


# --- what a change is ------------------------------------------------------------------------------------------------


def test_a_comma_and_a_capital_are_changes_of_the_words_that_carry_them() -> None:
    _, found = cleaned("hello my world", "Hello, my world.")

    assert told(found) == [(0, "hello", "Hello,"), (9, "world", "world.")]
    assert [(change.start, change.end) for change in found] == [(0.0, 0.4), (1.0, 1.4)]
    assert [change.id for change in found] == [0, 1]


def test_neighbouring_words_that_were_replaced_are_one_change() -> None:
    _, found = cleaned("i seen them dogs there", "i saw those dogs there")

    assert told(found) == [(2, "seen them", "saw those")]
    assert (found[0].start, found[0].end) == (0.5, 1.4)


def test_what_is_put_in_lies_in_the_gap() -> None:
    _, found = cleaned("go to store", "go to the store")

    assert told(found) == [(6, "", "the ")]
    assert (found[0].start, found[0].end) == (0.9, 1.0)


def test_what_is_left_out_takes_one_space_with_it() -> None:
    _, found = cleaned("i um go", "i go")

    assert told(found) == [(2, "um ", "")]


def test_a_segment_without_words_is_timed_by_its_characters() -> None:
    segment = Segment(3, 10.0, 20.0, "abcd efghi")
    found = changes([segment], [Line(3, "abcd xyz")])

    assert found == (Change(0, 3, 5, "efghi", "xyz", 15.0, 20.0),)


def test_ids_count_over_the_whole_transcript() -> None:
    segments = [spoken("one two", 4), spoken("same", 5, 2.0), spoken("three", 6, 3.0)]
    found = changes(segments, [Line(4, "One two."), Line(5, "same"), Line(6, "Three")])

    assert [(change.id, change.segment) for change in found] == [(0, 4), (1, 4), (2, 6)]


def test_chinese_is_compared_by_characters() -> None:
    _, found = cleaned("今天天气很号", "今天天气很好。")

    assert told(found) == [(5, "号", "好。")]


def test_a_line_of_no_segment_is_an_error() -> None:
    with pytest.raises(OptionError, match="no such segment"):
        changes([spoken("a")], [Line(7, "b")])


# --- applying --------------------------------------------------------------------------------------------------------


def test_a_word_that_gets_a_comma_keeps_its_time_and_probability() -> None:
    segment, found = cleaned("hello world", "Hello, world")
    (got,) = apply(of(segment), found).segments

    assert got.text == "Hello, world"
    assert got.words == (replace(segment.words[0], word="Hello,"), segment.words[1])


def test_new_words_share_the_time_of_those_they_replace() -> None:
    segment, found = cleaned("i dont know", "i do not know")
    (got,) = apply(of(segment), found).segments

    assert got.words[0] == segment.words[0]
    assert got.words[3] == segment.words[2]
    do, no = got.words[1:3]
    assert (do.word, do.start, do.interpolated, do.probability, do.speaker) == ("do", 0.5, True, None, "Ann")
    assert (no.word, no.end, no.interpolated, no.speaker) == ("not", 0.9, True, "Ann")
    assert do.end == no.start == pytest.approx(0.66)


def test_a_word_that_was_put_in_lies_in_the_gap() -> None:
    segment, found = cleaned("go to store", "go to the store")
    (got,) = apply(of(segment), found).segments

    assert [word.word for word in got.words] == ["go", "to", "the", "store"]
    assert (got.words[2].start, got.words[2].end, got.words[2].interpolated) == (0.9, 1.0, True)


def test_a_word_that_is_split_gives_both_parts_its_time() -> None:
    segment, found = cleaned("my website works", "my web site works")
    (got,) = apply(of(segment), found).segments

    assert [(word.word, word.start) for word in got.words[1:3]] == [("web", 0.5), ("site", pytest.approx(0.671, 0.01))]
    assert got.words[2].end == 0.9


def test_one_of_two_changes_leaves_the_other_word_alone() -> None:
    segment, (first, second) = cleaned("he go too school", "he goes too School")

    assert apply(of(segment), [first]).segments[0].text == "he goes too school"
    assert apply(of(segment), [second]).segments[0].text == "he go too School"
    assert apply(of(segment), [first]).segments[0].words[2:] == segment.words[2:]


def test_words_of_a_script_without_spaces_keep_their_times() -> None:
    words = (Word("今天", 0.0, 0.5), Word("天气", 0.5, 1.0), Word("很", 1.0, 1.2), Word("号", 1.2, 1.5))
    segment = Segment(0, 0.0, 1.5, "今天天气很号", words)
    (got,) = apply(of(segment), changes([segment], [Line(0, "今天天气很好。")])).segments

    assert got.words[:3] == words[:3]
    assert "".join(word.word for word in got.words) == "今天天气很好。"


def test_a_segment_without_words_gets_none() -> None:
    segment = spoken("a b", timed=False)

    assert apply(of(segment), changes([segment], [Line(0, "A b.")])).segments[0].words == ()


def test_words_that_are_not_those_of_the_text_are_laid_out_anew() -> None:
    segment = Segment(0, 0.0, 2.0, "all other", (Word("words", 0.0, 2.0, 0.5),))
    (got,) = apply(of(segment), changes([segment], [Line(0, "all others")])).segments

    assert [(word.word, word.interpolated) for word in got.words] == [("all", True), ("others", True)]
    assert got.words[-1].end <= 2.0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Change(0, 0, 1, "hello", "x", 0, 0), "does not stand at 1"),
        (Change(0, 0, -5, "world", "x", 0, 0), "does not stand at -5"),
        (Change(0, 0, 99, "", "x", 0, 0), "does not stand at 99"),
        (Change(0, 9, 0, "hello", "x", 0, 0), "no segment 9"),
    ],
)
def test_a_change_of_another_text_is_an_error(change: Change, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        apply(of(spoken("hello world")), [change])


@pytest.mark.parametrize(
    "overlapping",
    [
        [Change(0, 0, 0, "hello", "x", 0, 0), Change(1, 0, 3, "lo", "y", 0, 0)],
        [Change(0, 0, 0, "hello", "x", 0, 0), Change(0, 0, 0, "hello", "x", 0, 0)],
        [Change(0, 0, 5, "", "x", 0, 0), Change(1, 0, 5, "", "y", 0, 0)],
    ],
)
def test_overlapping_changes_are_an_error(overlapping: list[Change]) -> None:
    with pytest.raises(OptionError, match="overlaps"):
        apply(of(spoken("hello world")), overlapping)


# --- whatever the texts ----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["a", "A", "a,", "b", "the", "The", "dont", "don't", "до", "Да,", "42", "—", "你好", "好", "ab", "x."]
)
GAPS = st.sampled_from([" ", " ", " ", "  ", "\n", ""])


@st.composite
def texts(draw: st.DrawFn) -> str:
    parts = [word + gap for word, gap in draw(st.lists(st.tuples(WORDS, GAPS), max_size=12))]
    return "".join(parts) if draw(st.booleans()) else "".join(parts).strip()


@st.composite
def edits(draw: st.DrawFn) -> tuple[Transcript, list[Line]]:
    """A transcript with words, and lines for some of its segments."""
    segments, lines, now = [], [], 0.0
    for number in range(draw(st.integers(0, 3))):
        text = draw(texts() | st.text(max_size=15))
        segment = spoken(text, number, now, timed=draw(st.booleans()))
        segments.append(segment)
        now = segment.end + draw(st.sampled_from([0.0, 1.5]))
        if draw(st.booleans()) or number == 0:
            lines.append(Line(number, draw(texts() | st.text(max_size=15))))
    return of(*segments), lines


@given(edits(), st.randoms(use_true_random=False))
def test_all_changes_give_the_line_and_none_the_original(edit: tuple[Transcript, list[Line]], chance: object) -> None:
    """Whatever the order in which they come."""
    transcript, lines = edit
    found = list(changes(transcript.segments, lines))
    given_texts = {line.segment: line.text for line in lines}

    assert apply(transcript, []) == transcript
    whole = apply(transcript, found)
    assert [s.text for s in whole.segments] == [given_texts.get(s.id, s.text) for s in transcript.segments]
    chance.shuffle(found)  # type: ignore[attr-defined]
    assert apply(transcript, found) == whole


@given(edits(), st.data())
def test_any_of_the_changes_can_be_applied_alone(edit: tuple[Transcript, list[Line]], data: st.DataObject) -> None:
    """The text is spliced exactly, and the words are those of the text, in order and in time."""
    transcript, lines = edit
    found = changes(transcript.segments, lines)
    some = [change for change in found if data.draw(st.booleans())]

    for before, after in zip(transcript.segments, apply(transcript, some).segments, strict=True):
        text = before.text
        own = [change for change in some if change.segment == before.id]
        for change in sorted(own, key=lambda change: change.id, reverse=True):
            text = text[: change.at] + change.after + text[change.at + len(change.before) :]
        assert after.text == text
        if not before.words:
            assert after.words == ()
            continue
        assert "".join(word.word for word in after.words) == "".join(text.split())
        times = [time for word in after.words for time in (word.start, word.end)]
        assert all(a <= b for a, b in pairwise(times))
        assert all(before.start <= time <= before.end for time in times)
        unchanged = {word for word in after.words if not word.interpolated}
        assert {(word.start, word.end, word.probability) for word in unchanged} <= {
            (word.start, word.end, word.probability) for word in before.words
        }


@given(edits())
def test_changes_are_in_order_and_inside_their_segments(edit: tuple[Transcript, list[Line]]) -> None:
    transcript, lines = edit
    found = changes(transcript.segments, lines)

    assert [change.id for change in found] == list(range(len(found)))
    segments = {segment.id: segment for segment in transcript.segments}
    for change in found:
        assert change.before != change.after
        assert segments[change.segment].start <= change.start <= change.end <= segments[change.segment].end
    for one, other in pairwise(found):
        if one.segment == other.segment:
            assert one.at + len(one.before) <= other.at
            assert one.start <= other.start


def test_four_thousand_words_are_no_trouble() -> None:
    """A line far longer than any segment, with a change every ten words."""
    before = [f"word{number % 700}" for number in range(4_000)]
    after = ["Else" if not number % 10 else word for number, word in enumerate(before)]
    segment = spoken(" ".join(before))
    found = changes([segment], [Line(0, " ".join(after))])

    assert len(found) == 400
    assert apply(of(segment), found).segments[0].text == " ".join(after)


# --- on a transcript that was edited since ----------------------------------------------------------------------------


def made_of(*segments: Segment, **lines: str) -> Enhancement:
    """What a language model made of segments: ``s0="..."`` for the one with the id 0."""
    written = [Line(segment.id, lines.get(f"s{segment.id}", segment.text)) for segment in segments]
    return Enhancement("clean", "model", 1, tuple(written), changes(segments, written))


def test_changes_of_what_nobody_edited_are_as_they_were() -> None:
    segment, other = spoken("hello my world"), spoken("go to store", 1, 5.0)
    made = made_of(segment, other, s0="Hello, my world.", s1="Go to the store.")

    edited = replace(other, id=7, text="we stay")
    assert carried(of(segment, other), made) == list(made.changes)
    assert carried(of(segment, edited), made) == [change for change in made.changes if change.segment == 0]


def test_a_change_moves_with_what_it_replaces() -> None:
    segment = spoken("hello my world go to store")
    made = made_of(segment, s0="Hello, my world. Go to the store.")
    now = replace(segment, text="oh hello my whole world go to store")

    found = carried(of(now), made)
    assert told(found) == [
        (3, "hello", "Hello,"),
        (18, "world", "world."),
        (24, "go", "Go"),
        (30, "", "the "),
        (30, "store", "store."),
    ]
    assert apply(of(now), found).text == "oh Hello, my whole world. Go to the store."


def test_a_change_of_what_was_edited_is_left_out() -> None:
    segment = spoken("hello my world go to store")
    made = made_of(segment, s0="Hello, my world. Go to the store.")
    now = replace(segment, text="hi my world go to a store")

    assert apply(of(now), carried(of(now), made)).text == "hi my world. Go to a store."


@given(st.lists(texts() | st.text(max_size=15), min_size=3, max_size=3))
def test_whatever_was_edited_what_is_carried_fits(written: list[str]) -> None:
    before, after, now = written
    made = made_of(spoken(before), s0=after)
    edited = of(replace(spoken(before), text=now, words=()))

    found = carried(edited, made)
    apply(edited, found)
    assert {change.id for change in found} <= {change.id for change in made.changes}
    assert now != before or found == list(made.changes)
