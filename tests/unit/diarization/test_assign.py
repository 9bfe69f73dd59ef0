"""Words get their speakers, and nothing that was said is lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.diarization.assign import assign
from stenogram.types import Segment, SpeakerTurn, Word


def segment(*words: tuple[str, float, float], space: str = " ") -> Segment:
    """A segment of words with their times."""
    said = tuple(Word(*word) for word in words)
    return Segment(0, said[0].start, said[-1].end, space.join(word.word for word in said), said)


def evenly(text: str, start: float = 0.0, word_s: float = 0.3) -> Segment:
    """A segment of words of one length without pauses."""
    return segment(*((word, start + i * word_s, start + (i + 1) * word_s) for i, word in enumerate(text.split())))


def turns(*given: tuple[str, float, float]) -> list[SpeakerTurn]:
    return [SpeakerTurn(start, end, speaker) for speaker, start, end in given]


def said(segments: list[Segment]) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in segments]


# --- who said it -----------------------------------------------------------------------------------------------------


def test_the_largest_overlap_wins() -> None:
    spoken = segment(("One.", 0, 1), ("Two.", 1, 2), ("Three.", 2, 3))

    assert said(assign([spoken], turns(("A", 0, 1.4), ("B", 1.4, 3)))) == [("A", "One."), ("B", "Two. Three.")]


def test_a_word_in_no_turn_goes_to_the_nearest_one() -> None:
    spoken = segment(("Before.", 0, 0.5), ("After.", 2.5, 3.0), ("Late.", 3.7, 4.1), ("Last.", 60, 61))

    assert [word.speaker for part in assign([spoken], turns(("A", 1, 2), ("B", 4.2, 5))) for word in part.words] == [
        "A",
        "A",
        "B",
        "B",
    ]


def test_a_word_as_near_to_both_stays_with_the_one_who_spoke() -> None:
    found = assign([segment(("One.", 0, 1), ("Two.", 2, 3), ("Three.", 4, 5))], turns(("A", 0, 1), ("B", 4, 5)))

    assert said(found) == [("A", "One. Two."), ("B", "Three.")]


def test_where_two_talk_at_once_the_one_who_spoke_goes_on() -> None:
    found = assign([evenly("I was in town all day.")], turns(("B", 0.6, 1.2), ("A", 0, 1.8)))

    assert said(found) == [("A", "I was in town all day.")]


@pytest.mark.parametrize("off", [-0.3, -0.2, 0.2, 0.3])
def test_a_turn_that_begins_a_word_off_is_put_right_at_the_end_of_the_sentence(off: float) -> None:
    found = assign([evenly("I think so too. But not today.")], turns(("A", 0, 1.2 + off), ("B", 1.2 + off, 3)))

    assert said(found) == [("A", "I think so too."), ("B", "But not today.")]


def test_a_word_in_the_middle_of_a_sentence_is_nobody_else_s() -> None:
    spoken = turns(("A", 0, 1.2), ("B", 1.2, 1.5), ("A", 1.5, 3))

    assert said(assign([evenly("we all went to the house today.")], spoken)) == [
        ("A", "we all went to the house today.")
    ]


@pytest.mark.parametrize("answer", ["Yes.", "Oh no!", "是。", "Да."])
def test_a_short_answer_with_a_turn_of_its_own_stays(answer: str) -> None:
    words = [("Are", 0, 0.3), ("you?", 0.3, 0.6), (answer, 0.6, 0.9), ("Then", 0.9, 1.2), ("go.", 1.2, 1.5)]
    spoken = turns(("A", 0, 0.6), ("B", 0.6, 0.9), ("A", 0.9, 2))

    assert said(assign([segment(*words)], spoken)) == [("A", "Are you?"), ("B", answer), ("A", "Then go.")]


def test_an_interruption_in_the_middle_of_a_sentence_is_kept() -> None:
    found = assign([evenly("well I wanted to no you did not mean that.")], turns(("A", 0, 1.2), ("B", 1.2, 3)))

    assert said(found) == [("A", "well I wanted to"), ("B", "no you did not mean that.")]


def test_without_punctuation_the_turns_decide() -> None:
    found = assign([evenly("do you come yes then we go")], turns(("A", 0, 0.9), ("B", 0.9, 1.2), ("A", 1.2, 3)))

    assert said(found) == [("A", "do you come"), ("B", "yes"), ("A", "then we go")]


def test_the_dot_of_a_title_ends_no_sentence() -> None:
    found = assign([evenly("So I asked Mr. Smith again.")], turns(("A", 0, 1.45), ("B", 1.45, 1.8)))

    assert said(found) == [("A", "So I asked Mr. Smith again.")]


# --- splitting -------------------------------------------------------------------------------------------------------


def test_a_segment_is_split_at_the_change_and_all_are_numbered() -> None:
    spoken = replace(
        evenly("Is it late? No. Good then."),
        id=7,
        tokens=tuple(range(13)),
        avg_logprob=-0.3,
        compression_ratio=1.2,
        no_speech_prob=0.1,
        temperature=0.2,
        channel=1,
        retried=True,
        suspect=True,
    )
    found = assign([spoken, evenly("Bye.", 4)], turns(("A", 0, 0.9), ("B", 0.9, 1.2), ("A", 1.2, 5)))

    assert said(found) == [("A", "Is it late?"), ("B", "No."), ("A", "Good then."), ("A", "Bye.")]
    assert [part.id for part in found] == [0, 1, 2, 3]
    assert [part.start for part in found[:3]] == pytest.approx([0, 0.9, 1.2])
    assert [part.end for part in found[:3]] == pytest.approx([0.9, 1.2, 1.8])
    assert [word.speaker for part in found for word in part.words] == ["A"] * 3 + ["B"] + ["A"] * 3
    for part in found[:3]:
        assert replace(part, id=7, start=0, end=1.8, text="", words=(), tokens=(), speaker=None) == replace(
            spoken, start=0, end=1.8, text="", words=(), tokens=()
        )


def test_tokens_are_shared_out_once_by_the_length_of_the_text() -> None:
    spoken = replace(evenly("aaaa. bbbb. cccc. dddd."), tokens=(1, 2, 3, 4, 5, 6, 7, 8))

    assert [part.tokens for part in assign([spoken], turns(("A", 0, 0.9), ("B", 0.9, 2)))] == [
        (1, 2, 3, 4, 5, 6),
        (7, 8),
    ]


def test_a_word_keeps_all_it_has() -> None:
    word = Word("Yes.", 0.0, 1.0, 0.5, interpolated=True)
    spoken = [Segment(0, 0.0, 1.0, "Yes.", (word,))]

    assert assign(spoken, turns(("A", 0, 1)))[0].words == (replace(word, speaker="A"),)


def test_marks_stay_where_they_belong() -> None:
    words = (Word("Yes", 0, 0.5), Word("No", 0.5, 1), Word("sir", 1, 1.5))
    spoken = Segment(0, 0, 1.5, "“Yes.” - No, sir!", words)

    assert said(assign([spoken], turns(("A", 0, 0.5), ("B", 0.5, 1.5)))) == [("A", "“Yes.”"), ("B", "- No, sir!")]


def test_a_word_of_two_pieces_is_not_torn() -> None:
    """Some engines time "don" and "'t" apart; joined again, the text must have the same words."""
    spoken = Segment(0, 0, 1.2, "I don't know", (Word("I", 0, 0.3), Word("don", 0.3, 0.6), Word("'t", 0.6, 0.9)))
    whole = replace(spoken, words=(*spoken.words, Word("know", 0.9, 1.2)))

    assert said(assign([whole], turns(("A", 0, 0.6), ("B", 0.6, 2)))) == [("A", "I"), ("B", "don't know")]


def test_words_that_are_not_those_of_the_text_keep_it_whole() -> None:
    spoken = Segment(0, 0, 2, "eins zwei", (Word("one", 0, 1), Word("two", 1, 2)))
    (found,) = assign([spoken], turns(("A", 0, 0.8), ("B", 0.8, 2)))

    assert found == replace(spoken, speaker="B", words=tuple(replace(word, speaker="B") for word in spoken.words))


def test_chinese_is_split_between_words() -> None:
    words = [("你好", 0, 0.5), ("吗。", 0.5, 0.9), ("我", 0.9, 1.1), ("很好。", 1.1, 1.8)]

    assert said(assign([segment(*words, space="")], turns(("A", 0, 0.9), ("B", 0.9, 2)))) == [
        ("A", "你好吗。"),
        ("B", "我很好。"),
    ]


# --- without word times ----------------------------------------------------------------------------------------------


def test_text_without_word_times_is_laid_out_over_the_turns() -> None:
    spoken = Segment(0, 0.0, 12.0, "Where have you been all day? In the garden with the dogs.", tokens=(1, 2, 3, 4))
    found = assign([spoken], turns(("A", 0.5, 3.0), ("B", 9.0, 11.5)))

    assert said(found) == [("A", "Where have you been all day?"), ("B", "In the garden with the dogs.")]
    assert [part.words for part in found] == [(), ()]
    assert found[0].end <= 3.0  # not over the pause
    assert found[1].start >= 9.0
    assert found[0].tokens + found[1].tokens == (1, 2, 3, 4)


def test_chinese_without_word_times_is_split_between_characters() -> None:
    found = assign([Segment(0, 0, 4, "你今天去哪里了。我在花园里玩狗。")], turns(("A", 0, 2.1), ("B", 2.1, 4)))

    assert said(found) == [("A", "你今天去哪里了。"), ("B", "我在花园里玩狗。")]


def test_a_segment_without_text_gets_a_speaker_too() -> None:
    assert said(assign([Segment(0, 0, 4, "")], turns(("A", 0, 1), ("B", 1, 4)))) == [("B", "")]


# --- all of it -------------------------------------------------------------------------------------------------------


def test_without_turns_nothing_changes() -> None:
    spoken = [replace(evenly("One two."), id=5)]

    assert assign(spoken, []) == spoken
    assert assign(spoken, turns(("A", 1, 1))) == spoken
    assert assign([], turns(("A", 0, 1))) == []


def test_parts_of_overlapping_segments_are_in_order_of_time() -> None:
    one, other = evenly("Are you there? Yes I am."), replace(evenly("Hello.", 0.5), channel=1)
    found = assign([one, other], turns(("A", 0, 0.9), ("B", 0.9, 3)))

    assert said(found) == [("A", "Are you there?"), ("A", "Hello."), ("B", "Yes I am.")]


texts = st.lists(
    st.text("ab.,?!「」猫がไทย-'\u0301 Я", min_size=1, max_size=6).filter(str.strip) | st.sampled_from(["Yes.", "no"]),
    max_size=12,
)


@st.composite
def transcripts(draw: st.DrawFn) -> list[Segment]:
    """Segments one after the other; with word times that fit, that are wild, of other words, or without any."""
    segments, now = [], 0.0
    for number in range(draw(st.integers(0, 4))):
        start, words = now, []
        pieces = [" ".join(piece.split()) for piece in draw(texts)]
        space = draw(st.sampled_from([" ", "", "  "]))
        kind = draw(st.sampled_from(["fitting", "none", "wild", "other"]))
        for piece in pieces:
            begin = now + draw(st.sampled_from([0.0, 0.1, 2.0]))
            now = begin + draw(st.sampled_from([0.0, 0.2, 0.7]))
            wild = kind == "wild"
            words.append(
                Word(piece, draw(st.floats(0, 50)) if wild else begin, draw(st.floats(0, 50)) if wild else now)
            )
        if kind == "other":
            words = [Word("other", start, now)]
        tokens = tuple(range(number * 1000, number * 1000 + draw(st.integers(0, 30))))
        segments.append(Segment(number, start, now, space.join(pieces), () if kind == "none" else tuple(words), tokens))
    return segments


several = st.lists(
    st.builds(SpeakerTurn, st.floats(0, 30), st.floats(0, 30), st.sampled_from(["A", "B", "C"])), max_size=8
)


@given(transcripts(), several)
def test_nothing_is_lost_doubled_or_moved(segments: list[Segment], spoken: list[SpeakerTurn]) -> None:
    found = assign(segments, spoken)

    assert [replace(word, speaker=None) for part in found for word in part.words] == [
        word for segment in segments for word in segment.words
    ]
    assert [token for part in found for token in part.tokens] == [
        token for segment in segments for token in segment.tokens
    ]
    assert "".join("".join(part.text for part in found).split()) == "".join(
        "".join(segment.text for segment in segments).split()
    )
    assert [part.id for part in found] == ([*range(len(found))] if found != segments else [s.id for s in segments])


@given(st.lists(st.sampled_from(["One", "two,", "three.", "don't", "-", "e.g."]), min_size=1), several, st.booleans())
def test_the_text_has_the_same_tokens(pieces: list[str], spoken: list[SpeakerTurn], timed: bool) -> None:
    """In a language with spaces, text split at white space is the same with and without speakers."""
    whole = evenly(" ".join(pieces))
    found = assign([whole if timed else replace(whole, words=())], spoken)

    assert " ".join(part.text for part in found).split() == pieces


@given(transcripts(), several)
def test_every_part_has_the_speaker_of_its_words_and_a_time(segments: list[Segment], spoken: list[SpeakerTurn]) -> None:
    found = assign(segments, spoken)

    names = {turn.speaker for turn in spoken if turn.end > turn.start}
    for part in found:
        assert part.speaker in names if names else part.speaker is None
        assert {word.speaker for word in part.words} <= {part.speaker}
        assert part.start <= part.end
    assert all(one.start <= other.start for one, other in pairwise(found))
