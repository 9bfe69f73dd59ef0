"""Who spoke when: one module per way to tell, behind ``protocols.Diarizer``, and what is made of their turns.

``DIARIZERS`` is the table by name; a diarizer's module is imported when it is chosen, its library when it works.
"""

from __future__ import annotations

from dataclasses import dataclass

from stenogram.config import Settings
from stenogram.errors import DiarizationError, DiarizerNotInstalled, OptionError
from stenogram.library import Row
from stenogram.protocols import Cache, Diarizer
from stenogram.types import Device, DiarizeOptions

BUILT_IN = "built-in"
NUMBERS = ("num_speakers", "min_speakers", "max_speakers")
"""The options that say how many speak."""


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
    diarizer: Diarizer = row.make(means)
    return diarizer


def check(options: DiarizeOptions) -> None:
    """Refuse numbers of speakers that contradict each other. Raises ``OptionError``."""
    given = {name: getattr(options, name) for name in NUMBERS if getattr(options, name) is not None}
    if "num_speakers" in given and len(given) > 1:
        cause = "says it exactly already; leave out min_speakers and max_speakers"
        raise OptionError(name="num_speakers", value=options.num_speakers, cause=cause, param="num_speakers")
    if given.get("min_speakers", 1) > given.get("max_speakers", 100):
        cause = f"is more than max_speakers, {options.max_speakers}"
        raise OptionError(name="min_speakers", value=options.min_speakers, cause=cause, param="min_speakers")
