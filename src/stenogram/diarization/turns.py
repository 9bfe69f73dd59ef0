"""What is made of turns, whoever found them: small gaps closed, specks dropped, speakers numbered as they appear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from stenogram.types import SpeakerTurn, nameless

PAUSE_S = 0.3
"""A speaker who pauses for less goes on with the same turn."""
SPECK_S = 0.25
"""A turn that is shorter, once pauses are closed, is dropped: nobody says a word in less."""


def smooth(turns: Iterable[SpeakerTurn]) -> list[SpeakerTurn]:
    """Turns in order of time, with speakers as they were.

    Turns of one speaker that overlap or are less than ``PAUSE_S`` apart become one; what is then shorter than
    ``SPECK_S`` is dropped, unless the speaker has no other turn.
    """
    by_speaker: dict[str, list[SpeakerTurn]] = defaultdict(list)
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
        known = by_speaker[turn.speaker]
        if known and turn.start - known[-1].end < PAUSE_S:
            known[-1] = SpeakerTurn(known[-1].start, max(known[-1].end, turn.end), turn.speaker)
        else:
            known.append(turn)
    found: list[SpeakerTurn] = []
    for known in by_speaker.values():
        lasting = [turn for turn in known if turn.end - turn.start >= SPECK_S]
        found += lasting or [max(known, key=lambda turn: turn.end - turn.start)]
    return sorted(found, key=lambda turn: (turn.start, turn.end, turn.speaker))


def numbered(turns: Iterable[SpeakerTurn]) -> tuple[SpeakerTurn, ...]:
    """The turns with speakers ``SPEAKER_00``, ``SPEAKER_01`` ... in order of appearance; times to the millisecond."""
    labels: dict[str, str] = {}
    return tuple(
        SpeakerTurn(round(turn.start, 3), round(turn.end, 3), labels.setdefault(turn.speaker, nameless(len(labels))))
        for turn in turns
    )
