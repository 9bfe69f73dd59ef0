"""How much may be decoded at once in the memory that is free now (R21)."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.5
"""Of the free memory that batches may take: other programs, and the rest of this one, need some too."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What fits: so many workers at once with so many chunks each. At least one with one."""

    workers: int
    batch_size: int


def fitting(free_bytes: int, chunk_bytes: int, workers: int, batch_size: int) -> Fit:
    """Shrink ``workers`` batches of ``batch_size`` chunks, of ``chunk_bytes`` each, to what is free.

    Batches shrink first, as they cost least speed; then workers wait.
    """
    if chunk_bytes <= 0:
        return Fit(workers, batch_size)
    chunks = max(1, int(free_bytes * SHARE) // chunk_bytes)
    busy = min(workers, chunks)
    return Fit(busy, min(batch_size, chunks // busy))
