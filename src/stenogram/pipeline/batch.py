"""Fills batches with chunks of equal length, and keeps every worker busy.

Chunks of one length share the engine's work, so the order of decoding is not the order of the recording. A chunk
waits for company only while enough others are at hand; ``run.Assembler`` restores the order.
"""

from __future__ import annotations

from collections import defaultdict

from stenogram.types import Chunk


class Batcher:
    """Chunks waiting for a worker, by length. Not thread-safe: it belongs to the driving thread."""

    def __init__(self, batch_size: int = 8, parallelism: int = 1) -> None:
        self.batch_size = batch_size
        self.parallelism = parallelism
        self._by_length: dict[int, list[Chunk]] = defaultdict(list)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether the front end should wait: there is company for most lengths, and memory stays small."""
        return self._count >= 4 * self.batch_size * self.parallelism

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk."""
        self._by_length[len(chunk.samples)].append(chunk)
        self._count += 1

    def take(self, *, idle: int, more: bool) -> list[Chunk]:
        """The next batch, or nothing when waiting for more chunks is better.

        ``idle``: workers without work. ``more``: the front end will bring more chunks. A full batch goes at once; so
        does the oldest chunk with its company when nothing more comes, when the store is full, or when all workers
        are idle (the first words of a recording should not wait).
        """
        if not self._count or not idle:
            return []
        oldest = min(self._by_length.values(), key=lambda chunks: chunks[0].index)
        if len(oldest) >= self.batch_size:
            return self._pop(oldest, self.batch_size)
        if not more:
            return self._pop(oldest, min(self.batch_size, -(-self._count // self.parallelism)))
        if self.full or idle == self.parallelism:
            return self._pop(oldest, self.batch_size)
        fullest = max(self._by_length.values(), key=len)
        return self._pop(fullest, self.batch_size) if len(fullest) >= self.batch_size else []

    def _pop(self, chunks: list[Chunk], count: int) -> list[Chunk]:
        batch = chunks[:count]
        del chunks[:count]
        if not chunks:
            del self._by_length[len(batch[0].samples)]
        self._count -= len(batch)
        return batch
