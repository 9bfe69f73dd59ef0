"""Stenogram: speech to text that is exact, fast, and never loses a recording.

>>> import stenogram
>>> transcript = stenogram.transcribe("talk.mp4")                                                # doctest: +SKIP
>>> for segment in stenogram.stream("talk.mp4"):                                                 # doctest: +SKIP
...     print(segment.start, segment.text)

Everything public is in ``__all__``, and in that of ``stenogram.performance``; it is imported when first used, so
``import stenogram`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stenogram import performance as performance
    from stenogram.app import App as App
    from stenogram.app.api import enhance_transcript as enhance_transcript
    from stenogram.app.api import stream as stream
    from stenogram.app.api import transcribe as transcribe
    from stenogram.config import Settings as Settings
    from stenogram.diarization.rename import rename_speakers as rename_speakers
    from stenogram.enhance.diff import apply as apply_changes
    from stenogram.enhancement import Change as Change
    from stenogram.enhancement import Enhancement as Enhancement
    from stenogram.errors import StenogramError as StenogramError
    from stenogram.formats import render as render
    from stenogram.types import Segment as Segment
    from stenogram.types import SubtitleOptions as SubtitleOptions
    from stenogram.types import Transcript as Transcript
    from stenogram.types import Word as Word

_HOMES = {
    "App": "stenogram.app",
    "Change": "stenogram.enhancement",
    "Enhancement": "stenogram.enhancement",
    "Segment": "stenogram.types",
    "Settings": "stenogram.config",
    "StenogramError": "stenogram.errors",
    "SubtitleOptions": "stenogram.types",
    "Transcript": "stenogram.types",
    "Word": "stenogram.types",
    "apply_changes": "stenogram.enhance.diff:apply",
    "enhance_transcript": "stenogram.app.api",
    "rename_speakers": "stenogram.diarization.rename",
    "render": "stenogram.formats",
    "stream": "stenogram.app.api",
    "transcribe": "stenogram.app.api",
}

__all__ = [
    "App",
    "Change",
    "Enhancement",
    "Segment",
    "Settings",
    "StenogramError",
    "SubtitleOptions",
    "Transcript",
    "Word",
    "apply_changes",
    "enhance_transcript",
    "rename_speakers",
    "render",
    "stream",
    "transcribe",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        return getattr(importlib.import_module(module), attribute or name)
    if name == "performance":
        return importlib.import_module("stenogram.performance")
    raise AttributeError(f"module 'stenogram' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Let completion offer what is not imported yet."""
    return sorted({*globals(), *__all__, "performance"})
