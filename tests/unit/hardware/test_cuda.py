"""Whether CUDA can be used: the driver's functions as a Python object. No real kernel runs in these tests.

The real driver's library is asked only as far as this machine has one.
"""

from __future__ import annotations

import ctypes
import json
import sys
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from stenogram.hardware import Cuda, cuda, try_cuda
from stenogram.hardware.cuda import ADVICE, EXPECTED, Driver, read_answer, run_kernel

NAMES = {2: b"CUDA_ERROR_OUT_OF_MEMORY", 46: b"CUDA_ERROR_DEVICE_UNAVAILABLE", 100: b"CUDA_ERROR_NO_DEVICE"}


@dataclass
class FakeDriver:
    """The functions of the driver's library, which "runs" the kernel in Python."""

    fails: dict[str, int] = field(default_factory=dict)
    """Function -> the result it gives instead of success."""
    version: int = 13_000
    off_by: int = 0
    """Added to each number that the kernel writes."""
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu"):
            raise AttributeError(name)

        def function(*arguments: Any) -> int:
            self.calls.append(name)
            if name in self.fails:
                return self.fails[name]
            getattr(self, f"do_{name}", lambda *_: None)(*arguments)
            return 0

        return function

    def cuGetErrorName(self, result: ctypes.c_int, text: Any) -> int:  # noqa: N802 - the driver's names
        if result.value not in NAMES:
            return 1
        text._obj.value = NAMES[result.value]
        return 0

    def do_cuDriverGetVersion(self, version: Any) -> None:  # noqa: N802
        version._obj.value = self.version

    def do_cuDeviceGetName(self, name: Any, length: ctypes.c_int, device: ctypes.c_int) -> None:  # noqa: N802
        assert len(name) == length.value
        name.value = b"NVIDIA Fake 100"

    def do_cuMemAlloc_v2(self, memory: Any, size: ctypes.c_size_t) -> None:  # noqa: N802
        assert size.value == 4 * len(EXPECTED)
        memory._obj.value = 0x7F00

    def do_cuModuleLoadData(self, module: Any, image: ctypes.c_char_p) -> None:  # noqa: N802
        assert b".entry fill" in (image.value or b"")

    def do_cuLaunchKernel(self, *arguments: Any) -> None:  # noqa: N802
        _function, *shape, _shared, _stream, parameters, _extra = arguments
        assert [number.value for number in shape] == [1, 1, 1, len(EXPECTED), 1, 1]
        assert ctypes.cast(parameters[0], ctypes.POINTER(ctypes.c_uint64)).contents.value == 0x7F00

    def do_cuMemcpyDtoH_v2(self, numbers: Any, memory: ctypes.c_uint64, size: Any) -> None:  # noqa: N802
        for index in range(len(numbers)):
            numbers[index] = 3 * index + 7 + self.off_by


def run(fake: FakeDriver) -> Cuda:
    """Run the kernel on a fake."""
    return run_kernel(Driver(fake))


def test_a_kernel_that_writes_the_right_numbers_shows_that_cuda_is_usable() -> None:
    fake = FakeDriver()
    answer = run(fake)

    assert answer == Cuda(device="NVIDIA Fake 100", version="13.0")
    assert answer.usable
    assert "cuCtxSynchronize" in fake.calls


def test_wrong_numbers_are_a_fault() -> None:
    answer = run(FakeDriver(off_by=1))

    assert not answer.usable
    assert "numbers are wrong" in str(answer.fault)


def test_an_old_driver_is_told_although_the_kernel_runs() -> None:
    answer = run(FakeDriver(version=11_040))

    assert answer.fault == "the driver knows CUDA 11.4; engines need 12.0"
    assert "Update the NVIDIA driver" in str(answer.advice)


@pytest.mark.parametrize(
    ("call", "result", "fault", "advice"),
    [
        ("cuInit", 100, "the driver sees no GPU (cuInit: CUDA_ERROR_NO_DEVICE, 100)", "CUDA_VISIBLE_DEVICES"),
        ("cuDevicePrimaryCtxRetain", 46, "the GPU is busy, or its use is prohibited", "compute mode"),
        ("cuDevicePrimaryCtxRetain", 2, "the GPU has no memory left", "--device cpu"),
        ("cuMemAlloc_v2", 2, "(cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY, 2)", "other programs"),
        ("cuModuleLoadData", 222, "the driver is too old", "Update"),
        ("cuCtxSynchronize", 719, "the kernel failed", "broken"),
        ("cuInit", 12_345, "the driver refused (cuInit: unknown error, 12345)", "Restart"),
    ],
)
def test_each_failure_names_the_call_and_says_what_helps(call: str, result: int, fault: str, advice: str) -> None:
    answer = run(FakeDriver(fails={call: result}))

    assert not answer.usable
    assert fault in str(answer.fault)
    assert advice in str(answer.advice)


def test_the_device_is_named_as_far_as_it_was_reached() -> None:
    assert run(FakeDriver(fails={"cuMemAlloc_v2": 2})).device == "NVIDIA Fake 100"
    assert run(FakeDriver(fails={"cuInit": 100})).device is None


def test_every_known_result_has_a_meaning_and_advice() -> None:
    assert all(meaning and advice for meaning, advice in ADVICE.values())


def no_library(name: str) -> Any:
    """As a machine without a driver."""
    raise OSError(name)


@pytest.mark.skipif(sys.platform == "darwin", reason="there is no CUDA for macOS")
def test_without_a_driver_no_process_is_started() -> None:
    answer = try_cuda(no_library)

    assert "no NVIDIA driver is installed" in str(answer.fault)
    assert "--gpus all" in str(answer.advice)


@pytest.mark.skipif(sys.platform == "darwin", reason="there is no CUDA for macOS")
def test_a_process_that_dies_over_the_driver_costs_only_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library seems to be there, and the process that tries it is killed as by a crash."""
    monkeypatch.setattr(cuda, "_BOOT", "import os; os.abort()")
    answer = try_cuda(lambda _name: SimpleNamespace())

    assert "ended the process that tried it" in str(answer.fault)


@pytest.mark.skipif(sys.platform == "darwin", reason="there is no CUDA for macOS")
def test_a_driver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_BOOT", "import time; time.sleep(60)")
    answer = try_cuda(lambda _name: SimpleNamespace(), timeout_s=0.2)

    assert "did not answer" in str(answer.fault)


def test_the_answer_crosses_the_border_of_the_process_unchanged() -> None:
    answer = run(FakeDriver(fails={"cuMemAlloc_v2": 2}))

    assert read_answer(json.dumps(asdict(answer)), 0) == answer


@pytest.mark.skipif(sys.platform == "darwin", reason="there is no CUDA for macOS")
def test_the_process_really_starts_and_reaches_the_library() -> None:
    """Without a driver it fails there, and says so; with one it answers."""
    answer = try_cuda(lambda _name: SimpleNamespace())

    assert answer.usable or answer.device or "libcuda" in str(answer.fault) or "nvcuda" in str(answer.fault)
