"""Transcript to text, JSON, subtitles, tables, RTTM and Word documents: pure functions behind one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, overload

from stenogram.errors import UnknownFormat
from stenogram.formats import openai, plain, subtitles
from stenogram.formats.docx import docx
from stenogram.formats.openai import SEGMENTS, Granularity
from stenogram.formats.recording import RECORDING, Recording
from stenogram.formats.rttm import rttm
from stenogram.types import SubtitleOptions, Transcript

__all__ = [
    "ALIASES",
    "FORMATS",
    "SEGMENTS",
    "BinaryName",
    "Format",
    "Granularity",
    "Recording",
    "TextName",
    "format_named",
    "render",
]

TextName = Literal["text", "txt", "json", "verbose_json", "diarized_json", "srt", "vtt", "tsv", "rttm"]
BinaryName = Literal["docx"]


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a caller may choose about the look of an output."""

    subtitles: SubtitleOptions
    """How srt and vtt break lines; times in text and docx."""
    granularities: Collection[Granularity]
    """Which lists verbose_json carries."""
    recording: Recording
    """What rttm and docx call the recording."""
    enhancement: Mapping[str, Any] | None
    """What verbose_json tells of a language model's work."""


@dataclass(frozen=True, slots=True)
class Format:
    """One output format."""

    name: str
    suffix: str
    """Ending of a file of this format; no two formats share one, so all can be written side by side."""
    media_type: str
    """What HTTP calls it; the text is always UTF-8."""
    function: Callable[[Transcript, _Layout], str | bytes]
    for_readers: bool = True
    """For people, who may want it without the names of speakers; else for programs, which get all there is."""
    binary: bool = False
    """Bytes, not text."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        known.name: known
        for known in (
            Format(
                "text",
                ".txt",
                "text/plain",
                lambda transcript, layout: plain.text(transcript, timestamps=layout.subtitles.timestamps),
            ),
            Format(
                "json", ".json", "application/json", lambda transcript, _: openai.json(transcript), for_readers=False
            ),
            Format(
                "verbose_json",
                ".verbose.json",
                "application/json",
                lambda transcript, layout: openai.verbose_json(transcript, layout.granularities, layout.enhancement),
                for_readers=False,
            ),
            Format(
                "diarized_json",
                ".diarized.json",
                "application/json",
                lambda transcript, _: openai.diarized_json(transcript),
                for_readers=False,
            ),
            Format(
                "srt",
                ".srt",
                "application/x-subrip",
                lambda transcript, layout: subtitles.srt(transcript, layout.subtitles),
            ),
            Format("vtt", ".vtt", "text/vtt", lambda transcript, layout: subtitles.vtt(transcript, layout.subtitles)),
            Format("tsv", ".tsv", "text/tab-separated-values", lambda transcript, _: plain.tsv(transcript)),
            Format(
                "rttm",
                ".rttm",
                "text/plain",
                lambda transcript, layout: rttm(transcript, layout.recording.name),
                for_readers=False,
            ),
            Format(
                "docx",
                ".docx",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                lambda transcript, layout: docx(transcript, layout.recording, layout.subtitles),
                binary=True,
            ),
        )
    }
)
"""Every format by its name, in the order in which they are listed to users."""

ALIASES: Mapping[str, str] = MappingProxyType({"txt": "text"})
"""Other names people use."""


def format_named(name: str) -> Format:
    """The format of this name or alias. Raises ``UnknownFormat``."""
    known = FORMATS.get(ALIASES.get(name, name))
    if known is None:
        raise UnknownFormat(format=name, known=", ".join(FORMATS))
    return known


@overload
def render(
    transcript: Transcript,
    format: TextName,
    options: SubtitleOptions = ...,
    granularities: Collection[Granularity] = ...,
    recording: Recording | str = ...,
    enhancement: Mapping[str, Any] | None = ...,
) -> str: ...


@overload
def render(
    transcript: Transcript,
    format: BinaryName,
    options: SubtitleOptions = ...,
    granularities: Collection[Granularity] = ...,
    recording: Recording | str = ...,
    enhancement: Mapping[str, Any] | None = ...,
) -> bytes: ...


@overload
def render(
    transcript: Transcript,
    format: str,
    options: SubtitleOptions = ...,
    granularities: Collection[Granularity] = ...,
    recording: Recording | str = ...,
    enhancement: Mapping[str, Any] | None = ...,
) -> str | bytes: ...


def render(
    transcript: Transcript,
    format: str,  # noqa: A002 - the field's own word for it
    options: SubtitleOptions = SubtitleOptions(),  # noqa: B008 - a frozen value
    granularities: Collection[Granularity] = SEGMENTS,
    recording: Recording | str = RECORDING,
    enhancement: Mapping[str, Any] | None = None,
) -> str | bytes:
    """The transcript in a format of ``FORMATS``: text, ready to be written or sent as UTF-8; bytes for docx.

    ``options`` shape srt, vtt, text and docx. ``granularities`` choose the lists of verbose_json as on the wire
    (segments only by default); for files ask for both. ``recording`` is the recording as rttm and docx name it, a name
    best being that of its file without the ending. ``enhancement`` is what ``enhanced.enhancement_object`` says, where
    a language model has been over the text. Raises ``UnknownFormat``.
    """
    known = format_named(format)
    if isinstance(recording, str):
        recording = Recording(recording)
    if known.for_readers and not options.speaker_names:
        transcript = without_names(transcript)
    return known.function(transcript, _Layout(options, granularities, recording, enhancement))


def without_names(transcript: Transcript) -> Transcript:
    """The transcript as if nobody knew who speaks."""
    segments = tuple(replace(segment, speaker=None) for segment in transcript.segments)
    return replace(transcript, segments=segments)
