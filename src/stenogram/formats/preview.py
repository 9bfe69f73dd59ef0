"""What an output will look like, before it is written: its beginning, and the cues that somebody should look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from stenogram.formats import format_named, render, subtitles, without_names
from stenogram.formats.cues import Cue
from stenogram.formats.docx import outline
from stenogram.formats.recording import Recording
from stenogram.formats.rules import Broken, broken
from stenogram.types import SubtitleOptions, Transcript

_SUBTITLES: Mapping[str, tuple[Callable[[Transcript, SubtitleOptions], list[Cue]], Callable[[Sequence[Cue]], str]]] = (
    MappingProxyType({"srt": (subtitles.srt_cues, subtitles.srt_text), "vtt": (subtitles.vtt_cues, subtitles.vtt_text)})
)
"""How the cues of a format are made, and how they are written."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of an output."""

    text: str
    """Of a Word document, what it says."""
    truncated: bool
    """The output goes on."""
    cues: int | None = None
    """How many cues it has; None: it is no subtitles."""
    warnings: tuple[Broken, ...] = ()
    """Cues that break a rule, in the whole output."""


def preview(
    transcript: Transcript,
    format: str,  # noqa: A002 - the field's own word for it
    options: SubtitleOptions,
    recording: Recording,
    limit: int,
) -> Preview:
    """The first ``limit`` characters, up to the end of a line where there is one. Raises ``UnknownFormat``."""
    known = format_named(format)
    if not options.speaker_names and known.for_readers:
        transcript = without_names(transcript)
    if known.name in _SUBTITLES:
        cut, write = _SUBTITLES[known.name]
        cues = cut(transcript, options)
        text, truncated = _beginning(write(cues), limit)
        return Preview(text, truncated, len(cues), tuple(broken(cues, options)))
    body = render(transcript, known.name, options, ("segment", "word"), recording) if not known.binary else ""
    text = body if isinstance(body, str) and not known.binary else outline(transcript, recording, options)
    return Preview(*_beginning(text, limit))


def _beginning(text: str, limit: int) -> tuple[str, bool]:
    if len(text) <= limit:
        return text, False
    end = text.rfind("\n", 0, limit) + 1
    return text[: end or limit], True
