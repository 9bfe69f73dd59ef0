"""A transcript that was written as verbose_json comes back; so do those of others, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram import formats
from stenogram.enhance import diff
from stenogram.enhancement import ChatUsage, Enhancement, Line
from stenogram.errors import NotTranscript
from stenogram.formats.enhanced import enhancement_object
from stenogram.formats.reading import read
from stenogram.types import Segment, SpeakerTurn, Transcript, Word

HERE = Path("talk.verbose.json")
BOTH: tuple[formats.Granularity, ...] = ("segment", "word")
TOKENS = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5)


def transcript_of(*texts: str, words: bool = True, **facts: Any) -> Transcript:
    """One segment of ten seconds for each text; its words a second apart."""
    segments = tuple(
        Segment(
            id=number,
            start=10.0 * number,
            end=10.0 * number + 10,
            text=text,
            words=tuple(
                Word(word, 10.0 * number + at, 10.0 * number + at + 0.5, 0.9) for at, word in enumerate(text.split())
            )
            if words
            else (),
            avg_logprob=-0.5,
            compression_ratio=1.5,
            no_speech_prob=0.1,
            tokens=(1, 2, number),
        )
        for number, text in enumerate(texts)
    )
    return Transcript(segments, 10.0 * len(texts), "en", model="whisper-tiny", **facts)


def read_body(body: object) -> Transcript:
    return read(json.dumps(body).encode(), HERE)


def test_what_we_write_comes_back_whole() -> None:
    transcript = transcript_of("Ever tried.", "", "Ever failed. No matter.", warnings=("It hums.",))

    assert read(formats.render(transcript, "verbose_json", granularities=BOTH).encode(), HERE) == transcript


@given(st.lists(st.lists(TOKENS, max_size=4).map(" ".join), max_size=4), st.booleans())
def test_whatever_the_words_are_made_of_it_is_written_again_as_it_was_read(texts: list[str], words: bool) -> None:
    written = formats.render(transcript_of(*texts, words=words), "verbose_json", granularities=BOTH)

    assert formats.render(read(written.encode(), HERE), "verbose_json", granularities=BOTH) == written


def test_words_of_scripts_without_spaces_go_back_to_their_segments_while_two_talk_at_once() -> None:
    """Their times alone would give them to whoever began last."""
    first = Segment(0, 0.0, 4.0, "今日は晴れ", (Word("今日", 0.0, 1.0), Word("は", 1.0, 2.0), Word("晴れ", 2.0, 4.0)))
    second = Segment(1, 1.0, 3.0, "はい", (Word("はい", 1.0, 3.0),))
    written = formats.render(Transcript((first, second), 4.0, "ja"), "verbose_json", granularities=BOTH)

    assert [segment.words for segment in read(written.encode(), HERE).segments] == [first.words, second.words]


def test_speakers_and_turns_come_back() -> None:
    transcript = transcript_of("One", turns=(SpeakerTurn(0, 10, "Ann"),), diarizer="built-in")
    (segment,) = transcript.segments
    segments = (Segment(**{name: getattr(segment, name) for name in Segment.__slots__} | {"speaker": "Ann"}),)
    transcript = Transcript(segments, 10.0, "en", model="m", turns=transcript.turns, diarizer="built-in")

    assert read(formats.render(transcript, "verbose_json", granularities=BOTH).encode(), HERE) == transcript


@given(
    st.lists(
        st.tuples(
            st.text("ab, .", max_size=20).map(lambda text: " ".join(text.split())),
            st.text("abc, .", max_size=20).map(lambda text: " ".join(text.split())),
        ),
        max_size=5,
    ),
    st.booleans(),
    st.data(),
)
def test_the_original_comes_back_from_a_text_that_was_cleaned_up(
    pairs: list[tuple[str, str]], words: bool, data: st.DataObject
) -> None:
    """Whatever a language model has made of it, with all its changes or without some."""
    original = transcript_of(*(before for before, _ in pairs), words=words)
    lines = tuple(Line(number, after, after) for number, (_, after) in enumerate(pairs))
    changes = diff.changes(original.segments, lines)
    reverted = data.draw(st.sets(st.sampled_from([change.id for change in changes]))) if changes else set()
    written = diff.apply(original, [change for change in changes if change.id not in reverted])
    enhancement = Enhancement("clean", "mistral", 1, lines, changes, language="en", usage=ChatUsage(3, 4))
    told = enhancement_object(original, written, enhancement, reverted)

    body = formats.render(written, "verbose_json", granularities=BOTH, enhancement=told)

    assert json.loads(body)["text"] == written.text
    assert read(body.encode(), HERE) == original


def test_the_object_says_what_was_changed_and_what_was_refused() -> None:
    original = transcript_of("teh cat", "42 dogs")
    lines = (Line(0, "The cat", "The cat"), Line(1, "42 dogs", "43 dogs", "numbers"))
    enhancement = Enhancement("clean", "mistral", 7, lines, diff.changes(original.segments, lines), language="en")

    told = enhancement_object(original, diff.apply(original, enhancement.changes), enhancement)

    change = {"id": 0, "segment": 0, "at": 0, "before": "teh", "after": "The", "start": 0.0, "end": 0.5}
    assert told["changes"] == [change]
    assert told["kept"] == [{"segment": 1, "doubt": "numbers", "edit": "43 dogs"}]
    assert [segment["id"] for segment in told["original"]["segments"]] == [0]
    assert (told["model"], told["prompt"], told["kind"], told["language"]) == ("mistral", 7, "clean", "en")


def test_openai_s_words_without_punctuation_find_their_segments_by_time() -> None:
    transcript = read_body(
        {
            "task": "transcribe",
            "language": "english",
            "duration": "9.5",
            "text": "Ever tried. Ever failed.",
            "segments": [
                {"id": 0, "seek": 0, "start": 0, "end": 2, "text": " Ever tried.", "tokens": [1], "temperature": 0.0},
                {"id": 1, "seek": 0, "start": 2, "end": 4, "text": " Ever failed.", "tokens": [2], "temperature": 0.0},
            ],
            "words": [
                {"word": "Ever", "start": 0.1, "end": 0.5},
                {"word": "tried", "start": 0.6, "end": 2.1},
                {"word": "Ever", "start": 2.1, "end": 2.5},
                {"word": "failed", "start": 2.6, "end": 3.5},
            ],
        }
    )

    assert [[word.word for word in segment.words] for segment in transcript.segments] == [
        ["Ever", "tried."],
        ["Ever", "failed."],
    ]
    assert (transcript.language, transcript.duration) == ("en", 9.5)


def test_whisperx_has_words_in_segments_and_none_has_to_have_a_time() -> None:
    transcript = read_body(
        {
            "segments": [
                {
                    "start": 1.0,
                    "end": 4.0,
                    "text": " It cost 5 5 pounds",
                    "words": [
                        {"word": "It", "start": 1.0, "end": 1.5, "score": 0.9},
                        {"word": "cost", "start": 1.5, "end": 2.0, "score": 0.8, "speaker": "SPEAKER_00"},
                        {"word": "5"},
                        {"word": "5"},
                        {"word": "pounds", "start": 3.0, "end": 4.0, "score": 0.7},
                    ],
                    "speaker": "SPEAKER_00",
                }
            ],
            "word_segments": [],
            "language": "en",
        }
    )

    assert transcript.words[0] == Word("It", 1.0, 1.5, 0.9)
    assert transcript.words[2:4] == (Word("5", 2.0, 2.5, interpolated=True), Word("5", 2.5, 3.0, interpolated=True))
    assert transcript.segments[0].speaker == "SPEAKER_00"
    assert transcript.duration == 4.0


def test_ids_that_are_no_numbers_are_numbered() -> None:
    rows = [{"id": f"seg_{number:03}", "start": number, "end": number + 1, "text": "x"} for number in (1, 2)]

    assert [segment.id for segment in read_body({"segments": rows}).segments] == [0, 1]


@pytest.mark.parametrize("language", [None, "", "klingon"])
def test_a_language_that_nobody_knows_is_none(language: str | None) -> None:
    assert read_body({"segments": [], "language": language}).language is None


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "truncated"),
        (b"RIFF\x00\x00WAVE", "malformed"),
        (b"\xff\xfe{", "malformed|utf"),
        (b"[]", "Expected `object`"),
        (b'{"text": "Ever tried."}', "missing required field `segments`"),
        (b'{"segments": [{"text": "x"}]}', "missing required field `start`"),
        (b'{"segments": [{"start": 2, "end": 1, "text": "x"}]}', "segment 0 is from 2 to 1 s"),
        (b'{"segments": [{"start": -2, "end": 1, "text": "x"}]}', "segment 0 is from -2 to 1 s"),
        (b'{"segments": [{"start": NaN, "end": 1, "text": "x"}]}', "malformed|invalid"),
        (b'{"segments": [], "enhancement": {}}', "missing required field `original`"),
        (b'{"x": ' + b"[" * 100_000, "recursion"),
    ],
)
def test_anything_else_is_told(data: bytes, cause: str) -> None:
    with pytest.raises(NotTranscript, match=rf"(?i)^talk\.verbose\.json: not a transcript: .*({cause}).*verbose_json"):
        read(data, HERE)
