"""What a run tells while it works. Listeners are called in the thread that drives the run, and must be quick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stenogram.types import Segment, Speakers

Stage = Literal["decode", "vad", "chunk", "load", "transcribe", "guard", "transcript", "diarize"]


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage began; ``total_s`` is the length of the recording in seconds where it is known."""

    stage: Stage
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class StageProgress:
    """So many seconds of the recording are through this stage; ``total_s`` None while the length is unknown."""

    stage: Stage
    done_s: float
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class StageCached:
    """The result came from the cache; ``done_s`` seconds of the recording needed no work."""

    stage: Stage
    key: str
    done_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SegmentReady:
    """A segment is final, in the order of the recording."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class SpeakersFound:
    """Who spoke when is known; a later one refines it. ``Transcript.segments`` carry the last one's speakers."""

    speakers: Speakers


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage is through; ``busy_s`` is the time spent in it, summed over its threads (stages overlap).

    Of ``diarize`` it is the time from the first sound to the turns: its threads, or its process, are its own affair.
    """

    stage: Stage
    busy_s: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know, also kept in ``Transcript.warnings``."""

    message: str


Event = StageStarted | StageProgress | StageCached | SegmentReady | SpeakersFound | StageFinished | Warned
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
