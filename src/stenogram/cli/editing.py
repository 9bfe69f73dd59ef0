"""A language model at work on a transcript, as the terminal shows it: a bar, lines as they become final, a summary."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from stenogram.app import App
from stenogram.app.enhance import stream
from stenogram.cli.progress import BAR_FROM_COLUMNS, LINE_EVERY_S, NameColumn, clock
from stenogram.enhance import diff, run
from stenogram.enhancement import LINE_KINDS, Change, Doubt, Enhancement, EnhanceOptions, Line
from stenogram.errors import OptionError
from stenogram.formats.enhanced import enhancement_object
from stenogram.languages import NAMES
from stenogram.types import Segment, Transcript

CHANGED, KEPT = "~", "="
"""Marks of lines that the model changed, and of those that stay because what it wrote is doubted."""
DOUBTS: Mapping[Doubt, str] = MappingProxyType(
    {
        "missing": "not answered",
        "empty": "answered with nothing",
        "remark": "remarks",
        "numbers": "numbers",
        "negation": "negations",
        "names": "names",
        "too_much": "too much",
        "script": "another script",
        "cut": "cut off",
        "refused": "refused",
    }
)
"""Why lines are kept, in words: what the model changed in them, or did with them."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A transcript, and what a language model made of it."""

    original: Transcript
    enhancement: Enhancement | None = None
    """None: no model was asked, or it failed."""
    reverted: frozenset[int] = frozenset()
    """Ids of changes that are not wanted."""
    took_s: float = 0.0

    @property
    def written(self) -> Transcript:
        """What stands. Raises ``OptionError`` for a change that there is not."""
        if self.enhancement is None:
            return self.original
        if not self.reverted:
            return run.text_of(self.original, self.enhancement)
        changes = self.enhancement.changes
        unknown = self.reverted - {change.id for change in changes}
        if unknown:
            cause = f"there are {_count(len(changes), 'change')}, numbered from 0; --diff lists them"
            raise OptionError(name="--revert", value=min(unknown), cause=cause)
        return diff.apply(self.original, [change for change in changes if change.id not in self.reverted])

    @property
    def told(self) -> dict[str, Any] | None:
        """What verbose_json says of it."""
        if self.enhancement is None:
            return None
        return enhancement_object(self.original, self.written, self.enhancement, self.reverted)

    def summary(self) -> str:
        """One line on what was done, what was not, and how fast."""
        if self.enhancement is None:
            return ""
        made, usage = self.enhancement, self.enhancement.usage
        pace = f"{self.took_s:.1f} s"
        if made.cached:
            pace += ", cached"
        elif self.took_s > 0:
            pace += f", {usage.completion_tokens / self.took_s:.0f} tokens/s"
        return f"{made.model}: {', '.join([_done(made, self.reverted), *_kept(made)])}; {pace}"


def _done(made: Enhancement, reverted: Collection[int]) -> str:
    if made.kind == "clean":
        without = f" ({len(reverted)} reverted)" if reverted else ""
        return _count(len(made.changes), "change") + without
    if made.kind == "translation":
        target = NAMES.get(made.language or "", made.language or "another language").title()
        return f"{_count(len(made.lines) - len(made.kept), 'line')} in {target}"
    return made.kind


def _kept(made: Enhancement) -> list[str]:
    doubts = Counter(DOUBTS[line.doubt] for line in made.lines if line.doubt is not None)
    if not doubts:
        return ["no line kept"] if made.kind in LINE_KINDS else []
    reasons = ", ".join(f"{why} {count}" if len(doubts) > 1 else why for why, count in doubts.most_common())
    return [f"{len(made.kept)} of {_count(len(made.lines), 'line')} kept as transcribed ({reasons})"]


@dataclass(slots=True)
class Editing:
    """Shows one run. ``lines``: print each line on stdout as it becomes final, changed ones marked."""

    name: str
    quiet: bool
    lines: bool
    what: str = "clean-up"
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    began: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    progress: Progress | None = None

    def edit(self, app: App, transcript: Transcript, options: EnhanceOptions, *, fresh: bool = False) -> Edited:
        """Have it done. Raises what ``app.enhance.stream`` raises."""
        segments = {segment.id: segment for segment in transcript.segments}
        with self, closing(stream(app, transcript, options, fresh=fresh, progress=self._advance)) as coming:
            while True:
                try:
                    line = next(coming)
                except StopIteration as ended:
                    return Edited(transcript, ended.value, took_s=time.monotonic() - self.began)
                if self.lines:
                    self._print(segments[line.segment], line, options)

    def __enter__(self) -> Self:
        if not self.quiet and not self.console.is_dumb_terminal:
            self.progress = Progress(
                *_columns(self.console.width),
                console=self.console,
                transient=True,
                redirect_stdout=self.lines and sys.stdout.isatty(),
                disable=not self.console.is_terminal,
            )
            self.progress.add_task(f"{self.what}: {Path(self.name).name}", total=None)
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress is not None:
            self.progress.stop()

    def _advance(self, share: float) -> None:
        if self.progress is not None and share:
            self.progress.update(self.progress.task_ids[0], completed=share, total=1.0)
        drawn = self.progress is not None and self.console.is_terminal
        if not self.quiet and not drawn and time.monotonic() - self.told >= LINE_EVERY_S:
            self.told = time.monotonic()
            self.console.print(Text(f"{self.name}: {self.what} {share:.0%}"), soft_wrap=True)

    def _print(self, segment: Segment, line: Line, options: EnhanceOptions) -> None:
        speaker = f"{segment.speaker}: " if segment.speaker else ""
        start, end = clock(segment.start, millis=True), clock(segment.end, millis=True)
        changed = options.kind == "clean" and line.text != segment.text
        mark = KEPT if line.doubt is not None else CHANGED if changed else " "
        text = _with_bold(segment, line) if changed and sys.stdout.isatty() else printable(line.text)
        sys.stdout.write(f"[{start} -> {end}] {mark} {speaker}{text}\n")
        sys.stdout.flush()


class _Share(ProgressColumn):
    """How much is through; before anything is: that it waits."""

    def get_table_column(self) -> Column:
        return Column(no_wrap=True)

    def render(self, task: Task) -> Text:
        return Text("waiting" if task.total is None else f"{task.completed:.0%}", style="progress.percentage")


def _columns(width: int) -> list[ProgressColumn]:
    bar = [BarColumn()] if width > BAR_FROM_COLUMNS else []
    return [NameColumn(), *bar, _Share(), TimeElapsedColumn()]


def _with_bold(segment: Segment, line: Line) -> str:
    """The text of a line with what is new in it in bold."""
    pieces, through = [], 0
    for change in diff.changes((segment,), (line,)):
        new = printable(change.after)
        pieces += [printable(segment.text[through : change.at]), click.style(new, bold=True) if new else ""]
        through = change.at + len(change.before)
    return "".join([*pieces, printable(segment.text[through:])])


def printable(text: str) -> str:
    """Without signs that would do something to the terminal: a language model may write any."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)


def difference(change: Change) -> str:
    """A change on one line."""
    texts = (printable(text.strip() or text) for text in (change.before, change.after))
    before, after = (f'"{text}"' if text else "nothing" for text in texts)
    return f"{change.id:>4}  {clock(change.start, millis=True)}  {before} -> {after}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
