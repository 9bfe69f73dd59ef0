"""Formats without structure: the bare text, and a table of segments."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from stenogram.formats.paragraphs import clock, paragraphs
from stenogram.types import Segment, Transcript


def text(transcript: Transcript, *, timestamps: bool = False) -> str:
    r"""``transcript.text`` and a newline, the body the OpenAI API sends for ``text``.

    With speakers, one paragraph per stretch of one speaker instead: ``SPEAKER_00: ...``, a blank line between them.
    With ``timestamps``, paragraphs that a Word document has too: ``[01:02:03] SPEAKER_00: ...``.
    """
    if timestamps:
        return "\n".join(in_paragraphs(transcript, timestamps=True)) or "\n"
    if not any(segment.speaker for segment in transcript.segments):
        return transcript.text + "\n"
    spoken = (segment for segment in transcript.segments if segment.text or segment.speaker)
    return "\n".join(_paragraph(speaker, list(group)) for speaker, group in groupby(spoken, lambda s: s.speaker))


def in_paragraphs(transcript: Transcript, *, timestamps: bool) -> Iterator[str]:
    """The paragraphs of a Word document, each a line: ``[01:02:03] SPEAKER_00: ...``."""
    for paragraph in paragraphs(transcript.segments):
        time = f"[{clock(paragraph.start)}] " if timestamps else ""
        name = f"{paragraph.speaker}: " if paragraph.speaker else ""
        yield f"{time}{name}{paragraph.text}\n"


def _paragraph(speaker: str | None, segments: list[Segment]) -> str:
    said = " ".join(segment.text for segment in segments)
    return f"{speaker}: {said}\n" if speaker else f"{said}\n"


def tsv(transcript: Transcript) -> str:
    r"""As openai-whisper writes it: ``start\tend\ttext``, times in whole milliseconds, one segment a line.

    With speakers there is a fourth column, ``speaker``. White space inside a text (tabs and newlines would end the
    column or the line) becomes one space.
    """
    told = any(segment.speaker for segment in transcript.segments)
    rows = ["start\tend\ttext" + "\tspeaker" * told]
    for segment in transcript.segments:
        row = f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t{' '.join(segment.text.split())}"
        rows.append(f"{row}\t{' '.join((segment.speaker or '').split())}" if told else row)
    return "".join(f"{row}\n" for row in rows)
