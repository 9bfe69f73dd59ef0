"""What a GPU does while a job runs: sampled twice a second, told in the words of the service's clients (R6)."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from stenogram.hardware.gpu import Gpu, read_gpus

_EVERY_S = 0.5
_MIB = 2**20


def gpu_now(index: int, nvml: Any = None) -> dict[str, Any] | None:
    """A GPU at this moment, for the dashboard; None where the driver does not tell."""
    gpu = _find(index, nvml)
    if gpu is None:
        return None
    return {
        "index": gpu.index,
        "name": gpu.name,
        "util_percent": _percent(gpu.utilisation),
        "vram_used_mb": round(gpu.used_bytes / _MIB),
        "vram_total_mb": round(gpu.total_bytes / _MIB),
        "vram_percent": _percent(gpu.used_bytes / gpu.total_bytes),
    }


class GpuSampler:
    """Samples one GPU inside its ``with`` block."""

    def __init__(self, index: int, nvml: Any = None) -> None:
        self._index = index
        self._nvml = nvml
        self._samples: list[Gpu] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stenogram-gpu", daemon=True)

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def figures(self) -> dict[str, Any] | None:
        """Mean and peak of the use and of the memory (MiB, percent); None where the driver did not tell."""
        samples = self._samples
        if not samples:
            return None
        total_bytes = samples[0].total_bytes
        used = [gpu.used_bytes for gpu in samples]
        utilised = [gpu.utilisation or 0.0 for gpu in samples]
        return {
            "index": self._index,
            "util_avg_percent": _percent(sum(utilised) / len(utilised)),
            "util_max_percent": _percent(max(utilised)),
            "vram_total_mb": round(total_bytes / _MIB),
            "vram_used_avg_mb": round(sum(used) / len(used) / _MIB),
            "vram_used_max_mb": round(max(used) / _MIB),
            "vram_used_percent": _percent(sum(used) / len(used) / total_bytes),
            "vram_used_percent_max": _percent(max(used) / total_bytes),
        }

    def _run(self) -> None:
        while not self._over.wait(_EVERY_S):
            self._sample()

    def _sample(self) -> None:
        gpu = _find(self._index, self._nvml)
        if gpu is not None:
            self._samples.append(gpu)


def _find(index: int, nvml: Any) -> Gpu | None:
    return next((gpu for gpu in read_gpus(nvml).gpus if gpu.index == index), None)


def _percent(share: float | None) -> float | None:
    return round(100 * share, 1) if share is not None else None
