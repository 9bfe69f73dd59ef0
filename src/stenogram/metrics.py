"""What runs cost, counted from their events: seconds of sound, of work in each stage, and until the first text.

``Tally`` adds up all runs of a process; ``Tally.run`` gives the listener of one. ``Chats`` adds up what language models
did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from stenogram import events
from stenogram.enhancement import Enhancement
from stenogram.events import Stage

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over runs."""

    runs: int = 0
    failed: int = 0
    """Of ``runs``: ended by an error, or stopped."""
    audio_s: float = 0.0
    """Sound that went through, seconds."""
    cached_s: float = 0.0
    """Of ``audio_s``: known from earlier runs."""
    wall_s: float = 0.0
    """Time that the runs took; runs side by side count each."""
    segments: int = 0
    first_segment_s: float | None = None
    """Until the first segment was final, mean over the runs that had one."""
    stage_s: Mapping[Stage, float] = field(default_factory=dict)
    """Work in each stage, seconds summed over threads."""
    voiced: int = 0
    """Runs that had a segment."""

    @property
    def rtfx(self) -> float | None:
        """Seconds of sound for each second of the runs; None before any time was spent."""
        return self.audio_s / self.wall_s if self.wall_s else None

    @property
    def cached_share(self) -> float:
        """Share of the sound that needed no work, 0..1."""
        return self.cached_s / self.audio_s if self.audio_s else 0.0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        stages = [*self.stage_s, *other.stage_s]  # in the order of the work
        voiced = self.voiced + other.voiced
        waited_s = sum((counts.first_segment_s or 0.0) * counts.voiced for counts in (self, other))
        return Counts(
            runs=self.runs + other.runs,
            failed=self.failed + other.failed,
            audio_s=self.audio_s + other.audio_s,
            cached_s=self.cached_s + other.cached_s,
            wall_s=self.wall_s + other.wall_s,
            segments=self.segments + other.segments,
            first_segment_s=waited_s / voiced if voiced else None,
            stage_s={stage: self.stage_s.get(stage, 0.0) + other.stage_s.get(stage, 0.0) for stage in stages},
            voiced=voiced,
        )


class Tally:
    """Adds up runs; safe in several threads."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = Counts()

    def run(self, listener: events.Listener = events.ignore) -> Run:
        """A listener for one run, which hands each event on; the run is added when its context ends."""
        return Run(self, listener, self._clock)

    def add(self, counts: Counts) -> None:
        """Add the counts of a run that is over."""
        with self._lock:
            self._counts = self._counts.plus(counts)

    def counts(self) -> Counts:
        """The sums now."""
        with self._lock:
            return self._counts

    def reset(self) -> None:
        """Begin again at zero; runs under way are added whole when they end."""
        with self._lock:
            self._counts = Counts()


@dataclass(slots=True)
class Chats:
    """What language models did in this process; for one thread at a time."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    answer_s: float = 0.0
    """From the questions to the ends of their answers; those side by side count each."""
    first_token_s: float = 0.0
    """Until the first piece of an answer: the mean of each run, summed over ``asked``."""
    asked: int = 0
    """Runs for which something was asked: the others were known."""
    lines: int = 0
    kept: int = 0
    """Of ``lines``: the guard kept the original."""

    def add(self, made: Enhancement) -> None:
        """Count what came of a run."""
        usage = made.usage
        self.completed += 1
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        self.answer_s += usage.answer_s
        if usage.first_token_s is not None:
            self.first_token_s += usage.first_token_s
            self.asked += 1
        self.lines += len(made.lines)
        self.kept += len(made.kept)


@dataclass(slots=True)
class Run:
    """Listens to one run, in the thread that drives it, from ``with`` to the end of the block."""

    tally: Tally
    listener: events.Listener
    clock: Clock
    counts: Counts = field(default_factory=lambda: Counts(runs=1))
    began: float = 0.0

    def __enter__(self) -> Self:
        self.began = self.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cached_s = min(self.counts.cached_s, self.counts.audio_s)  # chunks may overlap
        failed = int(kind is not None)
        self.tally.add(replace(self.counts, wall_s=self.clock() - self.began, cached_s=cached_s, failed=failed))

    def __call__(self, event: events.Event) -> None:
        """Count an event and hand it on."""
        counts = self.counts
        match event:
            case events.StageProgress("transcribe", done_s):
                self.counts = replace(counts, audio_s=max(counts.audio_s, done_s))
            case events.StageCached("transcript", _, done_s):
                self.counts = replace(counts, audio_s=done_s, cached_s=done_s)
            case events.StageCached("transcribe", _, done_s):
                self.counts = replace(counts, cached_s=counts.cached_s + done_s)
            case events.StageFinished(stage, busy_s):
                self.counts = replace(counts, stage_s={**counts.stage_s, stage: busy_s})
            case events.SegmentReady():
                first_s = self.clock() - self.began if counts.first_segment_s is None else counts.first_segment_s
                self.counts = replace(counts, segments=counts.segments + 1, first_segment_s=first_s, voiced=1)
        self.listener(event)
