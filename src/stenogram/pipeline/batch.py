"""Fills batches with chunks of like length, and keeps every worker busy.

Chunks of like length waste least of a batch, so the order of decoding is not the order of the recording;
``assemble.Assembler`` restores it. The oldest chunk is in every batch, so none waits for long.
"""

from __future__ import annotations

from collections.abc import Sequence

from stenogram.types import Chunk


class Batcher:
    """Chunks waiting for a worker. Not thread-safe: it belongs to the driving thread."""

    def __init__(self, batch_size: int = 8, parallelism: int = 1) -> None:
        self.batch_size = batch_size
        self.parallelism = parallelism
        self._waiting: list[Chunk] = []
        self._first = 1

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the front end should wait: there is company for every length, and memory stays small."""
        return len(self._waiting) >= 4 * self.batch_size * self.parallelism

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk; chunks come in the order of the recording."""
        self._waiting.append(chunk)

    def put_back(self, chunks: Sequence[Chunk]) -> None:
        """Take in chunks again that could not be decoded; they come first."""
        self._waiting = [*chunks, *self._waiting]

    def take(self, *, idle: int, most: int, more: bool) -> list[Chunk]:
        """The next batch, or nothing when waiting for more chunks is better.

        ``idle``: workers without work. ``most``: chunks that fit into memory now. ``more``: the front end will bring
        more chunks. While others work, a worker waits until a batch can be filled; when all are idle, the first words
        of a recording go at once. The first batches are small (1, 2, 4 ...), so that the first text is soon there. The
        rest of a recording is shared out among the workers.
        """
        count = len(self._waiting)
        if not count or not idle:
            return []
        if more and count < min(self.batch_size, most) and idle < self.parallelism:
            return []
        size = min(self.batch_size, most, self._first if more else -(-count // self.parallelism))
        self._first = min(2 * self._first, self.batch_size)
        length = len(self._waiting[0].samples)
        likest = sorted(range(count), key=lambda place: (abs(len(self._waiting[place].samples) - length), place))
        chosen = set(likest[:size])
        batch = [chunk for place, chunk in enumerate(self._waiting) if place in chosen]
        self._waiting = [chunk for place, chunk in enumerate(self._waiting) if place not in chosen]
        return batch
