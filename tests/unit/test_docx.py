"""Word documents, opened again: the words, who speaks and when, styles, page numbers, what Word would refuse."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from docx import api
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph
from hypothesis import given
from hypothesis import strategies as st

from stenogram.formats import Recording, render
from stenogram.formats.preview import preview
from stenogram.types import Segment, SubtitleOptions, Transcript

TALK = Transcript(
    segments=(
        Segment(0, 0.4, 2.0, "Where were you?", speaker="Ann"),
        Segment(1, 2.1, 4.0, "At home.", speaker="Ben"),
        Segment(2, 4.2, 6.0, "All day.", speaker="Ben"),
        Segment(3, 363_600.5, 363_601.0, "It is late.", speaker="Ann"),
    ),
    duration=363_725.2,
    language="en",
    model="moonshine-tiny-en",
)
RECORDING = Recording("Interview", "interview.mp4", datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())


def opened(transcript: Transcript, recording: Recording = RECORDING, **chosen: bool) -> Document:
    return api.Document(io.BytesIO(render(transcript, "docx", SubtitleOptions(**chosen), recording=recording)))


def style_of(paragraph: Paragraph) -> str | None:
    return paragraph.style.name if paragraph.style is not None else None


def said(document: Document) -> list[str]:
    """The paragraphs of the transcript."""
    return [paragraph.text for paragraph in document.paragraphs if style_of(paragraph) == "Transcript"]


def test_a_document_has_a_title_what_is_known_of_the_recording_and_paragraphs_by_speaker() -> None:
    document = opened(TALK)

    assert [(style_of(p), p.text) for p in document.paragraphs] == [
        ("Title", "Interview"),
        ("Recording", "interview.mp4 · 2026-03-01 · 101:02:05 · moonshine-tiny-en"),
        ("Transcript", "Ann: Where were you?"),
        ("Transcript", "Ben: At home. All day."),
        ("Transcript", "Ann: It is late."),
    ]


def test_times_stand_before_paragraphs_where_they_are_wished_and_past_99_hours() -> None:
    assert [text.split()[0] for text in said(opened(TALK, timestamps=True))] == ["00:00:00", "00:00:02", "101:00:00"]


def test_names_can_be_left_out_and_then_one_paragraph_goes_on_through_both() -> None:
    assert said(opened(TALK, speaker_names=False)) == ["Where were you? At home. All day.", "It is late."]


def test_names_and_times_have_character_styles_and_names_are_bold() -> None:
    document = opened(TALK, timestamps=True)

    runs = {run.style.name: run.text for run in document.paragraphs[2].runs}
    assert runs["Timestamp"] == "00:00:00"
    assert runs["Speaker"] == "Ann:"
    for name in ("Speaker", "Timestamp"):
        assert document.styles[name].type == WD_STYLE_TYPE.CHARACTER
    assert document.styles["Speaker"].font.bold


def test_core_properties_tell_title_language_and_time() -> None:
    known = opened(TALK).core_properties

    assert (known.title, known.language, known.subject, known.author) == ("Interview", "en", "interview.mp4", "")
    assert known.created == known.modified == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_what_was_translated_is_english() -> None:
    assert opened(replace(TALK, language="ru", task="translate")).core_properties.language == "en"


def test_pages_are_numbered_by_fields() -> None:
    footer = opened(TALK).sections[0].footer.paragraphs[0]

    fields = [field.get(qn("w:instr")) for field in footer._p.iter(qn("w:fldSimple"))]
    assert fields == ["PAGE", "NUMPAGES"]


@pytest.mark.parametrize(("language", "right_to_left"), [("ar", True), ("he", True), ("ru", False), (None, False)])
def test_languages_written_from_right_to_left_are_so_in_word(language: str | None, right_to_left: bool) -> None:
    document = opened(replace(TALK, language=language))

    for name in ("Title", "Recording", "Transcript", "Footer"):
        style = document.styles[name]
        assert (style.element.find(f"{qn('w:pPr')}/{qn('w:bidi')}") is not None) == right_to_left
        assert bool(style.font.rtl) == right_to_left
    tags = [child.tag for child in document.styles["Title"].element.find(qn("w:pPr"))]
    assert not right_to_left or tags.index(qn("w:bidi")) == tags.index(qn("w:spacing")) - 1  # their order is fixed
    checked = document.styles.element.find(f".//{qn('w:lang')}")
    assert language is None or checked.get(qn("w:bidi" if right_to_left else "w:val")) == language


@given(st.text(), st.text(), st.text())
def test_whatever_was_said_the_document_can_be_opened(name: str, text: str, speaker: str) -> None:
    """Control characters, which XML cannot hold, and half characters are left out; all other text is there."""
    told = Transcript((Segment(0, 0.0, 1.0, f"a{text}b\x00\x0b\ufffe\ud800", speaker=speaker),), duration=1.0)

    document = opened(told, Recording(name, name))

    kept = "".join(c for c in f"a{text}b" if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
    [paragraph] = said(document)
    assert "".join(paragraph.split()).endswith("".join(kept.split()))


def test_an_empty_transcript_is_a_document_too() -> None:
    assert said(opened(Transcript((), 0.0))) == []


def test_paragraphs_end_at_silences_and_with_a_sentence_once_they_are_long() -> None:
    sentence = "Twenty-nine characters stand."
    segments = [Segment(i, i * 2.0, i * 2.0 + 2, sentence) for i in range(45)]
    segments.append(Segment(45, 95.0, 96.0, "after a silence"))

    paragraphs = said(opened(Transcript(tuple(segments), 100.0)))

    assert [text.count(".") for text in paragraphs] == [21, 21, 3, 0]


def test_a_long_document_is_packed() -> None:
    segments = tuple(Segment(i, i * 4.0, i * 4.0 + 4, "word " * 12, speaker="Ann") for i in range(500))

    body = render(Transcript(segments, 2000.0), "docx")

    assert zipfile.ZipFile(io.BytesIO(body)).testzip() is None
    assert len(body) < 100_000


def test_a_preview_of_a_document_is_what_it_says() -> None:
    shown = preview(TALK, "docx", SubtitleOptions(timestamps=True), RECORDING, 10_000)

    assert shown.text == (
        "Interview\ninterview.mp4 · 2026-03-01 · 101:02:05 · moonshine-tiny-en\n\n[00:00:00] Ann: Where were you?\n\n"
        "[00:00:02] Ben: At home. All day.\n\n[101:00:00] Ann: It is late.\n"
    )
    assert not shown.truncated
