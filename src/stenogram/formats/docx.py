"""Word documents (Office Open XML), made with python-docx.

What the text is shows in its styles, so that Word's own panels work with it: ``Title``, ``Recording`` (what is known of
it), ``Transcript`` (a paragraph), ``Speaker`` and ``Timestamp`` (in a paragraph). The element and attribute names are
those of ECMA-376, part 1, chapter 17.
"""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stenogram.formats import plain
from stenogram.formats.paragraphs import Paragraph, clock, paragraphs
from stenogram.formats.recording import Recording
from stenogram.types import SubtitleOptions, Transcript

if TYPE_CHECKING:
    from docx.document import Document
    from docx.styles.style import CharacterStyle, ParagraphStyle
    from docx.text.paragraph import Paragraph as WordParagraph

_RIGHT_TO_LEFT = frozenset(("ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))
"""Languages whose scripts run from right to left (ISO 639)."""
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 may not hold, however it is written (production 2, Char)."""
_AFTER_BIDI = (
    "adjustRightInd",
    "snapToGrid",
    "spacing",
    "ind",
    "contextualSpacing",
    "mirrorIndents",
    "jc",
    "outlineLvl",
)
"""What stands after ``w:bidi`` in the properties of a paragraph; their order is fixed."""
_GREY = 0x59, 0x59, 0x59
"""Contrast 7:1 on white."""


def docx(transcript: Transcript, recording: Recording, options: SubtitleOptions) -> bytes:
    """The document: a title, a line on the recording, a paragraph for each passage, page numbers.

    ``options.timestamps`` puts a time before each paragraph; its speaker stands before it where that is known.
    """
    from docx import api

    document = api.Document()
    language = "en" if transcript.task == "translate" else transcript.language
    _describe(document, transcript, recording, language)
    _style(document, language)
    document.add_paragraph(_legal(recording.name), "Title")
    document.add_paragraph(_legal(_facts(transcript, recording)), "Recording")
    for paragraph in paragraphs(transcript.segments):
        _add(document.add_paragraph(style="Transcript"), paragraph, options)
    _number_pages(document)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def outline(transcript: Transcript, recording: Recording, options: SubtitleOptions) -> str:
    """What the document says, as text."""
    said = plain.in_paragraphs(transcript, timestamps=options.timestamps)
    return "\n".join((f"{recording.name}\n{_facts(transcript, recording)}\n", *said))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)


def _facts(transcript: Transcript, recording: Recording) -> str:
    """File, date, length and model, as far as they are known; without words, so that it suits every language."""
    date = "" if recording.created_at is None else f"{_time(recording.created_at).astimezone():%Y-%m-%d}"
    return " · ".join(filter(None, (recording.filename, date, clock(transcript.duration), transcript.model)))


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def _describe(document: Document, transcript: Transcript, recording: Recording, language: str | None) -> None:
    """Core properties, which file managers and archives read. Word allows 255 characters each."""
    known = document.core_properties
    known.title = _legal(recording.name)[:255]
    known.subject = _legal(recording.filename or "")[:255]
    known.author = known.last_modified_by = known.comments = ""  # the template has the library's
    known.keywords = _legal(transcript.model)[:255]
    known.language = language or ""
    known.created = known.modified = _time(recording.created_at or 0) if recording.created_at else datetime.now(UTC)


# --- styles ----------------------------------------------------------------------------------------------------------


def _style(document: Document, language: str | None) -> None:
    from docx.enum.style import WD_STYLE_TYPE
    from docx.shared import Mm, Pt, RGBColor

    section, styles = document.sections[0], document.styles
    section.page_width, section.page_height = Mm(210), Mm(297)  # the template's is that of North America
    title: ParagraphStyle = styles["Title"]
    title.font.size, title.font.color.rgb = Pt(22), RGBColor(0, 0, 0)
    title.paragraph_format.space_after = Pt(4)
    for name, size, after in (("Recording", 9.5, 18), ("Transcript", 11, 8)):
        style: ParagraphStyle = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = styles["Normal"]
        style.quick_style = True
        style.font.size = Pt(size)
        style.paragraph_format.space_after = Pt(after)
    styles["Recording"].font.color.rgb = RGBColor(*_GREY)
    speaker: CharacterStyle = styles.add_style("Speaker", WD_STYLE_TYPE.CHARACTER)
    speaker.font.bold = speaker.font.cs_bold = True
    time: CharacterStyle = styles.add_style("Timestamp", WD_STYLE_TYPE.CHARACTER)
    time.font.color.rgb, time.font.size = RGBColor(*_GREY), Pt(9)
    for character_style in (speaker, time):
        character_style.quick_style = True
    _set_language(document, language)


def _set_language(document: Document, language: str | None) -> None:
    """What spelling is checked in; right to left where the script runs so."""
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    right_to_left = language in _RIGHT_TO_LEFT
    if language:
        for element in document.styles.element.iter(qn("w:lang")):
            element.set(qn("w:bidi" if right_to_left else "w:val"), language)
    if not right_to_left:
        return
    for name in ("Title", "Recording", "Transcript", "Footer"):
        style: ParagraphStyle = document.styles[name]
        style.font.rtl = True
        properties = style.element.get_or_add_pPr()
        properties.insert_element_before(OxmlElement("w:bidi"), *(f"w:{name}" for name in _AFTER_BIDI))


# --- text ------------------------------------------------------------------------------------------------------------


def _add(place: WordParagraph, paragraph: Paragraph, options: SubtitleOptions) -> None:
    if options.timestamps:
        place.add_run(clock(paragraph.start), "Timestamp")
        place.add_run("  ")
    if paragraph.speaker:
        place.add_run(_legal(f"{paragraph.speaker}:"), "Speaker")
        place.add_run(" ")
    place.add_run(_legal(paragraph.text))


def _number_pages(document: Document) -> None:
    """``PAGE / NUMPAGES`` in the footer; whoever opens the document counts."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    footer = document.sections[0].footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for before, instruction in (None, "PAGE"), (" / ", "NUMPAGES"):
        if before:
            footer.add_run(before)
        field = OxmlElement("w:fldSimple", {qn("w:instr"): instruction})
        field.append(footer.add_run("1")._r)  # noqa: SLF001 - the library has no name for fields
        footer._p.append(field)  # noqa: SLF001
