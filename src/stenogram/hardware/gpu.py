"""NVIDIA's GPUs as the driver's management library (NVML) tells them; no CUDA context is made."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    index: int
    """NVML's: the order on the PCI bus."""
    name: str
    uuid: str
    total_bytes: int
    used_bytes: int
    """By all programs."""
    free_bytes: int
    utilisation: float | None
    """Share of the last moment in which it computed, 0..1; None where the driver does not tell."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """All GPUs that the driver knows."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    """Version of the driver, ``"580.95.05"``."""
    cuda: str | None = None
    """Newest CUDA that the driver knows, ``"13.0"``."""
    fault: str | None = None
    """Why none can be told of."""


def read_gpus(nvml: Any = None) -> Gpus:
    """Ask NVML; ``nvml`` is the module ``pynvml`` unless given. Without a driver: none, and the reason."""
    nvml = _library() if nvml is None else nvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return Gpus(fault=_reason(nvml, error))
    try:
        version = nvml.nvmlSystemGetCudaDriverVersion_v2()
        return Gpus(
            gpus=tuple(_read(nvml, index) for index in range(nvml.nvmlDeviceGetCount())),
            driver=_text(nvml.nvmlSystemGetDriverVersion()),
            cuda=f"{version // 1000}.{version % 1000 // 10}",
        )
    except nvml.NVMLError as error:
        return Gpus(fault=_reason(nvml, error))
    finally:
        nvml.nvmlShutdown()


def free_bytes(nvml: Any = None, environ: Mapping[str, str] = os.environ) -> int | None:
    """Free memory of the GPU that CUDA takes first, in bytes; None where NVML cannot tell."""
    nvml = _library() if nvml is None else nvml
    try:
        _open(nvml)
        return int(nvml.nvmlDeviceGetMemoryInfo(_first(nvml, environ)).free)
    except nvml.NVMLError:
        return None


def _first(nvml: Any, environ: Mapping[str, str]) -> Any:
    """Handle of the GPU that is CUDA's first, after ``CUDA_VISIBLE_DEVICES``.

    Numbers are taken as NVML's. CUDA counts the fastest first unless ``CUDA_DEVICE_ORDER=PCI_BUS_ID``: on a machine
    with unlike GPUs another one may be looked at.
    """
    chosen = environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if chosen.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(chosen))
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        if chosen and _text(nvml.nvmlDeviceGetUUID(handle)).startswith(chosen):  # CUDA takes the beginning of one too
            return handle
    raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)


def _read(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        utilisation = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    except nvml.NVMLError:  # not told for a part of a GPU (MIG), nor by old ones
        utilisation = None
    return Gpu(
        index=index,
        name=_text(nvml.nvmlDeviceGetName(handle)),
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        total_bytes=int(memory.total),
        used_bytes=int(memory.used),
        free_bytes=int(memory.free),
        utilisation=utilisation,
    )


def _reason(nvml: Any, error: Exception) -> str:
    if getattr(error, "value", None) == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return "no NVIDIA driver is installed"
    return f"NVIDIA's driver says: {error}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _library() -> Any:
    import pynvml

    return pynvml


@functools.cache
def _open(nvml: Any) -> None:
    """Open NVML for good: opening takes tens of milliseconds, a question less than one."""
    nvml.nvmlInit()
