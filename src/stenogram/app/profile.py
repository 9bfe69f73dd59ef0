"""How much care a recording gets: the profiles ``fast``, ``balanced``, ``quality``, and what ``auto`` makes of them.

A profile sets decoding options that the user left open; what was asked for by name always wins. ``auto`` first looks at
the recording (``audio.survey``) and expects its work to take ``sound / speed`` seconds, where ``sound`` is the length
times the channels that are transcribed, and ``speed`` is what the model is expected to do on this machine. Then, in
this order:

| the recording | profile |
|---|---|
| its length is not known | balanced |
| care takes at most ``QUICK_S`` | quality: nobody waits for it |
| noisy (below ``NOISY_DB``), and care is still ``AHEAD`` times faster than the recording plays | quality |
| slower than ``AHEAD`` times as fast as it plays, even without care | fast |
| all others | balanced |

Language and hardware choose the model (``models.choose``), and with it the speed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from stenogram.audio.survey import Survey
from stenogram.protocols import Engine
from stenogram.types import TranscribeOptions

Name = Literal["fast", "balanced", "quality"]

CARE = 4.0
"""Careful decoding costs so many times as much (Moonshine: four hearings; Whisper: up to six temperatures, rarely)."""
QUICK_S = 1.0
AHEAD = 4.0
NOISY_DB = 23.0
"""Of 123 English clips those below have 15 to 50 % of words wrong with moonshine-tiny-en, most above under 10 %."""
NAMES: dict[str, Name] = {
    "fast": "fast",
    "balanced": "balanced",
    "default": "balanced",
    "quality": "quality",
    "high_quality": "quality",
}
"""What users may call them; ``default`` and ``high_quality`` are whisper.cpp's words."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A profile, and why."""

    name: Name
    reason: str


def decide(look: Survey, speed: float) -> Decision:
    """Choose a profile for a recording; ``speed``: seconds of sound expected to be decoded in a second, balanced."""
    if look.duration_s is None:
        return Decision("balanced", "the length is not known")
    sound_s = look.duration_s * look.channels
    expected_s = sound_s / speed
    if expected_s * CARE <= QUICK_S:
        return Decision("quality", f"{sound_s:.0f} s of sound are short: care takes {expected_s * CARE:.1f} s")
    noisy = look.snr_db is not None and look.snr_db < NOISY_DB
    if noisy and expected_s * CARE * AHEAD <= look.duration_s:
        return Decision(
            "quality", f"it is noisy ({look.snr_db:.0f} dB), and care takes about {expected_s * CARE:.0f} s"
        )
    if expected_s * AHEAD > look.duration_s:
        return Decision("fast", f"{sound_s:.0f} s of sound take about {expected_s:.0f} s on this machine")
    return Decision("balanced", f"{sound_s:.0f} s of sound, {'noisy' if noisy else 'clear enough'}")


def apply(name: Name, engine: Engine, options: TranscribeOptions) -> TranscribeOptions:
    """Set what the profile says where the user said nothing and the engine can do it.

    ``fast``: greedy. ``balanced``: the engine's defaults. ``quality``: every passage on its own, with all safeguards.
    """
    if name == "fast" and "beam_size" in engine.supports and options.beam_size is None:
        return dataclasses.replace(options, beam_size=1)
    if name == "quality":
        return dataclasses.replace(options, sequential=True)
    return options
