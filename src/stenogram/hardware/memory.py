"""Main memory and what is free of it, within the limits of a container; and what is free on the GPU."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from stenogram.hardware import cgroup, gpu
from stenogram.types import Device


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory."""

    total_bytes: int
    """What this process may ever use: the machine's, or a control group's limit where that is less."""
    available_bytes: int
    """What it may still take without swapping."""
    limited: bool
    """A control group limits it."""


def read_memory(root: Path = cgroup.ROOT) -> Memory:
    """Main memory of this machine, within the limits of this process's control groups."""
    import psutil

    machine = psutil.virtual_memory()
    limit = cgroup.memory_limit(root)
    if limit is None or limit.limit_bytes >= machine.total:
        return Memory(machine.total, machine.available, limited=False)
    return Memory(limit.limit_bytes, min(machine.available, limit.free_bytes), limited=True)


def free_memory(device: Device) -> int:
    """Bytes that may still be taken on a device, now; cheap enough to ask before each batch.

    ``cuda`` is the GPU that programs take first. Where the driver does not tell (no NVML, as on NVIDIA's Jetson
    boards) the answer is ``sys.maxsize``: nothing is known against a batch, and running out is noticed when it happens.
    """
    if device != "cuda":
        return read_memory().available_bytes
    free_bytes = gpu.free_bytes()
    return sys.maxsize if free_bytes is None else free_bytes


def used_memory(device: Device) -> int:
    """Bytes that this process holds now; on ``cuda``, all that is taken of the GPU (0 where the driver does not tell).

    For differences: before a model is loaded, and after.
    """
    if device != "cuda":
        import psutil

        return int(psutil.Process().memory_info().rss)
    free_bytes = gpu.free_bytes()
    return 0 if free_bytes is None else sys.maxsize - free_bytes


def peak_memory_bytes() -> int:
    """The most main memory that this process ever held (resident), in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # KiB but for macOS: getrusage(2)
