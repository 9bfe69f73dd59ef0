"""Transcripts read back from JSON: ours to the letter, and what other programs write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.enhance import diff
from stenogram.enhancement import ChatUsage, Enhancement, Line
from stenogram.errors import NotTranscript
from stenogram.formats import enhanced, openai, render, verbose
from stenogram.types import Segment, SpeakerTurn, Transcript, Word

BOTH: tuple[openai.Granularity, ...] = ("segment", "word")
TOKENS = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5)


def spoken(*texts: str, words: bool = True) -> Transcript:
    """A second for each word."""
    segments, start = [], 0.0
    for number, text in enumerate(texts):
        said = text.split()
        timed = tuple(Word(word, start + place, start + place + 0.5) for place, word in enumerate(said))
        segments.append(Segment(number, start, start + len(said), text, timed if words else ()))
        start += len(said)
    return Transcript(tuple(segments), start, "en", model="moonshine-tiny-en")


def body(**fields: Any) -> str:
    return json.dumps(fields)


@given(st.lists(st.lists(TOKENS, max_size=4), max_size=4), st.booleans())
def test_ours_is_written_again_as_it_was_read(said: list[list[str]], words: bool) -> None:
    """Whatever the words are made of, and whether they have times."""
    written = openai.verbose_json(spoken(*map(" ".join, said), words=words), BOTH)

    assert openai.verbose_json(verbose.read(written).transcript, BOTH) == written


@given(st.lists(st.lists(TOKENS, min_size=1, max_size=4), max_size=4))
def test_words_go_back_to_their_segments(said: list[list[str]]) -> None:
    transcript = spoken(*map(" ".join, said))

    read = verbose.read(openai.verbose_json(transcript, BOTH)).transcript

    assert [segment.words for segment in read.segments] == [segment.words for segment in transcript.segments]


def test_all_that_verbose_json_tells_is_kept() -> None:
    segment = Segment(
        7, 1.0, 2.0, "Hm.", (Word("Hm.", 1.0, 2.0, 0.5, interpolated=True, speaker="Ann"),), (5,), 0.2, -0.5, 1.1, 0.1,
        speaker="Ann", channel=1, retried=True, suspect=True,
    )  # fmt: skip
    transcript = Transcript(
        (segment,), 3.0, "ru", model="base", warnings=("short",), turns=(SpeakerTurn(1.0, 2.0, "Ann"),), diarizer="us"
    )

    assert verbose.read(openai.verbose_json(transcript, BOTH)).transcript == transcript


def test_words_of_openai_are_spelt_as_the_text_has_them() -> None:
    """Its words have no marks; without them a change could not be laid on its word."""
    words = [{"word": word, "start": n, "end": n + 0.5} for n, word in enumerate(["Well", "I", "don't"])]
    found = verbose.read(
        body(
            task="transcribe",
            language="english",
            duration="3.5",
            text="Well, I don't.",
            segments=[{"id": 0, "start": 0.0, "end": 3.0, "text": " Well, I don't.", "avg_logprob": -0.2}],
            words=words,
        )
    ).transcript

    assert [word.word for word in found.words] == ["Well,", "I", "don't."]
    assert (found.segments[0].text, found.language, found.duration) == ("Well, I don't.", "en", 3.5)


def test_words_of_whisperx_stand_inside_and_those_without_times_are_fitted() -> None:
    words = [
        {"word": "In", "start": 1.0, "end": 1.2, "score": 0.9, "speaker": "SPEAKER_00"},
        {"word": "1999"},
        {"word": "it", "start": 2.2, "end": 2.4, "score": 0.8},
        {"word": "was."},
    ]
    segment = {"start": 1.0, "end": 3.0, "text": " In 1999 it was.", "words": words, "speaker": "SPEAKER_00"}
    found = verbose.read(body(segments=[segment], word_segments=words, language="en")).transcript

    assert [(word.word, word.start, word.end, word.interpolated) for word in found.words] == [
        ("In", 1.0, 1.2, False),
        ("1999", 1.2, 2.2, True),
        ("it", 2.2, 2.4, False),
        ("was.", 2.4, 3.0, True),
    ]
    assert (found.words[0].probability, found.segments[0].speaker) == (0.9, "SPEAKER_00")


def test_segments_alone_will_do() -> None:
    found = verbose.read(body(segments=[{"start": 0, "end": 2, "text": "One."}, {"start": 2, "end": 1, "text": ""}]))

    assert found.transcript == Transcript((Segment(0, 0.0, 2.0, "One."), Segment(1, 2.0, 2.0, "")), 2.0)


def test_words_that_spell_something_else_go_by_their_times() -> None:
    segments = [{"start": 0, "end": 2, "text": "One two."}, {"start": 2, "end": 4, "text": "Three."}]
    words = [{"word": word, "start": n, "end": n + 1} for n, word in enumerate(["eins", "zwei", "drei"])]
    found = verbose.read(body(segments=segments, words=words)).transcript

    assert [[word.word for word in segment.words] for segment in found.segments] == [["eins", "zwei"], ["drei"]]


@pytest.mark.parametrize("ids", [["a", "b"], [3, 3], [None, 1]])
def test_segments_without_numbers_of_their_own_get_some(ids: list[object]) -> None:
    segments = [{"id": number, "start": 0, "end": 1, "text": "x"} for number in ids]

    assert [segment.id for segment in verbose.read(body(segments=segments)).transcript.segments] == [0, 1]


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("", "it is empty"),
        ("RIFF\0\0", "it is no JSON"),
        ("[1]", "expected `object`"),
        ('{"text": "so"}', "no segments with times"),
        ('{"segments": [{"text": "so", "start": 0}]}', r"required field `end` - at `\$.segments\[0\]"),
        ('{"segments": [{"text": "so", "start": "soon", "end": 1}]}', "expected `float`"),
    ],
)
def test_what_is_no_transcript_is_refused_with_the_reason_and_the_way(written: str, cause: str) -> None:
    with pytest.raises(NotTranscript, match=cause) as caught:
        verbose.read(written, "talk.json")

    assert str(caught.value).startswith("talk.json: ")
    assert "stenogram transcribe --format verbose_json" in str(caught.value)


# --- with what a language model made of it ---


def cleaned(accepted: set[int] | None = None) -> tuple[Transcript, Enhancement, str]:
    """A transcript, its clean-up with a line that the guard kept, and the file that tells of both."""
    original = spoken("well i dont know", "we have 42 of the the", "fine.")
    lines = (
        Line(0, "Well, I don't know.", "Well, I don't know."),
        Line(1, "we have 42 of the the", "We have 43.", "numbers"),
        Line(2, "fine.", "fine."),
    )
    usage = ChatUsage(12, 34, 0.5, 1.5)
    made = Enhancement("clean", "qwen", 1, lines, diff.changes(original.segments, lines), None, "en", usage)
    ids = {change.id for change in made.changes} if accepted is None else accepted
    clean = diff.apply(original, [change for change in made.changes if change.id in ids])
    return original, made, enhanced.verbose_json(original, clean, made, ids, BOTH)


def test_the_original_comes_out_of_a_cleaned_file_exactly() -> None:
    original, made, written = cleaned()
    found = verbose.read(written)

    assert json.loads(written)["segments"][0]["text"] == " Well, I don't know."
    assert openai.verbose_json(found.transcript, BOTH) == openai.verbose_json(original, BOTH)
    assert found.enhancement == made
    assert found.reverted == frozenset()


def test_only_segments_that_changed_are_told_twice() -> None:
    _, _, written = cleaned()

    assert [segment["id"] for segment in json.loads(written)["enhancement"]["original"]] == [0]


def test_changes_that_were_left_out_can_be_taken_again() -> None:
    original, made, written = cleaned(accepted={0})
    found = verbose.read(written)

    assert found.enhancement == made
    assert found.reverted == {change.id for change in made.changes} - {0}
    assert openai.verbose_json(found.transcript, BOTH) == openai.verbose_json(original, BOTH)


def test_a_translated_file_gives_the_original_and_its_language_back() -> None:
    original = spoken("good day", "yes")
    lines = (Line(0, "Guten Tag", "Guten Tag"), Line(1, "yes", "Ja. 7", "numbers"))
    made = Enhancement("translation", "qwen", 1, lines, language="de")
    told = Transcript((Segment(0, 0.0, 2.0, "Guten Tag"), original.segments[1]), 3.0, "de", model=original.model)
    found = verbose.read(enhanced.verbose_json(original, told, made, set(), BOTH))

    assert openai.verbose_json(found.transcript, BOTH) == openai.verbose_json(original, BOTH)
    assert found.enhancement == made


def test_changes_that_do_not_fit_are_refused() -> None:
    _, _, written = cleaned()
    told = json.loads(written)
    told["enhancement"]["changes"][0]["before"] = "somebody"

    with pytest.raises(NotTranscript, match="its change 0 does not fit its text"):
        verbose.read(json.dumps(told))


def test_other_formats_are_as_ever() -> None:
    """The body of verbose_json has nothing new where no language model was asked."""
    assert "enhancement" not in json.loads(render(spoken("so"), "verbose_json"))
