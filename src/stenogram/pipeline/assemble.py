"""Puts segments back into the order of the recording, joins what was cut inside speech, and numbers the result.

Batches finish out of order and channels run side by side. A segment is released once nothing that starts earlier can
still come: on its own channel (chunks before it are done) and on every other (their frontier has passed it).
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stenogram.pipeline.join import join
from stenogram.types import Chunk, Segment


@dataclass(slots=True)
class _Channel:
    waiting: deque[Chunk] = field(default_factory=deque)
    done: dict[int, list[Segment]] = field(default_factory=dict)
    bound: float = 0.0
    """No chunk that is still to come starts before this time."""

    @property
    def frontier(self) -> float:
        return min(self.waiting[0].start if self.waiting else math.inf, self.bound)

    def advance(self) -> list[Segment]:
        """Segments of the leading chunks that are done, joined where chunks overlap."""
        released: list[Segment] = []
        while self.waiting and self.waiting[0].index in self.done:
            chunk = self.waiting[0]
            following = self.waiting[1] if len(self.waiting) > 1 else None
            if following is None and self.bound < chunk.end:
                break  # the next chunk may repeat the end of this one
            segments = self.done[chunk.index]
            if following is not None and following.overlap > 0:
                if following.index not in self.done:
                    break
                start, end = following.start, following.start + following.overlap
                segments, self.done[following.index] = join(segments, self.done[following.index], start, end)
            del self.done[chunk.index]
            self.waiting.popleft()
            released += segments
        return released


class Assembler:
    """Takes chunks and their segments in any order; gives segments in order, numbered from 0."""

    def __init__(self) -> None:
        self._channels: dict[int | None, _Channel] = {}
        self._ready: list[tuple[float, float, int, Segment]] = []
        self._seen = 0
        self._released = 0

    def expect(self, chunks: Sequence[Chunk], bounds: Mapping[int | None, float]) -> None:
        """Announce chunks in order; ``bounds``: channel -> no later chunk of it starts before this time."""
        for channel, bound in bounds.items():
            self._channels.setdefault(channel, _Channel()).bound = bound
        for chunk in chunks:
            self._channels[chunk.channel].waiting.append(chunk)

    def finish(self, chunk: Chunk, segments: Sequence[Segment]) -> None:
        """Hand in the segments of a chunk, times on the clock of the recording."""
        self._channels[chunk.channel].done[chunk.index] = list(segments)

    @property
    def unfinished(self) -> bool:
        """Whether chunks are still expected."""
        return any(channel.waiting for channel in self._channels.values())

    @property
    def done_s(self) -> float:
        """The recording is final up to here, in seconds; infinite when all is done and no more comes."""
        return min((channel.frontier for channel in self._channels.values()), default=0.0)

    def release(self) -> list[Segment]:
        """Every segment that is final now, in order."""
        for channel in self._channels.values():
            for segment in channel.advance():
                heapq.heappush(self._ready, (segment.start, segment.end, self._seen, segment))
                self._seen += 1
        released = []
        while self._ready and (self._ready[0][0] < self.done_s or math.isinf(self.done_s)):
            segment = heapq.heappop(self._ready)[-1]
            released.append(replace(segment, id=self._released))
            self._released += 1
        return released
