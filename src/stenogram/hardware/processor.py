"""The processor, and the cores of it that this process may use."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stenogram.hardware import cgroup

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT", "KMP_AFFINITY")
"""What sets the thread pools of the libraries that engines compute with (OpenMP, OpenBLAS, MKL)."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor."""

    model: str
    physical_cores: int | None
    """None where the system does not tell."""
    logical_cores: int
    available_cores: int
    """Those this process may use, see ``available_cpus``."""
    quota: float | None
    """Cores' worth of time granted by a control group (containers), if limited."""


def read_cpu(root: Path = cgroup.ROOT) -> Cpu:
    """The processor of this machine; ``root`` is where ``/proc`` and ``/sys`` are."""
    import psutil

    return Cpu(
        model=_model(root),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=os.cpu_count() or 1,
        available_cores=available_cpus(root),
        quota=cgroup.cpu_quota(root),
    )


def available_cpus(root: Path = cgroup.ROOT) -> int:
    """Threads that can really run at once: the cores of the affinity mask, within the control group's quota.

    A quota of one and a half cores counts as two: a thread fewer would leave granted time unused.
    """
    quota = cgroup.cpu_quota(root)
    cores = _affinity()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def thread_limits(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables of the environment that set the size of libraries' thread pools."""
    return {name: environ[name] for name in THREAD_VARIABLES if environ.get(name)}


def _affinity() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    if affinity is not None:
        return len(affinity(0))
    import psutil

    windows = getattr(psutil.Process(), "cpu_affinity", None)
    return len(windows()) if windows is not None else os.cpu_count() or 1


def _model(root: Path) -> str:
    for line in cgroup.lines(root / "proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return _brand() or platform.processor() or platform.machine() or "unknown"


def _brand() -> str | None:
    """The processor's name as macOS gives it."""
    if platform.system() != "Darwin":
        return None
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
