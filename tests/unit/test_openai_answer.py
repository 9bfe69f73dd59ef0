"""Answers of the OpenAI API: bodies, and streams whose parts joined are the whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stenogram.app.jobs import Order
from stenogram.job import Reference
from stenogram.server.openai.answer import PING, Stream, body, event
from stenogram.server.openai.request import WireRequest
from stenogram.types import Segment, Transcript, Word

PLAIN = WireRequest(Order("openai"))
SAID = Transcript(
    (
        Segment(
            0, 0.0, 1.0, "Ever tried.", (Word("Ever", 0, 0.5, 0.5), Word("tried.", 0.5, 1)), (1, 2), avg_logprob=-2
        ),
        Segment(
            1, 1.0, 2.0, "Größe 猫 🙂", (Word("Größe", 1, 1.5, 0.9), Word("猫", 1.5, 1.8), Word("🙂", 1.8, 2)), (3,)
        ),
    ),
    duration=2.0,
    language="en",
    warnings=("of the recording",),
)


def read(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The data of events, each of which is one line and an empty one."""
    found = []
    for text in texts:
        assert text.startswith("data: ")
        assert text.endswith("\n\n")
        assert text.count("\n") == 2
        found.append(json.loads(text.removeprefix("data: ")))
    return found


def told(request: WireRequest, transcript: Transcript = SAID) -> list[dict[str, Any]]:
    stream = Stream(request)
    texts = [text for segment in transcript.segments for text in stream.segment(segment)]
    return read([*texts, *stream.done(transcript)])


def joined(events: Sequence[dict[str, Any]]) -> str:
    return "".join(told["delta"] for told in events if told["type"] == "transcript.text.delta")


def test_a_stream_has_a_delta_for_each_segment_and_ends_with_the_whole() -> None:
    assert told(PLAIN) == [
        {"type": "transcript.text.delta", "delta": "Ever tried."},
        {"type": "transcript.text.delta", "delta": " Größe 猫 🙂"},
        {
            "type": "transcript.text.done",
            "text": "Ever tried. Größe 猫 🙂",
            "usage": {
                "type": "tokens",
                "input_tokens": 20,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 20},
                "output_tokens": 3,
                "total_tokens": 23,
            },
        },
    ]


@given(st.lists(st.text(max_size=5), max_size=6), st.integers(0, 6))
def test_the_deltas_joined_are_the_text_of_the_last_event(said: list[str], heard: int) -> None:
    """Also where segments are empty, or the stream has missed the last ones."""
    whole = Transcript(tuple(Segment(i, i, i + 1, text) for i, text in enumerate(said)), float(len(said)))
    stream = Stream(PLAIN)
    texts = [text for segment in whole.segments[:heard] for text in stream.segment(segment)]
    events = read([*texts, *stream.done(whole)])

    assert joined(events) == events[-1]["text"] == whole.text
    assert all(told["delta"] for told in events[:-1])


def test_what_was_told_stands_even_if_the_transcript_differs() -> None:
    stream = Stream(PLAIN)
    events = read([*stream.segment(Segment(0, 0, 1, "Told.")), *stream.done(SAID)])

    assert joined(events) == events[-1]["text"] == "Told."


def test_silence_is_a_stream_of_its_last_event() -> None:
    [last] = told(PLAIN, Transcript((), 2.0))
    assert (last["type"], last["text"]) == ("transcript.text.done", "")


def test_a_diarized_stream_tells_who_spoke_when_that_is_known_before_its_end() -> None:
    """As recognised, nobody speaks yet; the transcript has other segments, split where the speaker changes."""
    spoken = (("Ever", "SPEAKER_01"), ("tried.", "Didi"), ("Größe 猫 🙂", "SPEAKER_00"))
    segments = tuple(Segment(i, i, i + 1, text, speaker=who) for i, (text, who) in enumerate(spoken))
    speaking = replace(SAID, segments=segments)
    order = replace(PLAIN.order, known_speakers=(Reference("Didi", "", b""),))
    request = replace(PLAIN, order=order, response_format="diarized_json")
    stream = Stream(request)
    events = read([*(text for segment in SAID.segments for text in stream.segment(segment)), *stream.done(speaking)])

    assert [told["type"].removeprefix("transcript.text.") for told in events] == [
        "delta", "delta", "segment", "segment", "segment", "done",
    ]  # fmt: skip
    assert [told["speaker"] for told in events[2:5]] == ["A", "Didi", "B"]
    assert events[2:5] == json.loads(body(request, speaking)[0])["segments"]
    assert joined(events) == events[-1]["text"] == SAID.text


def test_logprobs_of_a_stream_joined_are_the_text_and_those_of_the_whole() -> None:
    request = replace(PLAIN, logprobs=True)
    events = told(request)
    parts = [part for told in events[:-1] for part in told["logprobs"]]

    assert parts == events[-1]["logprobs"] == json.loads(body(request, SAID)[0])["logprobs"]
    assert "".join(part["token"] for part in parts) == SAID.text
    assert "logprob" in parts[0]


def test_json_has_what_was_asked_for_and_nothing_else() -> None:
    assert body(PLAIN, SAID) == (
        '{"text": "Ever tried. Größe 猫 🙂", "usage": {"type": "duration", "seconds": 2}}\n',
        "application/json",
    )
    asked = replace(PLAIN, tells_languages=True, usage="tokens", warnings=("left out",))
    assert set(json.loads(body(asked, SAID)[0])) == {"text", "languages", "usage"}
    assert json.loads(body(asked, SAID)[0])["languages"] == [{"code": "en"}]
    assert json.loads(body(asked, replace(SAID, language=None))[0])["languages"] == []
    assert told(asked)[-1]["languages"] == [{"code": "en"}]


def test_verbose_json_tells_what_was_left_out_beside_what_was_wrong_with_the_recording() -> None:
    request = replace(PLAIN, response_format="verbose_json", warnings=("left out",))
    assert json.loads(body(request, SAID)[0])["warnings"] == ["of the recording", "left out"]


def test_plain_formats_tell_their_encoding() -> None:
    for name, media_type in (("text", "text/plain"), ("srt", "application/x-subrip"), ("vtt", "text/vtt")):
        assert body(replace(PLAIN, response_format=name), SAID)[1] == f"{media_type}; charset=utf-8"  # type: ignore[arg-type]


def test_line_breaks_in_a_text_break_no_event() -> None:
    assert read([event({"delta": "a\nb\r\n\u2028c"})]) == [{"delta": "a\nb\r\n\u2028c"}]
    assert PING.startswith(":")
    assert PING.endswith("\n\n")
