"""Batches hold chunks of like length, lose none, and do not keep workers waiting."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stenogram.pipeline.batch import Batcher
from stenogram.types import Chunk


def chunk(index: int, length: int = 100) -> Chunk:
    """A chunk of so many samples."""
    return Chunk(index, float(index), np.zeros(length, np.float32), 1.0)


@given(st.lists(st.integers(1, 4), max_size=60), st.integers(1, 5), st.integers(1, 3))
def test_every_chunk_comes_out_once_and_the_oldest_first(lengths: list[int], size: int, workers: int) -> None:
    batcher = Batcher(size, workers)
    batches: list[list[Chunk]] = []
    waiting: set[int] = set()

    def take(*, more: bool) -> bool:
        if batch := batcher.take(idle=1, most=99, more=more):
            assert min(waiting) in {c.index for c in batch}
            waiting.difference_update(c.index for c in batch)
            batches.append(batch)
        return bool(batch)

    for index, length in enumerate(lengths):
        batcher.add(chunk(index, length))
        waiting.add(index)
        take(more=True)
    while take(more=False):
        pass

    assert sorted(c.index for batch in batches for c in batch) == list(range(len(lengths)))
    assert all(len(batch) <= size for batch in batches)
    assert len(batcher) == 0


def warm(batch_size: int, parallelism: int) -> Batcher:
    """One whose first, small batches are behind it."""
    batcher = Batcher(batch_size, parallelism)
    for _ in range(batch_size):
        batcher.add(chunk(0))
        assert batcher.take(idle=parallelism, most=99, more=True)
    return batcher


def test_chunks_of_like_length_share_a_batch() -> None:
    batcher = warm(3, 1)
    for index, length in enumerate([100, 900, 110, 800, 105, 700]):
        batcher.add(chunk(index, length))

    assert [c.index for c in batcher.take(idle=1, most=99, more=True)] == [0, 2, 4]
    assert [c.index for c in batcher.take(idle=1, most=99, more=True)] == [1, 3, 5]


def test_the_first_batches_are_small_so_that_the_first_text_is_soon_there() -> None:
    batcher = Batcher(8, 1)
    for index in range(20):
        batcher.add(chunk(index))

    assert [len(batcher.take(idle=1, most=99, more=True)) for _ in range(5)] == [1, 2, 4, 8, 5]


def test_the_first_chunk_goes_at_once_when_all_workers_are_idle() -> None:
    batcher = Batcher(8, 2)
    batcher.add(chunk(0))

    assert [c.index for c in batcher.take(idle=2, most=99, more=True)] == [0]


def test_a_lone_chunk_waits_for_company_while_others_work() -> None:
    batcher = Batcher(8, 2)
    batcher.add(chunk(0))

    assert batcher.take(idle=1, most=99, more=True) == []


def test_a_full_batch_goes_at_once() -> None:
    batcher = warm(2, 2)
    for index in range(3):
        batcher.add(chunk(index))

    assert [c.index for c in batcher.take(idle=1, most=99, more=True)] == [0, 1]


def test_nothing_is_given_when_no_worker_is_idle() -> None:
    batcher = Batcher(1, 2)
    batcher.add(chunk(0))

    assert batcher.take(idle=0, most=99, more=False) == []


def test_the_rest_is_shared_between_the_workers() -> None:
    batcher = Batcher(8, 2)
    for index in range(6):
        batcher.add(chunk(index))

    assert len(batcher.take(idle=2, most=99, more=False)) == 3


def test_it_is_full_before_memory_is() -> None:
    batcher = Batcher(2, 2)
    for index in range(16):
        assert not batcher.full
        batcher.add(chunk(index, index))

    assert batcher.full
    assert not batcher.take(idle=0, most=99, more=True)
