"""What the terminal shows of a language model's work: each line once it is final, and how far it is."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from stenogram.cli.progress import BAR_FROM_COLUMNS, LINE_EVERY_S, Name, clock
from stenogram.enhance import diff
from stenogram.enhancement import LINE_KINDS, Change, Doubt, EnhanceKind, Enhancement, Line
from stenogram.languages import NAMES
from stenogram.types import Segment, Transcript

EDITED, KEPT, AS_IT_WAS = "*", "?", " "
"""Before a line: it was changed; the guard kept it although the model wrote something else; nothing."""
REASONS: Mapping[Doubt, str] = {
    "missing": "not given back",
    "empty": "nothing written",
    "remark": "a remark beside it",
    "numbers": "numbers changed",
    "negation": "a negation changed",
    "names": "names changed",
    "too_much": "too much changed",
    "script": "another script",
    "cut": "cut off",
}
WORK: Mapping[EnhanceKind, str] = {
    "clean": "clean-up",
    "translation": "translation",
    "summary": "summary",
    "title": "title",
    "chapters": "chapters",
}


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, instead of an exception in the middle of a line; pressed again it is one."""
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def press(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        pressed.set()

    if before is not signal.default_int_handler:  # ignored, as in the background of a shell, or somebody else's
        yield pressed.is_set
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class _Through(ProgressColumn):
    """Lines that are final, of all; of what has no lines, the share."""

    def get_table_column(self) -> Column:
        return Column(no_wrap=True)

    def render(self, task: Task) -> Text:
        return Text(str(task.fields["through"]), style="progress.download")


@dataclass(slots=True)
class Edits:
    """Follows the language model over one transcript. ``lines``: print each line with its time on stdout."""

    name: str
    transcript: Transcript
    kind: EnhanceKind
    quiet: bool
    lines: bool
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    began: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    progress: Progress | None = None
    done: int = 0
    """Lines that are final."""
    took_s: float = 0.0
    """Wall time of the whole, once it is over."""

    def __enter__(self) -> Self:
        if not self.quiet and not self.console.is_dumb_terminal:
            bar = [BarColumn()] if self.console.width >= BAR_FROM_COLUMNS else []
            self.progress = Progress(
                Name(),
                *bar,
                _Through(),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
                disable=not self.console.is_terminal,
                redirect_stdout=self.lines and sys.stdout.isatty(),
            )
            self.progress.add_task(f"{WORK[self.kind]}: {Path(self.name).name}", total=None, through="")
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.took_s = time.monotonic() - self.began
        if self.progress is not None:
            self.progress.stop()

    def follow(self, coming: Generator[Line, None, Enhancement]) -> Enhancement:
        """Show the lines as they come, and return the whole. Raises what the generator raises."""
        with closing(coming):
            while True:
                try:
                    line = next(coming)
                except StopIteration as ended:
                    made: Enhancement = ended.value
                    return made
                if self.lines:
                    self._print(self.transcript.segments[self.done], line)
                self.done += 1

    def advance(self, share: float) -> None:
        """Tell how much is through, 0..1."""
        count = len(self.transcript.segments)
        through = f"{self.done}/{count} lines" if self.kind in LINE_KINDS else f"{share:.0%}"
        if self.progress is not None:
            self.progress.update(self.progress.task_ids[0], completed=share or None, total=1.0, through=through)
        drawn = self.progress is not None and self.console.is_terminal
        if not drawn and not self.quiet and time.monotonic() - self.told >= LINE_EVERY_S:
            self.told = time.monotonic()
            self.console.print(Text(f"{self.name}: {WORK[self.kind]}, {through}"), soft_wrap=True)

    def print_rest(self) -> None:
        """The lines that were not reached, as they were."""
        if self.lines:
            for segment in self.transcript.segments[self.done :]:
                self._print(segment, Line(segment.id, segment.text))

    def _print(self, segment: Segment, line: Line) -> None:
        colour = sys.stdout.isatty() and not self.console.is_dumb_terminal and not os.environ.get("NO_COLOR")
        shown = marked(segment, line, self.kind)
        sys.stdout.write(shown + "\n" if colour else click.unstyle(shown) + "\n")
        sys.stdout.flush()


def marked(segment: Segment, line: Line, kind: EnhanceKind = "clean") -> str:
    """A line with its time, a mark before it where something happened, and what is new in green."""
    mark, text = AS_IT_WAS, line.text
    if line.doubt is not None:
        mark = click.style(KEPT, fg="yellow")
    elif kind == "clean" and line.text != segment.text:
        mark, text = click.style(EDITED, fg="green"), "".join(_coloured(segment, line))
    speaker = f"{segment.speaker}: " if segment.speaker else ""
    return f"{mark} [{clock(segment.start, millis=True)} -> {clock(segment.end, millis=True)}] {speaker}{text}"


def _coloured(segment: Segment, line: Line) -> Iterator[str]:
    through = 0
    for change in diff.changes([segment], [line]):
        yield segment.text[through : change.at]
        yield click.style(change.after, fg="green") if change.after else ""
        through = change.at + len(change.before)
    yield segment.text[through:]


def changed(change: Change, *, accepted: bool) -> str:
    """One change as ``--diff`` prints it."""
    before, after = (text.strip() or "nothing" for text in (change.before, change.after))
    left_out = "" if accepted else "  (left out)"
    return f"{change.id:>4}  [{clock(change.start, millis=True)}]  {before} -> {after}{left_out}"


def kept(line: Line, start: float) -> str:
    """A line that kept its original, as ``--diff`` prints it."""
    why = REASONS[line.doubt] if line.doubt is not None else ""
    return f"   {KEPT}  [{clock(start, millis=True)}]  kept, {why}: {line.text}" + (
        f" (the model: {line.edit})" if line.edit else ""
    )


def summary(made: Enhancement, took_s: float) -> str:
    """What came of it, on one line."""
    parts = [_made(made)]
    if made.kept:
        why = Counter(REASONS[line.doubt] for line in made.lines if line.doubt is not None)
        reasons = ", ".join(f"{reason}: {count}" if count > 1 else reason for reason, count in why.most_common())
        parts.append(f"{_count(len(made.kept), 'line')} kept by the guard ({reasons})")
    if made.cached:
        parts.append("from the cache")
    else:
        tokens = made.usage.completion_tokens
        speed = f", {tokens / took_s:.0f} tokens/s" if tokens and took_s else ""
        parts.append(f"{took_s:.1f} s{speed}")
    return "; ".join(parts)


def _made(made: Enhancement) -> str:
    if made.kind == "clean":
        touched = len({change.segment for change in made.changes})
        if not touched:
            return f"no changes in {_count(len(made.lines), 'line')}"
        return f"{_count(len(made.changes), 'change')} in {touched} of {_count(len(made.lines), 'line')}"
    if made.kind == "translation":
        language = NAMES.get(made.language or "", "another language").title()
        return f"{_count(len(made.lines), 'line')} in {language}"
    return f"{made.kind} by {made.model}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
