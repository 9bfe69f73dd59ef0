"""One line of what ``stenogram doctor`` tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "note", "warning", "fault"]
"""``note``: it may stay so; ``warning``: something works worse than it could; ``fault``: work would stop."""

GIB, MIB = 2**30, 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something looked at, and what to do about it."""

    topic: str
    state: State
    text: str
    advice: str | None = None


def size(count_bytes: float) -> str:
    """Bytes for the eye: ``3.4 GiB``, and ``17 MiB`` where it is less than one."""
    return f"{count_bytes / GIB:.1f} GiB" if count_bytes >= GIB else f"{count_bytes / MIB:.0f} MiB"
