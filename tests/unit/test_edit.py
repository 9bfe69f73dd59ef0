"""Editing a transcript: kept words keep their times, others are fitted, and every edit can be taken back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.enhance.alignment import Effort, matched
from stenogram.enhance.edit import (
    MOST_CHARS,
    MOST_RESHAPED,
    MOST_SEGMENTS,
    MOST_TEXT_CHARS,
    Edit,
    Edited,
    Passage,
    edit,
    plain,
)
from stenogram.errors import NotFound, OptionError
from stenogram.types import Segment, SpeakerTurn, Transcript, Word

A, B, C = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"


def spoken(number: int, text: str, start: float, speaker: str | None = A) -> Segment:
    """A segment whose words take half a second each, and end a tenth before the next."""
    words = tuple(
        Word(word, start + place / 2, start + place / 2 + 0.4, 0.9, speaker=speaker)
        for place, word in enumerate(text.split())
    )
    return Segment(number, start, words[-1].end if words else start, text, words, speaker=speaker)


def of(*segments: Segment) -> Transcript:
    return Transcript(segments, duration=segments[-1].end + 1 if segments else 10.0)


TALK = of(spoken(0, "good morning to you", 0.0), spoken(1, "Hello there.", 3.0, B), spoken(2, "Shall we begin?", 5.0))


def done(transcript: Transcript, *edits: Edit) -> Edited:
    return edit(transcript, edits, 1 + max((segment.id for segment in transcript.segments), default=-1))


def said(text: str, speaker: str | None = None) -> Passage:
    return Passage(text, speaker, keep_speaker=speaker is None)


def times(segment: Segment) -> list[tuple[str, float, float]]:
    return [(word.word, word.start, word.end) for word in segment.words]


def given_back(segment: Segment) -> Passage:
    """What a client sends to have a segment again."""
    words = tuple(replace(word, speaker=None) for word in segment.words)
    return Passage(segment.text, segment.speaker, False, words, segment.start, segment.end, segment.suspect)


# --- one edit --------------------------------------------------------------------------------------------------------


def test_a_corrected_word_takes_the_time_of_the_one_before_it() -> None:
    [[made]] = done(TALK, Edit((0,), (said("good evening to you"),))).made

    assert times(made) == [("good", 0.0, 0.4), ("evening", 0.5, 0.9), ("to", 1.0, 1.4), ("you", 1.5, 1.9)]
    assert [word.interpolated for word in made.words] == [False, True, False, False]
    assert [word.probability for word in made.words] == [0.9, None, 0.9, 0.9]
    assert (made.id, made.start, made.end, made.speaker) == (0, 0.0, 1.9, A)


def test_a_capital_and_a_comma_change_no_time_nor_probability() -> None:
    [[made]] = done(TALK, Edit((0,), (said("Good morning, to you"),))).made

    assert times(made)[:2] == [("Good", 0.0, 0.4), ("morning,", 0.5, 0.9)]
    assert not any(word.interpolated for word in made.words)


def test_what_is_added_at_an_end_goes_into_the_pause_there() -> None:
    [[made]] = done(TALK, Edit((1,), (said("Well, Hello there. Sir."),))).made

    well, hello, there, sir = made.words
    assert (hello, there) == TALK.segments[1].words
    assert 1.9 <= well.start < well.end <= 3.0
    assert 3.9 <= sir.start < sir.end <= 5.0
    assert (made.start, made.end) == (well.start, sir.end)


def test_splitting_cuts_between_words_and_gives_new_ids() -> None:
    edited = done(TALK, Edit((0,), (said("good morning"), said("to you", C))))

    [[left, right]] = edited.made
    assert (left.id, right.id, edited.next_id) == (3, 4, 5)
    assert (left.start, left.end, right.start, right.end) == (0.0, 0.9, 1.0, 1.9)
    assert (left.speaker, right.speaker, right.words[0].speaker) == (A, C, C)
    assert [segment.id for segment in edited.transcript.segments] == [3, 4, 1, 2]


def test_joining_keeps_all_words() -> None:
    [[made]] = done(TALK, Edit((0, 1), (said("good morning to you Hello there."),))).made

    assert [replace(word, speaker=None) for word in made.words] == [
        replace(word, speaker=None) for segment in TALK.segments[:2] for word in segment.words
    ]
    assert (made.id, made.start, made.end, made.speaker) == (3, 0.0, 3.9, A)
    assert {word.speaker for word in made.words} == {A}


def test_what_is_put_in_lies_between_its_neighbours() -> None:
    edited = done(
        TALK, Edit((), (said("Yes."),), after=0), Edit((), (said("Ah."),)), Edit((), (said("Bye."),), after=2)
    )

    assert [segment.text for segment in edited.transcript.segments] == [
        *("Ah.", "good morning to you", "Yes.", "Hello there.", "Shall we begin?", "Bye."),
    ]
    [yes], _, [bye] = edited.made
    assert 1.9 <= yes.start < yes.end <= 3.0
    assert yes.words[0].interpolated
    assert 6.4 <= bye.start < bye.end <= TALK.duration


def test_nothing_in_place_of_something_deletes_it() -> None:
    edited = done(TALK, Edit((0, 1), ()), Edit((2,), ()))

    assert edited.transcript.segments == ()
    assert edited.made == ((), ())
    [[made]] = done(edited.transcript, Edit((), (said("Said."),))).made  # even then something can be put in
    assert 0.0 <= made.start <= made.end <= TALK.duration


def test_where_words_have_no_times_segments_get_their_share() -> None:
    talk = of(*(replace(segment, words=()) for segment in TALK.segments))

    [[left, right]] = done(talk, Edit((0,), (said("good morning"), said("to you")))).made
    assert (left.words, right.words) == ((), ())
    assert left.start == 0.0
    assert 1.0 < left.end <= right.start < 1.4
    assert right.end == 1.9


def test_a_segment_whose_words_are_not_those_of_its_text_can_be_edited() -> None:
    odd = replace(TALK.segments[0], text="20 mornings to you")
    [[made]] = done(of(odd, *TALK.segments[1:]), Edit((0,), (said("20 evenings to you"),))).made

    assert [word.word for word in made.words] == ["20", "evenings", "to", "you"]
    assert (made.words[0].start, made.words[-1].end) == (0.0, 1.9)


def test_what_the_engine_thought_of_its_text_goes_with_the_text() -> None:
    first = replace(TALK.segments[0], tokens=(1, 2), avg_logprob=-0.1, suspect=True)
    talk = of(first, *TALK.segments[1:])

    [[same]] = done(talk, Edit((0,), (Passage(first.text, B, suspect=True),))).made
    [[other]] = done(talk, Edit((0,), (said("Else."),))).made
    assert (same.tokens, same.avg_logprob, same.suspect, same.speaker) == ((1, 2), -0.1, True, B)
    assert (other.tokens, other.avg_logprob, other.suspect) == ((), None, False)


def test_scripts_without_spaces_are_fitted_by_characters() -> None:
    words = tuple(Word(sign, number / 2, number / 2 + 0.5) for number, sign in enumerate("今日は良い"))
    [[left, right]] = done(
        of(Segment(0, 0.0, 2.5, "今日は良い", words)), Edit((0,), (said("今日は"), said("良い天気")))
    ).made

    assert left.words == words[:3]
    assert right.words[:2] == words[3:]
    assert [word.word for word in right.words] == list("良い天気")


def test_turns_follow_who_speaks() -> None:
    turns = (SpeakerTurn(0.0, 1.9, A), SpeakerTurn(3.0, 3.9, B), SpeakerTurn(5.0, 6.4, A))
    talk = replace(TALK, turns=turns)

    given = done(talk, Edit((0,), (said(TALK.segments[0].text, B),))).transcript
    assert given.turns == (SpeakerTurn(0.0, 1.9, B), *turns[1:])
    halved = done(talk, Edit((0,), (said("good morning"), said("to you", C)))).transcript
    assert halved.turns == (SpeakerTurn(0.0, 1.0, A), SpeakerTurn(1.0, 1.9, C), *turns[1:])
    assert done(talk, Edit((0,), (said("Else."),))).transcript.turns == turns


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [Edit((9,), ()), Edit((), (said("x"),), after=9), Edit((0, 9), (said("x"),))])
def test_a_segment_that_is_not_there_is_told(wish: Edit) -> None:
    with pytest.raises(NotFound, match="9"):
        done(TALK, wish)


def test_what_was_replaced_is_not_there_for_the_edits_behind_it() -> None:
    """Also where as many segments stand in its place, which have other ids."""
    both = Edit((0, 1), (said("one"), said("two")))

    assert [segment.text for segment in done(TALK, both, Edit((4,), (said("three"),))).transcript.segments][:2] == [
        "one",
        "three",
    ]
    with pytest.raises(NotFound):
        done(TALK, both, Edit((1,), (said("three"),)))


@pytest.mark.parametrize("numbers", [(0, 2), (1, 0), (0, 0)])
def test_only_consecutive_segments_are_replaced(numbers: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="consecutive"):
        done(TALK, Edit(numbers, (said("x"),)))


@pytest.mark.parametrize("text", ["", " \n ", "a\0b", "a\x1bb", "\x85", "x" * (MOST_TEXT_CHARS + 1), "\ud800"])
def test_a_text_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        plain(text)


def test_a_text_stands_on_one_line() -> None:
    assert plain(" one\ntwo\t three\r") == "one two  three"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([("Hello", 3.0, 2.0), ("there.", 3.5, 3.9)], "no time"),
        ([("Hello", -1.0, 2.0), ("there.", 3.5, 3.9)], "no time"),
        ([("Hello", 3.0, 3.2), ("there.", 3.5, 99.0)], "no time"),
        ([("Hello", 3.0, float("nan")), ("there.", 3.5, 3.9)], "no time"),
        ([("Hello", 3.6, 3.7), ("there.", 3.5, 3.9)], "order"),
        ([("Hello", 5.6, 5.7), ("there.", 5.8, 5.9)], "between"),
    ],
)
def test_times_that_cannot_be_are_refused(words: list[tuple[str, float, float]], why: str) -> None:
    sent = tuple(Word(*word) for word in words)
    with pytest.raises(OptionError, match=why):
        done(TALK, Edit((1,), (Passage("Hello there.", B, words=sent),)))


def test_words_of_another_text_are_fitted_anew() -> None:
    sent = (Word("Something", 3.0, 3.2), Word("else", 3.3, 3.9))
    [[made]] = done(TALK, Edit((1,), (Passage("Hello you.", B, words=sent),))).made

    assert times(made) == [("Hello", 3.0, 3.4), ("you.", 3.5, 3.9)]


# --- whatever is edited ----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["a", "the", "dog", "Dog,", "runs", "home.", "3", "—", "don't", "это", "今日", "ü", "well-known"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)


@st.composite
def talks(draw: st.DrawFn) -> Transcript:
    now, segments = 0.0, []
    for number, text in enumerate(draw(st.lists(TEXTS, min_size=1, max_size=5))):
        now += draw(st.floats(0, 2))
        first, words = now, []
        for word in text.split():
            end = now + draw(st.floats(0, 1))
            words.append(Word(word, now, end, draw(st.none() | st.floats(0, 1)), speaker=A))
            now = end + draw(st.floats(0, 0.3))
        segments.append(Segment(number, first, words[-1].end, text, tuple(words), speaker=A))
        now = words[-1].end
    return Transcript(tuple(segments), duration=now + draw(st.floats(0, 3)))


@st.composite
def edits(draw: st.DrawFn, talk: Transcript) -> Edit:
    """An edit of what stands there, as a person may type it."""
    count = len(talk.segments)
    first = draw(st.integers(0, count))
    last = draw(st.integers(first, min(first + 3, count)))
    old = talk.segments[first:last]
    words = [word for segment in old for word in segment.text.split()]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(words)))
        words[at : at + draw(st.integers(0, 2))] = draw(st.lists(WORDS, max_size=2))
    cuts = sorted(draw(st.lists(st.integers(0, len(words)), max_size=2)))
    parts = [words[a:b] for a, b in pairwise([0, *cuts, len(words)])]
    speaker = draw(st.sampled_from([None, A, B]))
    return Edit(
        tuple(segment.id for segment in old),
        tuple(said(" ".join(part), speaker) for part in parts if part),
        after=talk.segments[first - 1].id if first and not old else None,
    )


def check_sound(talk: Transcript) -> None:
    for segment in talk.segments:
        assert "".join(word.word for word in segment.words) == "".join(segment.text.split())
        assert segment.start <= segment.end
        for word in segment.words:
            assert segment.start <= word.start <= word.end <= segment.end
        assert all(left.end <= right.start for left, right in pairwise(segment.words))
        assert {word.speaker for word in segment.words} <= {segment.speaker}
    assert all(left.start <= right.start for left, right in pairwise(talk.segments))
    words = talk.words
    assert all(left.end <= right.start for left, right in pairwise(words))
    assert not words or (words[0].start >= 0 and words[-1].end <= talk.duration)
    assert len({segment.id for segment in talk.segments}) == len(talk.segments)


@given(st.data())
def test_words_stay_in_order_within_the_recording_and_are_those_of_the_text(data: st.DataObject) -> None:
    talk = data.draw(talks())
    next_id = len(talk.segments)
    for _ in range(data.draw(st.integers(1, 4))):
        wish = data.draw(edits(talk))
        before = {segment.id: segment for segment in talk.segments}
        edited = edit(talk, [wish], next_id)
        talk, next_id = edited.transcript, edited.next_id
        check_sound(talk)
        old = [word for number in wish.replace for word in before[number].words]
        known = {(word.word, word.start, word.end, word.probability, word.interpolated) for word in old}
        for word in (word for segment in edited.made[0] for word in segment.words):
            same = (word.word, word.start, word.end, word.probability, word.interpolated)
            recased = any((word.start, word.end, word.probability) == (o.start, o.end, o.probability) for o in old)
            assert word.interpolated or same in known or recased
        for segment in talk.segments:  # the rest is not touched
            assert segment.id in {made.id for made in edited.made[0]} or segment is before[segment.id]


@given(st.data())
def test_words_that_stay_in_their_place_stay_as_they_are(data: st.DataObject) -> None:
    talk = data.draw(talks())
    segment = data.draw(st.sampled_from(talk.segments))
    count = len(segment.words)
    at = data.draw(st.integers(0, count - 1))
    written = segment.text.split()
    [[made]] = done(talk, Edit((segment.id,), (said(" ".join([*written[:at], "zzz", *written[at + 1 :]])),))).made

    assert made.words[:at] == segment.words[:at]
    assert made.words[at + 1 :] == segment.words[at + 1 :]
    assert (made.start, made.end) == (segment.start, segment.end)


@given(st.data())
def test_split_and_joined_again_the_words_are_as_before(data: st.DataObject) -> None:
    talk = data.draw(talks())
    segment = data.draw(st.sampled_from(talk.segments))
    written = segment.text.split()
    at = data.draw(st.integers(0, len(written)))
    parts = [" ".join(part) for part in (written[:at], written[at:]) if part]
    split = done(talk, Edit((segment.id,), tuple(said(part) for part in parts)))
    ids = tuple(made.id for made in split.made[0])
    joined = edit(split.transcript, [Edit(ids, (said(segment.text),))], split.next_id)

    [[made]] = joined.made
    assert made.words == segment.words
    assert replace(made, id=segment.id) == segment


@given(st.data())
def test_giving_the_old_segments_back_is_as_if_nothing_had_been(data: st.DataObject) -> None:
    talk = data.draw(talks())
    wish = data.draw(edits(talk))
    before = {segment.id: segment for segment in talk.segments}
    edited = edit(talk, [wish], len(talk.segments))
    old = [before[number] for number in wish.replace]
    ids = tuple(made.id for made in edited.made[0])
    place = [segment.id for segment in talk.segments].index(old[0].id) if old else 0
    back = Edit(
        ids,
        tuple(given_back(segment) for segment in old),
        after=talk.segments[place - 1].id if place and not ids else None,
    )
    undone = edit(edited.transcript, [back], edited.next_id).transcript

    assert [replace(segment, id=0) for segment in undone.segments] == [
        replace(segment, id=0) for segment in talk.segments
    ]


# --- however much it is -----------------------------------------------------------------------------------------------


def test_words_that_are_there_once_lead_the_way_where_to_compare_all_would_take_minutes() -> None:
    """Each of ten million pairs of equal words would be looked at for each of some hundred stretches."""
    before, after = ["x", "y"] * 10_000, ["x", "y", "y"] * 300
    before[9000], after[500] = "once", "once"
    before[9001], after[501] = "more", "more"

    pairs = matched(before, after)

    assert (9000, 500) in pairs
    assert all(before[x] == after[y] for x, y in pairs)
    assert all(left[0] < right[0] and left[1] < right[1] for left, right in pairwise(pairs))


@given(st.lists(st.sampled_from("abcdefgh")), st.lists(st.sampled_from("abcdefgh")), st.integers(0, 20))
def test_whatever_the_effort_what_is_matched_is_equal_and_in_order(before: list[str], after: list[str], n: int) -> None:
    pairs = matched(before, after, Effort(n))

    assert all(before[x] == after[y] for x, y in pairs)
    assert all(left[0] < right[0] and left[1] < right[1] for left, right in pairwise(pairs))


def test_all_the_words_of_a_long_segment_can_be_others() -> None:
    """Each new word would look at all of the old ones."""
    before, after = (" ".join(f"{letter}{n}" for n in range(8000)) for letter in "ab")
    [[made]] = done(of(spoken(0, before, 0.0)), Edit((0,), (said(after),))).made

    assert len(made.words) == 8000
    assert all(left.end <= right.start for left, right in pairwise(made.words))


def test_many_passages_can_be_given_to_others_among_many_turns() -> None:
    count = 10_000
    segments = [spoken(n, "yes", float(n), (A, B)[n % 2]) for n in range(count)]
    turns = tuple(SpeakerTurn(n, n + 0.9, (A, B)[n % 2]) for n in range(count))
    talk = replace(of(*segments), turns=turns)
    edited = done(talk, *(Edit((n,), (said("yes", C),)) for n in range(0, count, 2))).transcript

    assert {turn.speaker for turn in edited.turns} == {A, B, C}  # of those of A only what no segment has is left
    assert sum(turn.speaker == C for turn in edited.turns) == count // 2
    assert sum(turn.speaker == B for turn in edited.turns) == count // 2


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ([Edit((), (said("x"), said("y")), None) for _ in range(MOST_RESHAPED + 1)], "smaller steps"),
        ([Edit((), (said("x"),) * MOST_SEGMENTS, None)], "segments"),
        ([Edit((), (said("x" * MOST_TEXT_CHARS),) * (MOST_CHARS // MOST_TEXT_CHARS), None)], "characters"),
    ],
    ids=["edits", "segments", "characters"],
)
def test_a_transcript_cannot_grow_without_end(edits: list[Edit], why: str) -> None:
    with pytest.raises(OptionError, match=why):
        done(TALK, *edits)
