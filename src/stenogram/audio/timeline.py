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
"""A jump longer than this is believed only when ``CONFIRMED_S`` of sound go on from it."""
CONFIRMED_S = 1.0
"""More than one wrong timestamp spoils: MPEG-TS packs a quarter of a second of frames under one."""
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
        self._held: list[AudioFrame] = []
        """Frames since a jump that is not confirmed yet, and where they would begin and end."""
        self._held_start_s = self._held_end_s = 0.0

    def place(self, frame: AudioFrame) -> Iterator[Placed]:
        """Take the next frame; give the frames whose place is now known."""
        time_s = self._time_s(frame)
        if self._held:
            if time_s is None or abs(time_s - self._held_end_s) <= JITTER_S:
                yield from self._hold(frame)
                return
            yield from self._release(leapt=False)
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
            self._held_start_s = self._held_end_s = self._end_s + off_s
            yield from self._hold(frame)
        elif off_s > 0:
            yield self._follow(frame, time_s)
        elif frame.samples > -off_s * frame.sample_rate:
            yield self._follow(frame, None)
        # else: this stretch was already heard (overlapping packets); the frame is dropped so that later times stay true

    def finish(self) -> Iterator[Placed]:
        """Give the frames still held back, if any."""
        yield from self._release(leapt=False)

    def _hold(self, frame: AudioFrame) -> Iterator[Placed]:
        """Keep a frame after a jump back, until the jump is confirmed."""
        self._held.append(frame)
        self._held_end_s += frame.samples / frame.sample_rate
        if len(self._held) > 1 and self._held_end_s - self._held_start_s >= CONFIRMED_S:
            yield from self._release(leapt=True)

    def _release(self, *, leapt: bool) -> Iterator[Placed]:
        """Place the frames held back: where they said, if that can be, else on from the sound so far."""
        frames, self._held = self._held, []
        end_s = self._end_s or 0.0
        start_s = None
        if leapt and end_s < self._held_start_s <= self._furthest_s():
            start_s = self._held_start_s
        elif leapt:
            self.jumps += 1
            self._shift_s += end_s - self._held_start_s
        for frame in frames:
            yield self._follow(frame, start_s)
            start_s = None

    def _furthest_s(self) -> float:
        return self._limit_s if self._limit_s is not None else (self._end_s or 0.0) + LONGEST_GAP_S

    def _time_s(self, frame: AudioFrame) -> float | None:
        return None if frame.pts is None else frame.pts * self._tick_s + self._shift_s

    def _follow(self, frame: AudioFrame, start_s: float | None) -> Placed:
        begin_s = start_s if start_s is not None else (self._end_s or 0.0)
        self._end_s = begin_s + frame.samples / frame.sample_rate
        return Placed(frame, start_s)
