"""Who spoke when: one module per way to tell, behind ``protocols.Diarizer``, and what is made of their turns.

``DIARIZERS`` is the table by name; a diarizer's module is imported when it is chosen, its library when it works.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec

from stenogram.config import Settings
from stenogram.errors import DiarizationError, DiarizerNotInstalled, OptionError
from stenogram.protocols import Cache, Diarizer
from stenogram.types import Device, DiarizeOptions

BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class Means:
    """What a diarizer may use."""

    settings: Settings
    cache: Cache
    """For what it finds on the way: its key must hold all that it depends on, the sound first."""
    device: Device = "cpu"
    """``cpu`` or ``cuda``, settled."""
    threads: int = 1
    """CPU threads it may keep busy."""


@dataclass(frozen=True, slots=True)
class Row:
    """Where a diarizer is, and what it needs."""

    implementation: str
    """``module:class``, made with ``Means``."""
    modules: tuple[str, ...]
    """Modules of its libraries; they are looked for, never imported to find out."""
    packages: tuple[str, ...]
    """Distributions whose versions are worth knowing."""
    extra: str | None = None
    """The extra of stenogram that brings them; None: they always come."""

    @property
    def installed(self) -> bool:
        """Whether all its libraries are here."""
        return all(find_spec(module) is not None for module in self.modules)


DIARIZERS = {
    BUILT_IN: Row("stenogram.diarization.built_in:BuiltInDiarizer", ("onnxruntime", "scipy"), ("onnxruntime", "scipy")),
    "pyannote": Row(
        "stenogram.diarization.pyannote:PyannoteDiarizer",
        ("pyannote", "pyannote.audio", "torch"),  # others bring the first
        ("pyannote.audio", "torch"),
        extra="pyannote",
    ),
    "sherpa-onnx": Row(
        "stenogram.diarization.sherpa_onnx:SherpaOnnxDiarizer", ("sherpa_onnx",), ("sherpa-onnx",), extra="sherpa-onnx"
    ),
}


def runs(name: str) -> bool:
    """Whether there is a diarizer of that name and its library is here."""
    return name in DIARIZERS and DIARIZERS[name].installed


def find(name: str, means: Means) -> Diarizer:
    """Make the diarizer of that name. Raises ``DiarizationError`` when there is none, ``DiarizerNotInstalled``."""
    if name not in DIARIZERS:
        raise DiarizationError(diarizer=name, cause=f"there is none of that name; there are: {', '.join(DIARIZERS)}")
    row = DIARIZERS[name]
    if not row.installed:
        raise DiarizerNotInstalled(diarizer=name, extra=row.extra or name)
    module, attribute = row.implementation.split(":")
    diarizer: Diarizer = getattr(importlib.import_module(module), attribute)(means)
    return diarizer


def check(options: DiarizeOptions) -> None:
    """Refuse numbers of speakers that contradict each other. Raises ``OptionError``."""
    given = {
        name: getattr(options, name)
        for name in ("num_speakers", "min_speakers", "max_speakers")
        if getattr(options, name) is not None
    }
    if "num_speakers" in given and len(given) > 1:
        cause = "says it exactly already; leave out min_speakers and max_speakers"
        raise OptionError(name="num_speakers", value=options.num_speakers, cause=cause, param="num_speakers")
    if given.get("min_speakers", 1) > given.get("max_speakers", 100):
        cause = f"is more than max_speakers, {options.max_speakers}"
        raise OptionError(name="min_speakers", value=options.min_speakers, cause=cause, param="min_speakers")
