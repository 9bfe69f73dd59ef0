"""Where in the recording a decoded frame belongs: fills gaps, and does not trust a timestamp gone wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

JITTER_S = 0.1
"""Timestamps this far off are rounding or jitter, not gaps (FFmpeg's own ``min_hard_comp``)."""
PRIMING_S = 0.03
"""A track that begins this little after the container's start begins at 0: encoder delay, not silence."""
LEAP_S = 1.0
"""A jump longer than this is believed only when the next frame goes on from it."""
LONGEST_GAP_S = 3600.0
"""The longest silence filled in where the container does not declare how long it is."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame, and the time in the recording where it begins if it does not follow on from the one before."""

    frame: AudioFrame
    start_s: float | None


class Timeline:
    """Turns frames with timestamps into frames with places. Times are seconds from what a player shows as 0:00."""

    def __init__(self, tick_s: float, zero_s: float, total_s: float | None) -> None:
        """``tick_s``: unit of timestamps. ``zero_s``: the container's time at 0:00. ``total_s``: declared length."""
        self.jumps = 0
        """How often the timestamps jumped to where they cannot be; sound follows on there without a gap."""
        self._tick_s = tick_s
        self._shift_s = -zero_s
        self._end_s: float | None = None
        """Where the sound so far ends; None before the first frame."""
        self._limit_s = None if total_s is None else total_s + 10.0
        self._held: AudioFrame | None = None

    def place(self, frame: AudioFrame) -> Iterator[Placed]:
        """Take the next frame; give the frames whose place is now known."""
        if self._held is not None:
            held, self._held = self._held, None
            yield self._leap(held, frame)
        time_s = self._time_s(frame)
        if self._end_s is None:
            start_s = 0.0 if time_s is None or not PRIMING_S <= time_s <= self._furthest_s() else time_s
            if time_s is not None and time_s != start_s:
                self._shift_s += start_s - time_s
            yield self._follow(frame, start_s)
            return
        off_s = 0.0 if time_s is None else time_s - self._end_s
        if abs(off_s) <= JITTER_S:
            yield self._follow(frame, None)
        elif abs(off_s) > LEAP_S:
            self._held = frame
        elif off_s > 0:
            yield self._follow(frame, time_s)
        elif frame.samples > -off_s * frame.sample_rate:
            yield self._follow(frame, None)
        # else: this stretch was already heard (overlapping packets); the frame is dropped so that later times stay true

    def finish(self) -> Iterator[Placed]:
        """Give the frame still held back, if any."""
        if self._held is not None:
            held, self._held = self._held, None
            yield self._follow(held, None)

    def _leap(self, held: AudioFrame, following: AudioFrame) -> Placed:
        """Place a frame that jumped, knowing the one after it."""
        end_s = self._end_s or 0.0
        time_s, next_s = self._time_s(held), self._time_s(following)
        expected_s = None if time_s is None else time_s + held.samples / held.sample_rate
        if time_s is None or next_s is None or expected_s is None or abs(next_s - expected_s) > JITTER_S:
            return self._follow(held, None)
        if end_s < time_s <= self._furthest_s():
            return self._follow(held, time_s)
        self.jumps += 1
        self._shift_s += end_s - time_s
        return self._follow(held, None)

    def _furthest_s(self) -> float:
        return self._limit_s if self._limit_s is not None else (self._end_s or 0.0) + LONGEST_GAP_S

    def _time_s(self, frame: AudioFrame) -> float | None:
        return None if frame.pts is None else frame.pts * self._tick_s + self._shift_s

    def _follow(self, frame: AudioFrame, start_s: float | None) -> Placed:
        begin_s = start_s if start_s is not None else (self._end_s or 0.0)
        self._end_s = begin_s + frame.samples / frame.sample_rate
        return Placed(frame, start_s)
