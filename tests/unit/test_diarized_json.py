"""``diarized_json``: who said what, by names and letters."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from stenogram.formats import openai
from stenogram.types import Segment, Transcript


def transcript(*said: tuple[str | None, str]) -> Transcript:
    segments = [
        Segment(number, float(number), number + 0.5, text, speaker=speaker)
        for number, (speaker, text) in enumerate(said)
    ]
    return Transcript(tuple(segments), 9.2)


def test_speakers_get_letters_in_order_of_appearance() -> None:
    body = json.loads(
        openai.diarized_json(
            transcript(("SPEAKER_07", "Hi."), ("SPEAKER_01", "Hello."), ("SPEAKER_01", "Yes?"), ("SPEAKER_07", "So."))
        )
    )

    assert body["text"] == "A: Hi.\nB: Hello. Yes?\nA: So."
    assert [segment["speaker"] for segment in body["segments"]] == ["A", "B", "B", "A"]
    assert [segment["id"] for segment in body["segments"]] == ["seg_001", "seg_002", "seg_003", "seg_004"]
    assert body["segments"][1] == {
        "type": "transcript.text.segment",
        "id": "seg_002",
        "start": 1.0,
        "end": 1.5,
        "text": "Hello.",
        "speaker": "B",
    }
    assert body["usage"] == {"type": "duration", "seconds": 10}


def test_known_speakers_keep_their_names_and_take_no_letter() -> None:
    body = json.loads(openai.diarized_json(transcript(("agent", "Hi."), ("SPEAKER_01", "Hello.")), ["agent"]))

    assert body["text"] == "agent: Hi.\nA: Hello."


def test_a_name_that_diarization_does_not_make_up_is_kept() -> None:
    """People are known by a reference, by the library of voices, or because somebody renamed a speaker."""
    body = json.loads(openai.diarized_json(transcript(("SPEAKER_00", "Hi."), ("A", "Hello."), ("SPEAKER_01", "So."))))

    assert body["text"] == "B: Hi.\nA: Hello.\nC: So."


def test_without_speakers_there_is_one() -> None:
    assert json.loads(openai.diarized_json(transcript((None, "Hi."), (None, "You."))))["text"] == "A: Hi. You."


@given(st.integers(1, 2000))
def test_no_two_speakers_share_a_label(number: int) -> None:
    labels = openai.Labels()

    assert len({labels.of(f"SPEAKER_{each}") for each in range(number)}) == number
    assert openai.Labels().of("x") == "A"
