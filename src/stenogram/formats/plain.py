"""Formats without structure: the bare text, and a table of segments."""

from __future__ import annotations

from itertools import groupby

from stenogram.types import Segment, Transcript


def text(transcript: Transcript) -> str:
    r"""``transcript.text`` and a newline, the body the OpenAI API sends for ``text``.

    With speakers, one paragraph per stretch of one speaker instead: ``SPEAKER_00: ...``, a blank line between them.
    """
    if not any(segment.speaker for segment in transcript.segments):
        return transcript.text + "\n"
    spoken = (segment for segment in transcript.segments if segment.text or segment.speaker)
    return "\n".join(_paragraph(speaker, list(group)) for speaker, group in groupby(spoken, lambda s: s.speaker))


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
