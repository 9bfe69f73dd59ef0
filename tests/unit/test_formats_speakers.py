"""Who spoke, in every format: one transcript with speakers, and each output of it in full."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stenogram.formats import render
from stenogram.types import Segment, SpeakerTurn, Transcript, Word

TALK = Transcript(
    segments=(
        Segment(0, 0.0, 1.5, "Tom & I?", (Word("Tom", 0.0, 0.5, speaker="SPEAKER_00"),), speaker="SPEAKER_00"),
        Segment(1, 1.4, 2.0, "Yes.", (Word("Yes.", 1.4, 2.0, speaker="Ann Lee"),), speaker="Ann Lee"),
        Segment(2, 2.5, 3.0, "Right.", speaker="Ann Lee"),
        Segment(3, 3.5, 4.0, "Good.", speaker="SPEAKER_01", channel=1),
    ),
    duration=4.2,
    turns=(
        SpeakerTurn(0.0, 1.52, "SPEAKER_00"),
        SpeakerTurn(1.3801, 3.1, "Ann Lee"),
        SpeakerTurn(3.4, 4.0, "SPEAKER_01"),
    ),
    diarizer="built-in",
)
UNKNOWN = replace(
    TALK, segments=tuple(replace(s, speaker=None, words=()) for s in TALK.segments), turns=(), diarizer=""
)


def verbose(transcript: Transcript) -> dict[str, Any]:
    body = json.loads(render(transcript, "verbose_json", granularities=("segment", "word")))
    assert isinstance(body, dict)
    return body


def test_text_has_a_paragraph_for_each_stretch_of_one_speaker() -> None:
    assert render(TALK, "text") == "SPEAKER_00: Tom & I?\n\nAnn Lee: Yes. Right.\n\nSPEAKER_01: Good.\n"


def test_srt_names_the_speaker_in_each_cue_as_whisperx_does() -> None:
    assert render(TALK, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\n[SPEAKER_00]: Tom & I?\n\n"
        "2\n00:00:01,400 --> 00:00:02,000\n[Ann Lee]: Yes.\n\n"
        "3\n00:00:02,500 --> 00:00:03,000\n[Ann Lee]: Right.\n\n"
        "4\n00:00:03,500 --> 00:00:04,000\n[SPEAKER_01]: Good.\n"
    )


def test_vtt_has_voice_tags() -> None:
    assert render(TALK, "vtt") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\n<v SPEAKER_00>Tom &amp; I?\n\n"
        "00:00:01.400 --> 00:00:02.000\n<v Ann Lee>Yes.\n\n"
        "00:00:02.500 --> 00:00:03.000\n<v Ann Lee>Right.\n\n"
        "00:00:03.500 --> 00:00:04.000\n<v SPEAKER_01>Good.\n"
    )


def test_tsv_gets_a_column_and_keeps_the_others_where_they_were() -> None:
    assert render(TALK, "tsv") == (
        "start\tend\ttext\tspeaker\n0\t1500\tTom & I?\tSPEAKER_00\n1400\t2000\tYes.\tAnn Lee\n"
        "2500\t3000\tRight.\tAnn Lee\n3500\t4000\tGood.\tSPEAKER_01\n"
    )


def test_verbose_json_tells_speakers_of_segments_and_words_and_all_turns() -> None:
    body = verbose(TALK)

    assert [segment["speaker"] for segment in body["segments"]] == ["SPEAKER_00", "Ann Lee", "Ann Lee", "SPEAKER_01"]
    assert [word["speaker"] for word in body["words"]] == ["SPEAKER_00", "Ann Lee"]
    assert body["speakers"] == ["SPEAKER_00", "Ann Lee", "SPEAKER_01"]
    assert body["turns"] == [
        {"start": 0.0, "end": 1.52, "speaker": "SPEAKER_00"},
        {"start": 1.38, "end": 3.1, "speaker": "Ann Lee"},
        {"start": 3.4, "end": 4.0, "speaker": "SPEAKER_01"},
    ]
    assert body["diarizer"] == "built-in"


def test_verbose_json_says_nothing_of_speakers_where_nobody_asked() -> None:
    assert verbose(UNKNOWN).keys() & {"speakers", "turns", "diarizer"} == set()


def test_diarized_json_is_that_of_the_wire_to_the_letter() -> None:
    assert json.loads(render(TALK, "diarized_json")) == {
        "task": "transcribe",
        "duration": 4.2,
        "text": "A: Tom & I?\nAnn Lee: Yes. Right.\nB: Good.",
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": f"seg_{number:03d}",
                "start": start,
                "end": end,
                "text": text,
                "speaker": speaker,
            }
            for number, (start, end, text, speaker) in enumerate(
                [
                    (0.0, 1.5, "Tom & I?", "A"),
                    (1.4, 2.0, "Yes.", "Ann Lee"),
                    (2.5, 3.0, "Right.", "Ann Lee"),
                    (3.5, 4.0, "Good.", "B"),
                ],
                start=1,
            )
        ],
        "usage": {"type": "duration", "seconds": 5},
    }


def test_rttm_has_a_line_for_each_turn_and_keeps_overlap() -> None:
    assert render(TALK, "rttm", recording="team call") == (
        "SPEAKER team_call 1 0.000 1.520 <NA> <NA> SPEAKER_00 <NA> <NA>\n"
        "SPEAKER team_call 1 1.380 1.720 <NA> <NA> Ann_Lee <NA> <NA>\n"
        "SPEAKER team_call 1 3.400 0.600 <NA> <NA> SPEAKER_01 <NA> <NA>\n"
    )


def test_rttm_without_turns_tells_of_the_segments() -> None:
    assert render(replace(TALK, turns=TALK.turns[:0]), "rttm").splitlines()[1] == (
        "SPEAKER recording 1 1.400 0.600 <NA> <NA> Ann_Lee <NA> <NA>"
    )
    assert render(UNKNOWN, "rttm") == ""


@given(
    st.text(max_size=8),
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 100), st.text(max_size=8)), max_size=5),
)
def test_rttm_has_ten_fields_in_each_line_and_no_turn_without_length(
    recording: str, spoken: list[tuple[float, float, str]]
) -> None:
    turns = tuple(SpeakerTurn(start, start + length, speaker) for start, length, speaker in spoken)
    lines = render(replace(TALK, turns=turns, segments=()), "rttm", recording=recording).split("\n")[:-1]

    assert len(lines) <= len(turns)
    for line in lines:
        fields = line.split(" ")
        assert [len(fields), fields[0], fields[2]] == [10, "SPEAKER", "1"]
        assert fields == line.split()
        assert float(fields[4]) > 0
