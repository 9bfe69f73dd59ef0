"""The helpers for speed: kept results, batches as memory allows, figures, memory given back."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stenogram
from stenogram import hardware, performance
from stenogram.app.transcribe import Request, transcribe
from stenogram.errors import OutOfMemory
from stenogram.metrics import Counts
from stenogram.performance import (
    batch_process,
    cache_result,
    get_performance_stats,
    optimize_memory,
    reset_performance_stats,
)
from stenogram.testing import make_app
from stenogram.types import Device

MB = 2**20


@pytest.fixture(autouse=True)
def _at_zero() -> Iterator[None]:
    reset_performance_stats()
    yield
    reset_performance_stats()


def plenty(_device: Device) -> int:
    """Memory without end."""
    return 2**50


# --- cache_result ---


def test_a_result_is_computed_once_for_each_argument() -> None:
    calls: list[int] = []

    @cache_result(max_size=8)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    assert [double(3), double(3), double(4)] == [6, 6, 8]
    assert calls == [3, 4]
    assert double.__name__ == "double"  # type: ignore[attr-defined]


def test_the_least_recently_used_result_goes_first() -> None:
    calls: list[int] = []

    @cache_result(max_size=2)
    def same(number: int) -> int:
        calls.append(number)
        return number

    for number in (1, 2, 1, 3, 1, 2):
        same(number)

    assert calls == [1, 2, 3, 2]


def test_a_result_ends_after_its_time() -> None:
    now_s = 0.0
    numbers = itertools.count()

    @cache_result(max_size=1, ttl=5, clock=lambda: now_s)
    def take() -> int:
        return next(numbers)

    assert [take(), take()] == [0, 0]
    now_s = 4.9
    assert take() == 0
    now_s = 5.1
    assert take() == 1


def test_clearing_forgets_everything() -> None:
    numbers = itertools.count()

    @cache_result()
    def take() -> int:
        return next(numbers)

    assert [take(), take()] == [0, 0]
    take.cache_clear()
    assert take() == 1


def test_threads_that_ask_at_once_wait_for_one_computation() -> None:
    started, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    @cache_result(max_size=4)
    def slow(number: int) -> int:
        calls.append(number)
        started.set()
        assert go_on.wait(10)
        return number

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(slow, 7)
        assert started.wait(10)
        others = [pool.submit(slow, 7) for _ in range(7)]
        go_on.set()
        results = [task.result(10) for task in (first, *others)]

    assert results == [7] * 8
    assert calls == [7]


def test_what_raises_is_not_kept() -> None:
    tries = itertools.count()

    @cache_result()
    def risky() -> int:
        if next(tries) == 0:
            raise ValueError("once")
        return 5

    with pytest.raises(ValueError, match="once"):
        risky()
    assert [risky(), risky()] == [5, 5]


def test_hits_and_misses_are_counted() -> None:
    @cache_result()
    def same(number: int) -> int:
        return number

    for number in (1, 1, 1, 2):
        same(number)
    performance.gpus.cache_clear()
    stats = get_performance_stats()  # asks for the GPUs: one more that is not known

    assert (stats.cache_hits, stats.cache_misses) == (2, 3)


def test_the_probes_of_the_machine_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def try_cuda() -> hardware.Cuda:
        asked.append("cuda")
        return hardware.Cuda(fault="none")

    monkeypatch.setattr(hardware, "try_cuda", try_cuda)
    performance.cuda.cache_clear()
    answers = [performance.cuda() for _ in range(3)]
    performance.cuda.cache_clear()

    assert asked == ["cuda"]
    assert {answer.fault for answer in answers} == {"none"}


# --- batch_process ---


@given(st.lists(st.integers(), max_size=40), st.integers(1, 50), st.integers(1, 50))
def test_every_item_has_its_result_in_order_however_little_fits(items: list[int], batch_size: int, fits: int) -> None:
    def process(batch: list[int]) -> list[int]:
        if len(batch) > fits:
            raise OutOfMemory(engine="test", device="cpu", cause="too many")
        return [-item for item in batch]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(performance, "optimize_memory", lambda: 0)
        results = batch_process(items, batch_size, process, free_memory=plenty)

    assert results == [-item for item in items]


def test_the_batch_size_halves_when_memory_runs_out_and_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[int] = []
    monkeypatch.setattr(performance, "optimize_memory", lambda: freed.append(1))
    sizes: list[int] = []

    def process(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise MemoryError
        return batch

    assert batch_process(range(8), 8, process, free_memory=plenty) == list(range(8))
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert len(freed) == 2


def test_a_single_item_that_does_not_fit_is_an_error() -> None:
    def process(batch: list[int]) -> list[int]:
        raise OutOfMemory(engine="test", device="cpu", cause=f"{len(batch)} at once")

    with pytest.raises(OutOfMemory, match="1 at once"):
        batch_process([1, 2], 2, process, free_memory=plenty)


def test_batches_follow_the_free_memory_while_they_run() -> None:
    """Memory drops in mid-run and comes back: half of it may be taken, at 10 MB an item."""
    free = iter([0, 160 * MB, 40 * MB, 1 * MB, 160 * MB, 160 * MB])
    sizes: list[int] = []

    def process(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        return batch

    assert batch_process(range(20), 8, process, item_bytes=10 * MB, free_memory=lambda _: next(free)) == list(range(20))
    assert sizes == [8, 2, 1, 8, 1]


def test_without_a_known_size_batches_follow_in_proportion() -> None:
    free = iter([100 * MB, 100 * MB, 50 * MB, 0])
    sizes: list[int] = []

    def process(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        return batch

    batch_process(range(13), 8, process, free_memory=lambda _: next(free))
    assert sizes == [8, 4, 1]


@pytest.mark.parametrize(("use_gpu", "device"), [(False, "cpu"), (True, "cuda")])
def test_the_flag_chooses_whose_memory_is_looked_at(use_gpu: bool, device: str) -> None:
    asked: set[str] = set()

    def gauge(asked_for: Device) -> int:
        asked.add(asked_for)
        return MB

    batch_process([1, 2], 1, lambda batch: batch, use_gpu, free_memory=gauge)
    assert asked == {device}


def test_the_real_gauge_is_the_default() -> None:
    assert batch_process("abc", 2, lambda batch: [letter.upper() for letter in batch]) == ["A", "B", "C"]


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        batch_process([1], 0, lambda batch: batch)
    with pytest.raises(ValueError, match="1 results for 2 items"):
        batch_process([1, 2], 2, lambda batch: batch[:1], free_memory=plenty)


# --- figures ---


def test_the_runs_of_the_product_are_counted(beckett: Path) -> None:
    with make_app() as app:
        transcribe(app, Request(beckett))
        first = get_performance_stats()
        transcribe(app, Request(beckett))
        second = get_performance_stats()

    assert (first.runs, first.failed, first.cached_share) == (1, 0, 0.0)
    assert first.audio_s == pytest.approx(9.96, abs=0.05)
    assert {"decode", "vad", "transcribe"} <= set(first.stage_s)
    assert first.first_segment_s is not None
    assert first.rtfx is not None
    assert second.runs == 2
    assert second.cached_share == pytest.approx(0.5, abs=0.01)


def test_memory_is_told_and_a_reset_begins_at_zero() -> None:
    with performance.RUNS.run():
        pass
    assert get_performance_stats().runs == 1
    reset_performance_stats()
    stats = get_performance_stats()

    assert (stats.runs, stats.audio_s, stats.rtfx, stats.stage_s) == (0, 0.0, None, {})
    assert 0 < stats.memory_bytes <= stats.memory_peak_bytes


# --- memory ---


def test_garbage_in_cycles_is_collected() -> None:
    class Node:
        itself: Node

    node = Node()
    node.itself = node
    gone = weakref.ref(node)
    gc.disable()
    try:
        del node
        assert gone() is not None
        freed_bytes = optimize_memory()
    finally:
        gc.enable()

    assert gone() is None
    assert freed_bytes >= 0


@pytest.mark.parametrize("in_use", [True, False])
def test_pytorch_is_asked_only_where_it_holds_gpu_memory(monkeypatch: pytest.MonkeyPatch, in_use: bool) -> None:
    emptied: list[int] = []
    cuda = SimpleNamespace(is_initialized=lambda: in_use, empty_cache=lambda: emptied.append(1))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    optimize_memory()

    assert len(emptied) == in_use


def test_pytorch_is_never_imported_for_it() -> None:
    if "torch" not in sys.modules:
        optimize_memory()
        assert "torch" not in sys.modules


def test_the_module_is_offered_by_the_package() -> None:
    assert stenogram.performance.cache_result is cache_result
    assert all(hasattr(stenogram.performance, name) for name in stenogram.performance.__all__)


def test_figures_are_logged_regularly_while_runs_are_added(caplog: pytest.LogCaptureFixture) -> None:
    """The monitor of the preset for development; it is silent while nothing happens."""
    waits = iter([False, False, False, True])

    class Stop:
        def wait(self, every_s: float) -> bool:
            assert every_s == 60.0
            over = next(waits)
            if len(caplog.records) == 1 and not over and not performance.RUNS.counts().runs:
                performance.RUNS.add(Counts(runs=1, audio_s=30.0, wall_s=2.0))
            return over

    with caplog.at_level("INFO", "stenogram"):
        performance.log_regularly(60.0, cast("threading.Event", Stop()))

    assert len(caplog.records) == 2
    assert "1 (0 failed), 30.0 s of sound in 2.0 s, 0% from the cache, 15.0x real time" in caplog.messages[1]
