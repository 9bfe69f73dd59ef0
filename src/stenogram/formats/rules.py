"""Which subtitle cues break a rule although they were cut to keep it: what somebody should look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from stenogram.formats.breaks import width
from stenogram.formats.cues import Cue
from stenogram.formats.pace import reading_ms
from stenogram.formats.paragraphs import clock
from stenogram.types import SubtitleOptions

Rule = Literal["too_fast", "long_line", "too_long", "short_gap"]


@dataclass(frozen=True, slots=True)
class Broken:
    """A cue that breaks a rule."""

    cue: int
    """Its number in the file, from 1."""
    rule: Rule
    """``too_fast``: ``max_cps``; ``long_line``: ``max_line_chars``; ``too_long``: ``max_cue_s``; ``short_gap``: the
    one after it comes sooner than ``min_gap_ms``."""
    found: float
    """What there is: characters a second, columns, seconds, milliseconds."""
    allowed: float
    """What the option says."""
    start: float
    """When the cue comes, seconds."""
    text: str

    @property
    def message(self) -> str:
        """A sentence about it."""
        return f"Cue {self.cue} at {clock(self.start)}: {_SENTENCES[self.rule].format(self.found, self.allowed)}"


_SENTENCES: Mapping[Rule, str] = MappingProxyType(
    {
        "too_fast": "{:g} characters a second, {:g} are allowed.",
        "long_line": "a line of {:g} characters, {:g} are allowed.",
        "too_long": "it stands for {:g} s, {:g} are allowed.",
        "short_gap": "{:g} ms before the next one, {:g} are wanted.",
    }
)


def broken(cues: Sequence[Cue], options: SubtitleOptions) -> Iterator[Broken]:
    """In order of the cues; several of one cue where it breaks several rules.

    Of people who talk over each other, and so of cues that overlap, no gap is asked.
    """
    for number, cue in enumerate(cues, 1):
        following = cues[number] if number < len(cues) else None
        for rule, found, allowed in _broken(cue, following, options):
            yield Broken(number, rule, found, allowed, cue.start_ms / 1000, " ".join(cue.lines))


def _broken(cue: Cue, following: Cue | None, options: SubtitleOptions) -> Iterator[tuple[Rule, float, float]]:
    length_ms = cue.end_ms - cue.start_ms
    if length_ms < reading_ms(cue.characters, options):
        yield "too_fast", round(cue.characters * 1000 / length_ms, 1), options.max_cps
    widest = max(map(width, cue.lines))
    if widest > options.max_line_chars:
        yield "long_line", widest, options.max_line_chars
    if length_ms > options.max_cue_s * 1000:
        yield "too_long", length_ms / 1000, options.max_cue_s
    if following is not None and 0 <= following.start_ms - cue.end_ms < options.min_gap_ms:
        yield "short_gap", following.start_ms - cue.end_ms, options.min_gap_ms
