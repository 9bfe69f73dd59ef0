"""What an output says of the recording beside what was said in it."""

from __future__ import annotations

from dataclasses import dataclass

RECORDING = "recording"
"""What the recording is called where nobody says."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as its owner knows it."""

    name: str = RECORDING
    """That of its file without the ending, or the title somebody gave it."""
    filename: str | None = None
    """With the ending."""
    created_at: float | None = None
    """When it was transcribed, or asked to be; Unix seconds."""
