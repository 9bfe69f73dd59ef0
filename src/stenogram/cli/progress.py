"""What the terminal shows while it works: a bar with seconds of audio done, or a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from stenogram import events
from stenogram.types import Segment

LINE_EVERY_S = 10.0
"""Without a terminal, progress is one line in this many seconds."""

BAR_FROM_COLUMNS, SPEED_FROM_COLUMNS = 40, 60
"""Narrower terminals have no bar, and no speed beside it."""


def clock(time_s: float, *, millis: bool = False) -> str:
    """``1:02:03`` or, under an hour, ``02:03``; with ``millis``, ``02:03.450``."""
    whole = round(time_s * 1000)
    minutes, rest = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 1000:02d}" + (f".{rest % 1000:03d}" if millis else "")
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes:02d}:{seconds}"


class NameColumn(ProgressColumn):
    """The name of the file, cut where there is no room: what moves must stay in sight."""

    def render(self, task: Task) -> Text:
        """The name without folders, and without signs that would do something to the terminal."""
        name = "".join(char if char.isprintable() else "?" for char in Path(task.description).name)
        return Text(name, no_wrap=True, overflow="ellipsis")


class _Done(ProgressColumn):
    def get_table_column(self) -> Column:
        return Column(no_wrap=True)

    def render(self, task: Task) -> Text:
        total = clock(task.total) if task.total else "?"
        return Text(f"{clock(task.completed)}/{total}", style="progress.download")


class _Rtfx(ProgressColumn):
    def render(self, task: Task) -> Text:
        elapsed = task.finished_time or task.elapsed
        return Text(
            f"{task.completed / elapsed:.0f}x" if elapsed and task.completed else "", style="progress.data.speed"
        )


def _columns(width: int) -> list[ProgressColumn]:
    if width < BAR_FROM_COLUMNS:
        return [NameColumn(), _Done()]
    if width < SPEED_FROM_COLUMNS:
        return [NameColumn(), BarColumn(), _Done()]
    return [NameColumn(), BarColumn(), _Done(), _Rtfx(), TimeRemainingColumn()]


@dataclass(slots=True)
class Show:
    """Listens to one run. ``lines``: print each segment with its time on stdout."""

    name: str
    quiet: bool
    lines: bool
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    began: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    progress: Progress | None = None
    done_s: float = 0.0
    total_s: float | None = None
    took_s: float = 0.0
    """Wall time of the whole, once it is over."""
    transcribed: bool = False
    """All is text; what still runs tells the speakers apart."""
    cached: bool = False
    """The whole transcript was known."""

    def __enter__(self) -> Self:
        if not self.quiet and not self.console.is_dumb_terminal:
            self.progress = Progress(
                *_columns(self.console.width),
                console=self.console,
                transient=self.console.is_terminal,  # elsewhere (a log) the bar is printed once, at the end
                redirect_stdout=self.lines and sys.stdout.isatty(),
            )
            self.progress.add_task(self.name, total=None)
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.took_s = time.monotonic() - self.began
        if self.progress is not None:
            self.progress.stop()

    def __call__(self, event: events.Event) -> None:
        """Take an event of the run."""
        match event:
            case events.StageProgress("transcribe", done_s, total_s):
                self._advance(done_s, total_s)
                self.transcribed |= total_s is not None and done_s >= total_s
            case events.StageProgress("diarize", done_s, total_s) if self.transcribed:
                self._advance(done_s, total_s, what="speakers")
            case events.SegmentReady(segment) if self.lines:
                self.print([segment])
            case events.StageCached("transcript"):
                self.cached = self.transcribed = True
            case events.StageStarted("diarize") if self.transcribed:
                self.cached = False
            case events.StageFinished("transcribe"):
                self.transcribed = True
            case events.Warned(message):
                self.say(f"{self.name}: {message}")

    def say(self, message: str) -> None:
        """A line on stderr, above the bar; nothing when quiet."""
        if not self.quiet:
            self.console.print(Text(message), soft_wrap=True)

    def _advance(self, done_s: float, total_s: float | None, what: str = "") -> None:
        self.done_s, self.total_s = done_s, total_s
        if self.progress is not None:
            name = f"{what}: {Path(self.name).name}" if what else self.name
            self.progress.update(self.progress.task_ids[0], completed=done_s, total=total_s, description=name)
        drawn = self.progress is not None and self.console.is_terminal
        if not drawn and time.monotonic() - self.told >= LINE_EVERY_S:
            self.told = time.monotonic()
            total = clock(total_s) if total_s else "?"
            place = f"{what} " if what else ""
            speed = done_s / (self.told - self.began)
            self.say(f"{self.name}: {place}{clock(done_s)}/{total}, {speed:.0f}x real time")

    def print(self, segments: Iterable[Segment]) -> None:
        """Segments with their times on stdout, above the bar."""
        for segment in segments:
            speaker = f"{segment.speaker}: " if segment.speaker else ""
            start, end = clock(segment.start, millis=True), clock(segment.end, millis=True)
            sys.stdout.write(f"[{start} -> {end}] {speaker}{segment.text}\n")
        sys.stdout.flush()
