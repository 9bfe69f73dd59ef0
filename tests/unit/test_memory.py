"""How much is decoded at once follows the memory that is free (R21)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stenogram.pipeline.memory import SHARE, Fit, fitting

MB = 2**20


def test_enough_memory_changes_nothing() -> None:
    assert fitting(8192 * MB, 10 * MB, 4, 16) == Fit(4, 16)


def test_batches_shrink_before_workers_wait() -> None:
    assert fitting(160 * MB, 10 * MB, 4, 16) == Fit(4, 2)
    assert fitting(80 * MB, 10 * MB, 4, 16) == Fit(4, 1)
    assert fitting(40 * MB, 10 * MB, 4, 16) == Fit(2, 1)


def test_work_goes_on_with_no_memory_at_all() -> None:
    assert fitting(0, 10 * MB, 4, 16) == Fit(1, 1)


@given(free=st.integers(0, 2**40), chunk=st.integers(0, 2**32), workers=st.integers(1, 64), batch=st.integers(1, 64))
def test_never_more_than_fits_or_was_wished(free: int, chunk: int, workers: int, batch: int) -> None:
    fit = fitting(free, chunk, workers, batch)

    assert 1 <= fit.workers <= workers
    assert 1 <= fit.batch_size <= batch
    assert fit == Fit(1, 1) or fit.workers * fit.batch_size * chunk <= free * SHARE
