"""GPUs through NVML: a fake module object with the functions and errors of ``pynvml``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from stenogram.hardware import Gpu, free_memory, gpu, read_gpus

GIB = 2**30


class NvmlError(Exception):
    """As ``pynvml.NVMLError``."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return f"error {self.value}"


@dataclass(eq=False)
class FakeNvml:
    """Two GPUs, of which the second does not tell how busy it is."""

    NVMLError: type[NvmlError] = NvmlError
    NVML_ERROR_NOT_FOUND: int = 6
    NVML_ERROR_LIBRARY_NOT_FOUND: int = 12
    fails: int | None = None
    opened: int = 0
    calls: list[str] = field(default_factory=list)

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        if self.fails is not None:
            raise NvmlError(self.fails)
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        return 13_010

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802 - bytes, as older versions give
        return b"580.95.05"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index not in (0, 1):
            raise NvmlError(self.NVML_ERROR_NOT_FOUND)
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return ["Large", "Small"][handle]

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return ["GPU-aa11", "GPU-bb22"][handle]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        total = [24, 8][handle] * GIB
        return SimpleNamespace(total=total, used=GIB, free=total - GIB)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802
        if handle == 1:
            raise NvmlError(3)
        return SimpleNamespace(gpu=40, memory=10)


def test_every_gpu_is_told_with_the_driver_and_its_cuda() -> None:
    nvml = FakeNvml()
    found = read_gpus(nvml)

    assert (found.driver, found.cuda, found.fault) == ("580.95.05", "13.1", None)
    assert found.gpus == (
        Gpu(0, "Large", "GPU-aa11", 24 * GIB, GIB, 23 * GIB, 0.4),
        Gpu(1, "Small", "GPU-bb22", 8 * GIB, GIB, 7 * GIB, None),
    )
    assert nvml.opened == 0


@pytest.mark.parametrize(
    ("code", "reason"), [(12, "no NVIDIA driver is installed"), (18, "NVIDIA's driver says: error 18")]
)
def test_without_an_answer_there_is_a_reason(code: int, reason: str) -> None:
    found = read_gpus(FakeNvml(fails=code))

    assert (found.gpus, found.fault) == ((), reason)


@pytest.mark.parametrize(
    ("visible", "gib"),
    [
        ({}, 23),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, 7),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bb22"}, 7),
        ({"CUDA_VISIBLE_DEVICES": "GPU-b"}, 7),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None),
        ({"CUDA_VISIBLE_DEVICES": "7"}, None),
    ],
)
def test_free_memory_is_that_of_the_gpu_which_cuda_takes_first(visible: dict[str, str], gib: int | None) -> None:
    assert gpu.free_bytes(FakeNvml(), visible) == (None if gib is None else gib * GIB)


def test_nvml_stays_open_for_the_gauge() -> None:
    nvml = FakeNvml()

    assert [gpu.free_bytes(nvml, {}) for _ in range(3)] == [23 * GIB] * 3
    assert nvml.opened == 1


def test_an_unknown_amount_bounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: Any = FakeNvml(fails=12)
    monkeypatch.setattr(gpu, "_library", lambda: broken)

    assert free_memory("cuda") == sys.maxsize
    assert 0 < free_memory("cpu") < sys.maxsize
