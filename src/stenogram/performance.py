"""Helpers for speed, for programs around Stenogram and used by Stenogram itself.

``cache_result`` remembers, ``batch_process`` works through a list as memory allows, ``get_performance_stats`` tells
what the runs of this process cost, ``optimize_memory`` gives back what nobody needs.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from stenogram import hardware
from stenogram.errors import OutOfMemory
from stenogram.events import Stage
from stenogram.metrics import Tally
from stenogram.types import Device

__all__ = [
    "PerformanceStats",
    "batch_process",
    "cache_result",
    "get_performance_stats",
    "optimize_memory",
    "reset_performance_stats",
]

log = logging.getLogger(__name__)

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
Item = TypeVar("Item")

FREE_SHARE = 0.5
"""Of the free memory that one batch may take: other programs, and the rest of this one, need some too."""
GPUS_TTL_S = 2.0
CUDA_TTL_S = 600.0

RUNS = Tally()
"""What the runs of this process cost; ``app`` feeds it."""


# --- results kept ----------------------------------------------------------------------------------------------------


class Cached(Protocol[P, R_co]):
    """A function whose results are kept."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """The result, from memory where it is known."""
        ...

    def cache_clear(self) -> None:
        """Forget all results."""
        ...


class _Lookups:
    """How often results were asked for, and computed, in all functions of ``cache_result`` together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.asked = self.computed = 0

    def count(self, *, asked: int = 0, computed: int = 0) -> None:
        with self._lock:
            self.asked += asked
            self.computed += computed

    def reset(self) -> None:
        with self._lock:
            self.asked = self.computed = 0


_LOOKUPS = _Lookups()


def cache_result(
    max_size: int = 128, ttl: float | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Decorator: keep the ``max_size`` results used last, each for ``ttl`` seconds of ``clock`` (None: without end).

    Arguments must be hashable. Threads that ask for the same result at once wait for one computation. What raises is
    not kept: the next caller tries again. ``function.cache_clear()`` forgets everything.

    >>> @cache_result(max_size=10, ttl=60)
    ... def square(number: int) -> int:
    ...     print("computing")
    ...     return number * number
    >>> square(3), square(3)
    computing
    (9, 9)
    """

    def decorate(function: Callable[P, R]) -> Cached[P, R]:
        import cachetools

        @functools.wraps(function)
        def compute(*args: P.args, **kwargs: P.kwargs) -> R:
            _LOOKUPS.count(computed=1)
            return function(*args, **kwargs)

        store: Any = cachetools.LRUCache(max_size) if ttl is None else cachetools.TTLCache(max_size, ttl, clock)
        kept: Any = cachetools.cached(store, condition=threading.Condition())(compute)

        @functools.wraps(function)
        def ask(*args: P.args, **kwargs: P.kwargs) -> R:
            _LOOKUPS.count(asked=1)
            return cast(R, kept(*args, **kwargs))

        ask.cache_clear = kept.cache_clear  # type: ignore[attr-defined]
        return cast(Cached[P, R], ask)

    return decorate


@cache_result(max_size=1, ttl=CUDA_TTL_S)
def cuda() -> hardware.Cuda:
    """Whether CUDA can really be used (``hardware.try_cuda``): tried at most once in ten minutes."""
    return hardware.try_cuda()


@cache_result(max_size=1, ttl=GPUS_TTL_S)
def gpus() -> hardware.Gpus:
    """The GPUs as NVML tells them, two seconds old at most."""
    return hardware.read_gpus()


# --- batches ---------------------------------------------------------------------------------------------------------


def batch_process(
    items: Sequence[Item],
    batch_size: int,
    process_fn: Callable[[list[Item]], Sequence[R]],
    use_gpu: bool = False,
    *,
    item_bytes: int = 0,
    free_memory: Callable[[Device], int] = hardware.free_memory,
) -> list[R]:
    """Hand ``items`` to ``process_fn`` in batches and give all results, in the order of the items.

    Batches hold ``batch_size`` items at most, and fewer where free memory (of the GPU with ``use_gpu``) asks for it:
    half of it for items of ``item_bytes`` each, or, where that is not known (0), in proportion to what was free at the
    start. When ``process_fn`` raises ``OutOfMemory`` (or ``MemoryError``) the batch is tried again in halves, and no
    later batch is larger; with a single item the error is raised. ``free_memory`` tells the free bytes of a device.

    Raises ``ValueError`` for a ``batch_size`` below 1, and where ``process_fn`` does not give one result for each item.

    >>> batch_process([1, 2, 3, 4, 5], 2, lambda batch: [10 * item for item in batch])
    [10, 20, 30, 40, 50]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    device: Device = "cuda" if use_gpu else "cpu"
    most, results = batch_size, list[R]()
    at_first_bytes = free_memory(device)
    while len(results) < len(items):
        fitting = _fitting(free_memory(device), at_first_bytes, item_bytes, batch_size)
        batch = list(items[len(results) : len(results) + min(most, fitting)])
        try:
            done = process_fn(batch)
        except (OutOfMemory, MemoryError) as error:
            if len(batch) == 1:
                raise
            most = len(batch) // 2
            log.warning("memory ran out with %d items at once, going on with %d: %s", len(batch), most, error)
        else:
            if len(done) != len(batch):
                raise ValueError(f"process_fn gave {len(done)} results for {len(batch)} items")
            results.extend(done)
            continue
        optimize_memory()  # here and not above: the error holds on to what the batch was made of
    return results


def _fitting(free_bytes: int, at_first_bytes: int, item_bytes: int, batch_size: int) -> int:
    """Items that may be processed at once: from 1 to ``batch_size``."""
    if item_bytes > 0:
        fitting = int(free_bytes * FREE_SHARE) // item_bytes
    elif at_first_bytes > 0:
        fitting = batch_size * free_bytes // at_first_bytes
    else:
        fitting = 1
    return max(1, min(batch_size, fitting))


# --- figures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PerformanceStats:
    """What the runs of this process cost since its start, or since ``reset_performance_stats``."""

    runs: int
    failed: int
    """Of ``runs``: ended by an error, or stopped."""
    audio_s: float
    """Sound that went through, seconds."""
    wall_s: float
    """Time that the runs took, seconds; runs side by side count each."""
    rtfx: float | None
    """Seconds of sound for each second of the runs; None before the first."""
    cached_share: float
    """Share of the sound that was known from earlier runs, 0..1."""
    first_segment_s: float | None
    """Until the first segment was final, seconds, mean over the runs that had one."""
    stage_s: Mapping[Stage, float]
    """Work in each stage, seconds summed over threads."""
    cache_hits: int
    """Answers of ``cache_result`` that were known."""
    cache_misses: int
    """Answers of ``cache_result`` that had to be computed."""
    memory_bytes: int
    """Main memory that this process holds now (resident)."""
    memory_peak_bytes: int
    """The most it ever held; a reset does not change it."""
    gpu_used_bytes: int | None
    """Memory in use on all GPUs, by all programs; None without a GPU."""


def get_performance_stats() -> PerformanceStats:
    """What the runs of this process cost so far; the work of other processes (the decoder's) is in ``stage_s``."""
    import psutil

    counts, found = RUNS.counts(), gpus().gpus
    memory_bytes = psutil.Process().memory_info().rss
    return PerformanceStats(
        runs=counts.runs,
        failed=counts.failed,
        audio_s=counts.audio_s,
        wall_s=counts.wall_s,
        rtfx=counts.rtfx,
        cached_share=counts.cached_share,
        first_segment_s=counts.first_segment_s,
        stage_s=counts.stage_s,
        cache_hits=max(_LOOKUPS.asked - _LOOKUPS.computed, 0),
        cache_misses=_LOOKUPS.computed,
        memory_bytes=memory_bytes,
        memory_peak_bytes=max(memory_bytes, hardware.peak_memory_bytes()),
        gpu_used_bytes=sum(gpu.used_bytes for gpu in found) if found else None,
    )


def told(stats: PerformanceStats) -> list[str]:
    """Figures in words, line by line."""
    sound = f"{stats.audio_s:.1f} s of sound in {stats.wall_s:.1f} s, {stats.cached_share:.0%} from the cache"
    speed = f", {stats.rtfx:.1f}x real time" if stats.rtfx is not None and stats.cached_share < 1 else ""
    lines = [f"runs: {stats.runs} ({stats.failed} failed), {sound}{speed}"]
    if stats.first_segment_s is not None:
        lines.append(f"first text after {stats.first_segment_s:.2f} s")
    if stats.stage_s:
        lines.append("work: " + ", ".join(f"{stage} {busy_s:.2f} s" for stage, busy_s in stats.stage_s.items()))
    lines.append(f"memory: {stats.memory_bytes / 2**20:.0f} MiB, {stats.memory_peak_bytes / 2**20:.0f} MiB at most")
    if stats.gpu_used_bytes is not None:
        lines.append(f"GPU memory in use, by all programs: {stats.gpu_used_bytes / 2**20:.0f} MiB")
    return lines


def log_regularly(every_s: float, stop: threading.Event) -> None:
    """Log the figures every so many seconds until ``stop``, while runs are added; for a thread of its own."""
    logged = -1
    while not stop.wait(every_s):
        stats = get_performance_stats()
        if stats.runs != logged:
            log.info("performance: %s", "; ".join(told(stats)))
        logged = stats.runs


def reset_performance_stats() -> None:
    """Begin all counts again at zero."""
    RUNS.reset()
    _LOOKUPS.reset()


# --- memory ----------------------------------------------------------------------------------------------------------


def optimize_memory() -> int:
    """Give memory that nobody uses any more back to the system; tells how many bytes of main memory that were.

    Collects garbage, empties PyTorch's store of GPU memory where PyTorch is in use, and has glibc return its free
    pages. Takes up to a tenth of a second: for the moments after a model was unloaded.
    """
    import psutil

    process = psutil.Process()
    before_bytes = process.memory_info().rss
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)
    return max(before_bytes - process.memory_info().rss, 0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's; other C libraries have none."""
    if sys.platform == "win32":
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return cast("Callable[[int], int] | None", trim)
