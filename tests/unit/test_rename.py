"""Speakers of a transcript called otherwise: nothing but the names changes, and who gets one name is one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stenogram
from stenogram.diarization.rename import MOST_NAME_CHARS, rename_speakers, shares, speakers_of
from stenogram.errors import NotFound, OptionError
from stenogram.types import Segment, SpeakerTurn, Transcript, Word

LABELS = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")
CALL = Transcript(
    segments=(
        Segment(0, 0.0, 2.0, "Hello there.", (Word("Hello", 0.0, 1.0, speaker=LABELS[0]),), speaker=LABELS[0]),
        Segment(1, 2.0, 4.0, "Hello.", (Word("Hello.", 2.0, 4.0, speaker=LABELS[1]),), speaker=LABELS[1]),
        Segment(2, 4.0, 5.0, "Hm."),
    ),
    duration=5.0,
    turns=(SpeakerTurn(0.0, 2.0, LABELS[0]), SpeakerTurn(2.0, 4.0, LABELS[1]), SpeakerTurn(3.0, 5.0, LABELS[0])),
)

seconds = st.integers(0, 40).map(lambda quarter: quarter / 4)
spans = st.tuples(seconds, seconds).filter(lambda pair: pair[0] < pair[1])
speakers = st.none() | st.sampled_from(LABELS)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    segments = []
    for place, (start, end) in enumerate(sorted(draw(st.lists(spans, max_size=5)))):
        words = tuple(Word(f"w{n}", start, end, speaker=draw(speakers)) for n in range(draw(st.integers(0, 3))))
        segments.append(Segment(place, start, end, "text", words, speaker=draw(speakers)))
    turns = [SpeakerTurn(start, end, draw(st.sampled_from(LABELS))) for start, end in draw(st.lists(spans, max_size=8))]
    return Transcript(tuple(segments), 10.0, turns=tuple(sorted(turns, key=lambda turn: turn.start)))


def bare(transcript: Transcript) -> Transcript:
    """Without anybody's name."""
    return replace(
        transcript,
        turns=(),
        segments=tuple(
            replace(each, speaker=None, words=tuple(replace(word, speaker=None) for word in each.words))
            for each in transcript.segments
        ),
    )


def spoken(transcript: Transcript, *names: str) -> set[float]:
    """Quarters of a second in which one of these speaks."""
    return {
        quarter / 4
        for turn in transcript.turns
        if turn.speaker in names
        for quarter in range(round(turn.start * 4), round(turn.end * 4))
    }


@given(transcripts(), st.permutations(LABELS))
def test_names_that_change_places_change_nothing_else_and_can_change_back(
    transcript: Transcript, permuted: list[str]
) -> None:
    there = dict(zip(LABELS, permuted, strict=True))
    present = speakers_of(transcript)
    back = {new: old for old, new in there.items() if old in present}
    renamed = rename_speakers(transcript, {old: new for old, new in there.items() if old in present})

    assert bare(renamed) == bare(transcript)
    assert len(renamed.turns) == len(transcript.turns)
    assert rename_speakers(renamed, back) == transcript
    assert [replace(share, speaker=there[share.speaker]) for share in shares(transcript)] == list(shares(renamed))


@given(transcripts())
def test_no_names_change_nothing(transcript: Transcript) -> None:
    assert rename_speakers(transcript, {}) == transcript


@given(transcripts(), st.sampled_from(["Ann", *LABELS]))
def test_those_who_get_one_name_are_one(transcript: Transcript, name: str) -> None:
    """They speak when either did; their turns do not touch, and nobody else's change."""
    merged = [label for label in LABELS[:2] if label in speakers_of(transcript)]
    result = rename_speakers(transcript, dict.fromkeys(merged, name))
    sources = {*merged, name}

    assert bare(result) == bare(transcript)
    assert spoken(result, name) == spoken(transcript, *sources)
    mine = [turn for turn in result.turns if turn.speaker == name]
    if len(sources & set(speakers_of(transcript))) > 1:
        assert all(before.end < after.start for before, after in pairwise(mine))
    assert [turn for turn in result.turns if turn.speaker != name] == [
        turn for turn in transcript.turns if turn.speaker not in sources
    ]
    assert [turn.start for turn in result.turns] == sorted(turn.start for turn in result.turns)
    for before, after in zip(transcript.words, result.words, strict=True):
        assert after.speaker == (name if before.speaker in sources else before.speaker)


def test_a_merge_with_one_who_keeps_their_name() -> None:
    merged = rename_speakers(CALL, {LABELS[1]: LABELS[0]})

    assert merged.turns == (SpeakerTurn(0.0, 5.0, LABELS[0]),)
    assert {segment.speaker for segment in merged.segments} == {LABELS[0], None}


def test_the_shares_count_overlapping_turns_once_and_follow_the_order_of_appearance() -> None:
    doubled = replace(CALL, turns=(*CALL.turns, SpeakerTurn(4.5, 5.0, LABELS[0])))

    assert [(share.speaker, share.seconds, share.words, share.segments) for share in shares(doubled)] == [
        (LABELS[0], 4.0, 1, 1),
        (LABELS[1], 2.0, 1, 1),
    ]
    assert shares(replace(CALL, turns=()))[0].seconds == 2.0  # by the segments
    assert shares(bare(CALL)) == ()


def test_it_is_part_of_the_python_api() -> None:
    renamed = stenogram.rename_speakers(CALL, {LABELS[0]: "  Ann\n Lee "})

    assert speakers_of(renamed) == ("Ann Lee", LABELS[1])


@pytest.mark.parametrize("name", ["", " \n ", "a" * (MOST_NAME_CHARS + 1), "bell\x07"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(OptionError):
        rename_speakers(CALL, {LABELS[0]: name})


def test_somebody_who_does_not_speak_is_not_found_and_the_message_says_who_does() -> None:
    with pytest.raises(NotFound, match=r"No speaker Zoe. There are: SPEAKER_00, SPEAKER_01"):
        rename_speakers(CALL, {"Zoe": "Ann"})
    with pytest.raises(NotFound, match="told apart"):
        rename_speakers(bare(CALL), {"Zoe": "Ann"})
