"""Transcript to text, json, verbose_json, diarized_json, srt, vtt, tsv, rttm: pure functions behind one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from stenogram.errors import UnknownFormat
from stenogram.formats import openai, plain, subtitles
from stenogram.formats.openai import SEGMENTS, Granularity
from stenogram.formats.rttm import RECORDING, rttm
from stenogram.types import SubtitleOptions, Transcript

__all__ = ["ALIASES", "FORMATS", "SEGMENTS", "Format", "Granularity", "format_named", "render"]


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a caller may choose about the look of an output."""

    subtitles: SubtitleOptions
    """How srt and vtt break lines."""
    granularities: Collection[Granularity]
    """Which lists verbose_json carries."""
    recording: str
    """What rttm calls the recording."""
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
    function: Callable[[Transcript, _Layout], str]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        known.name: known
        for known in (
            Format("text", ".txt", "text/plain", lambda transcript, _: plain.text(transcript)),
            Format("json", ".json", "application/json", lambda transcript, _: openai.json(transcript)),
            Format(
                "verbose_json",
                ".verbose.json",
                "application/json",
                lambda transcript, layout: openai.verbose_json(transcript, layout.granularities, layout.enhancement),
            ),
            Format(
                "diarized_json",
                ".diarized.json",
                "application/json",
                lambda transcript, _: openai.diarized_json(transcript),
            ),
            Format(
                "srt",
                ".srt",
                "application/x-subrip",
                lambda transcript, layout: subtitles.srt(transcript, layout.subtitles),
            ),
            Format("vtt", ".vtt", "text/vtt", lambda transcript, layout: subtitles.vtt(transcript, layout.subtitles)),
            Format("tsv", ".tsv", "text/tab-separated-values", lambda transcript, _: plain.tsv(transcript)),
            Format("rttm", ".rttm", "text/plain", lambda transcript, layout: rttm(transcript, layout.recording)),
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


def render(
    transcript: Transcript,
    format: str,  # noqa: A002 - the field's own word for it
    options: SubtitleOptions = SubtitleOptions(),  # noqa: B008 - a frozen value
    granularities: Collection[Granularity] = SEGMENTS,
    recording: str = RECORDING,
    enhancement: Mapping[str, Any] | None = None,
) -> str:
    """The transcript in a format of ``FORMATS``, ready to be written or sent as UTF-8.

    ``options`` shape srt and vtt. ``granularities`` choose the lists of verbose_json as on the wire (segments only by
    default); for files ask for both. ``recording`` is the name of the recording in rttm, best that of its file without
    the ending. ``enhancement`` is what ``enhanced.enhancement_object`` says, where a language model has been over the
    text. Raises ``UnknownFormat``.
    """
    return format_named(format).function(transcript, _Layout(options, granularities, recording, enhancement))
