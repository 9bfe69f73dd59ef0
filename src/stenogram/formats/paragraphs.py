"""A transcript in paragraphs: what one speaker says without a long silence, and not more than is pleasant to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stenogram.formats.breaks import break_cost
from stenogram.types import Segment

_FULL = 600
"""Characters after which the next sentence begins a new paragraph: about 100 words, or 40 s of speech."""
_TOO_FULL = 1500
"""Characters after which the next segment does, although no sentence is over: of models that write no punctuation."""
_SILENCE_S = 3.0
"""A silence of this length before a segment begins a new paragraph."""


@dataclass(slots=True)
class Paragraph:
    """Consecutive segments of one speaker."""

    start: float
    """When it begins, seconds."""
    end: float
    speaker: str | None
    text: str
    """Without line breaks; not empty."""


def paragraphs(segments: Iterable[Segment]) -> Iterator[Paragraph]:
    """All that was said, in order."""
    current: Paragraph | None = None
    for segment in segments:
        text = " ".join(segment.text.split())
        if not text:
            continue
        speaker = " ".join((segment.speaker or "").split()) or None
        if current is not None and not _begins(current, segment, speaker):
            current.text = f"{current.text} {text}"
            current.end = max(current.end, segment.end)
            continue
        if current is not None:
            yield current
        current = Paragraph(segment.start, segment.end, speaker, text)
    if current is not None:
        yield current


def _begins(current: Paragraph, segment: Segment, speaker: str | None) -> bool:
    """Whether a new paragraph begins with the segment."""
    if speaker != current.speaker or segment.start - current.end >= _SILENCE_S:
        return True
    ended = break_cost(current.text) == 0
    return len(current.text) >= (_FULL if ended else _TOO_FULL)


def clock(time_s: float) -> str:
    """``HH:MM:SS``, the second that has begun; hours take more than two digits where they need them."""
    minutes, seconds = divmod(max(int(time_s), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"
