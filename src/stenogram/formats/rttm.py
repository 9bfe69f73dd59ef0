"""Who spoke when as RTTM (Rich Transcription Time Marked), as NIST and pyannote write it; no text."""

from __future__ import annotations

from collections.abc import Sequence

from stenogram.formats.recording import RECORDING
from stenogram.types import Segment, SpeakerTurn, Transcript


def rttm(transcript: Transcript, recording: str = RECORDING) -> str:
    """A line for each turn, in order of time: ``SPEAKER recording 1 start duration <NA> <NA> speaker <NA> <NA>``.

    Turns that overlap stay so. Without turns those segments are written that have speakers; without any the result is
    empty. Fields are parted by spaces, so white space in names becomes ``_``. Times are seconds to the millisecond;
    what would last none is left out.
    """
    spoken = sorted(transcript.turns or _turns(transcript.segments), key=lambda turn: (turn.start, turn.end))
    lines = []
    for turn in spoken:
        start_ms = max(round(turn.start * 1000), 0)
        length_ms = round(turn.end * 1000) - start_ms
        if length_ms > 0:
            times = f"{start_ms / 1000:.3f} {length_ms / 1000:.3f}"
            lines.append(f"SPEAKER {_field(recording)} 1 {times} <NA> <NA> {_field(turn.speaker)} <NA> <NA>\n")
    return "".join(lines)


def _turns(segments: Sequence[Segment]) -> list[SpeakerTurn]:
    return [SpeakerTurn(segment.start, segment.end, segment.speaker) for segment in segments if segment.speaker]


def _field(name: str) -> str:
    return "_".join(name.split()) or "_"
