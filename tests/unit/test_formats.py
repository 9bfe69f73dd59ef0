"""json, verbose_json, text, tsv: the fields and types that clients of the OpenAI API and of openai-whisper parse."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.errors import UnknownFormat
from stenogram.formats import ALIASES, FORMATS, BinaryName, Granularity, TextName, format_named, render
from stenogram.types import Segment, SubtitleOptions, Transcript, Word

TEXTS: tuple[TextName, ...] = get_args(TextName)
BOTH: tuple[Granularity, ...] = ("segment", "word")
TWO = Transcript(
    segments=(
        Segment(
            id=0,
            start=0.0,
            end=3.3204,
            text="The beach was a popular spot.",
            words=(Word("The", 0.0, 0.24), Word("beach", 0.24, 0.5, 0.98765432, interpolated=True)),
            tokens=(50364, 440),
            avg_logprob=-0.2860786020755768,
            compression_ratio=1.2363636493682861,
            no_speech_prob=0.00985979475080967,
        ),
        Segment(1, 3.32, 8.47, "Größe 猫 🙂", speaker="SPEAKER_00", channel=1, retried=True, suspect=True),
    ),
    duration=8.47,
    language="en",
    model="moonshine-tiny-en",
    warnings=("doubtful",),
)
EMPTY = Transcript(segments=(), duration=0.0, language="en")


def parsed(transcript: Transcript, name: str, granularities: tuple[Granularity, ...] = BOTH) -> dict[str, Any]:
    body = json.loads(render(transcript, name, granularities=granularities))
    assert isinstance(body, dict)
    return body


def test_every_format_has_its_own_file_suffix() -> None:
    """All formats of one recording can be written side by side."""
    assert list(FORMATS) == ["text", "json", "verbose_json", "diarized_json", "srt", "vtt", "tsv", "rttm", "docx"]
    assert len({known.suffix for known in FORMATS.values()}) == len(FORMATS)


def test_text_and_bytes_are_told_apart_by_type_as_they_are_in_the_table() -> None:
    assert {*TEXTS} == {*ALIASES, *(known.name for known in FORMATS.values() if not known.binary)}
    assert {*get_args(BinaryName)} == {known.name for known in FORMATS.values() if known.binary}
    assert all(isinstance(render(TWO, known.name), bytes) == known.binary for known in FORMATS.values())


def test_txt_is_text() -> None:
    assert format_named("txt") is FORMATS["text"]
    assert set(ALIASES.values()) <= set(FORMATS)


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownFormat, match=r"'odt'.*text, json, verbose_json, diarized_json, srt, vtt, tsv, rttm, docx"
    ):
        render(TWO, "odt")


def test_json_is_text_and_usage_and_nothing_else() -> None:
    """8.47 s are billed as 9."""
    assert parsed(TWO, "json") == {
        "text": "The beach was a popular spot. Größe 猫 🙂",
        "usage": {"type": "duration", "seconds": 9},
    }


def test_verbose_json_has_the_fields_of_the_wire_with_their_types() -> None:
    body = parsed(TWO, "verbose_json")

    assert body == {
        "task": "transcribe",
        "language": "english",
        "duration": 8.47,
        "text": "The beach was a popular spot. Größe 猫 🙂",
        "segments": [
            {
                "id": 0,
                "seek": 0,
                "start": 0.0,
                "end": 3.32,
                "text": " The beach was a popular spot.",
                "tokens": [50364, 440],
                "temperature": 0.0,
                "avg_logprob": -0.286079,
                "compression_ratio": 1.236364,
                "no_speech_prob": 0.00986,
            },
            {
                "id": 1,
                "seek": 332,
                "start": 3.32,
                "end": 8.47,
                "text": " Größe 猫 🙂",
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": 0.0,
                "compression_ratio": 0.0,
                "no_speech_prob": 0.0,
                "speaker": "SPEAKER_00",
                "channel": 1,
                "retried": True,
                "suspect": True,
            },
        ],
        "words": [
            {"word": "The", "start": 0.0, "end": 0.24},
            {"word": "beach", "start": 0.24, "end": 0.5, "probability": 0.987654, "interpolated": True},
        ],
        "usage": {"type": "duration", "seconds": 9},
        "speakers": ["SPEAKER_00"],
        "model": "moonshine-tiny-en",
        "warnings": ["doubtful"],
    }
    assert list(body)[:6] == ["task", "language", "duration", "text", "segments", "words"]
    for segment in body["segments"]:
        integers = {key for key, value in segment.items() if type(value) is int}
        floats = {key for key, value in segment.items() if type(value) is float}
        assert integers - {"channel"} == {"id", "seek"}
        assert floats == {"start", "end", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob"}
    assert type(body["duration"]) is float
    assert type(body["usage"]["seconds"]) is int


@pytest.mark.parametrize(
    ("granularities", "present"),
    [
        ((), {"segments"}),
        (("segment",), {"segments"}),
        (("word",), {"words"}),
        (("word", "segment"), {"segments", "words"}),
    ],
)
def test_granularities_choose_the_lists_as_openai_does(
    granularities: tuple[Granularity, ...], present: set[str]
) -> None:
    assert set(parsed(TWO, "verbose_json", granularities)) & {"segments", "words"} == present


def test_verbose_json_has_segments_by_default() -> None:
    assert render(TWO, "verbose_json") == render(TWO, "verbose_json", granularities=["segment"])


@pytest.mark.parametrize(
    ("task", "language", "name"),
    [
        ("transcribe", "ru", "russian"),
        ("transcribe", None, ""),
        ("transcribe", "xx", "xx"),
        ("translate", "ru", "english"),
    ],
)
def test_language_is_the_english_name_of_what_is_written(task: Any, language: str | None, name: str) -> None:
    assert parsed(replace(EMPTY, task=task, language=language), "verbose_json")["language"] == name


def test_an_empty_transcript_is_valid_in_every_format() -> None:
    """Silence is an answer, not an error."""
    assert {name: render(EMPTY, name, granularities=BOTH) for name in TEXTS} == {
        "txt": "\n",
        "text": "\n",
        "json": '{"text": "", "usage": {"type": "duration", "seconds": 0}}\n',
        "verbose_json": '{"task": "transcribe", "language": "english", "duration": 0.0, "text": "", "segments": [], '
        '"words": [], "usage": {"type": "duration", "seconds": 0}}\n',
        "diarized_json": '{"task": "transcribe", "duration": 0.0, "text": "", "segments": [], '
        '"usage": {"type": "duration", "seconds": 0}}\n',
        "srt": "",
        "vtt": "WEBVTT\n",
        "tsv": "start\tend\ttext\n",
        "rttm": "",
    }


@given(st.floats(), st.floats(-0.001, 1e6))
def test_json_holds_no_nan_no_infinity_and_no_negative_zero(measure: float, time: float) -> None:
    """Whatever an engine measured, a strict parser reads the body."""
    segment = Segment(0, time, time, "x", avg_logprob=measure, words=(Word("x", time, time, measure),))
    body = render(replace(EMPTY, segments=(segment,)), "verbose_json", granularities=BOTH)

    def refuse(constant: str) -> None:
        pytest.fail(f"not JSON: {constant}")

    json.loads(body, parse_constant=refuse)

    assert "-0.0," not in body
    assert "-0.0}" not in body


def test_whole_seconds_are_not_rounded_up_by_the_dust_of_floats() -> None:
    """0.1 * 90 is 9.000000000000002 on some ways; it is 9 seconds."""
    assert parsed(replace(EMPTY, duration=9.000000000000002), "json")["usage"]["seconds"] == 9


def test_text_is_the_text_and_a_newline() -> None:
    plain = replace(TWO, segments=tuple(replace(segment, speaker=None) for segment in TWO.segments))
    assert render(plain, "text") == plain.text + "\n"


def test_text_with_speakers_has_a_paragraph_per_turn() -> None:
    said = [("A", "One."), ("A", "Two."), ("B", "Three."), (None, "Four."), ("A", "Five.")]
    segments = tuple(Segment(i, i, i + 1, text, speaker=who) for i, (who, text) in enumerate(said))

    assert render(replace(EMPTY, segments=segments), "text") == "A: One. Two.\n\nB: Three.\n\nFour.\n\nA: Five.\n"


def test_tsv_is_in_whole_milliseconds_with_one_line_per_segment() -> None:
    segments = (Segment(0, 0.0, 59.9996, "a\tb\nc\r\nd"), Segment(1, 3665.0, 3665.5, "Größe"))

    assert render(replace(EMPTY, segments=segments), "tsv") == (
        "start\tend\ttext\n0\t60000\ta b c d\n3665000\t3665500\tGröße\n"
    )


@given(st.text(), st.sampled_from(TEXTS))
def test_every_body_ends_in_exactly_one_newline(text: str, name: TextName) -> None:
    """Files end as text files do; what has no line at all (an empty srt, rttm without speakers) is the exception."""
    spoken = Segment(0, 0, 1, "a" + text + "b", speaker="A")
    body = render(replace(EMPTY, segments=(spoken,)), name, SubtitleOptions(), BOTH)

    assert body.endswith("\n")
    assert not body.endswith("\n\n")
