"""Whether CUDA really computes here: a kernel runs and its numbers are right, or the exact reason why not.

Only the driver is needed, no toolkit: its library is called through ``ctypes``, and compiles the kernel for whatever
GPU there is. It happens in a process of its own, which ends at once: a CUDA context holds hundreds of megabytes, and a
broken driver may crash whoever calls it.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

TIMEOUT_S = 60.0
"""A driver that has not answered by then hangs; the first start of a GPU takes seconds without persistence mode."""

OLDEST_VERSION = 12_000
"""CUDA 12.0, driver 525: what CTranslate2's, onnxruntime's and PyTorch's wheels need at least."""

THREADS = 64
KERNEL = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry fill(.param .u64 out)
{
    .reg .b32 %r<3>;
    .reg .b64 %d<5>;
    ld.param.u64 %d1, [out];
    cvta.to.global.u64 %d2, %d1;
    mov.u32 %r1, %tid.x;
    mad.lo.s32 %r2, %r1, 3, 7;
    mul.wide.u32 %d3, %r1, 4;
    add.s64 %d4, %d2, %d3;
    st.global.u32 [%d4], %r2;
    ret;
}
"""
"""``out[i] = 3 * i + 7`` for each thread i. Assembled by NVIDIA's ptxas 12.9 and 13.5 for sm_50 to sm_100."""
EXPECTED = [3 * number + 7 for number in range(THREADS)]

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_BOOT = "import sys; sys.path += sys.argv[1:]; from stenogram.hardware.cuda import tell; tell()"

_UPDATE = "Update the NVIDIA driver (525 or newer), then restart."
_RESTART = "Restart the machine; if it stays so, install the NVIDIA driver anew."
_BUSY = "End the program that holds the GPU, or set its compute mode to default: nvidia-smi -c 0"
_BROKEN = "The GPU itself may be broken: see what `nvidia-smi -q` and the system's log say."
ADVICE: Mapping[int, tuple[str, str]] = {
    2: ("the GPU has no memory left", "End other programs on the GPU (see nvidia-smi), or use --device cpu."),
    3: ("the driver did not start", _RESTART),
    34: ("a stub stands in for the driver's library", "Take the toolkit's `stubs` folder out of LD_LIBRARY_PATH."),
    36: ("the driver is too old for its library", _UPDATE),
    46: ("the GPU is busy, or its use is prohibited", _BUSY),
    100: ("the driver sees no GPU", "Is CUDA_VISIBLE_DEVICES empty? In a container: start it with --gpus all."),
    101: ("there is no GPU of that number", "See which there are: nvidia-smi -L"),
    102: ("the virtual GPU has no licence", "Start NVIDIA's licence service for vGPU."),
    209: ("the GPU is too old for this driver", "Use --device cpu, or a GPU of compute capability 5.0 or newer."),
    214: ("the GPU's memory reports errors that cannot be corrected", _BROKEN),
    218: ("the driver cannot compile for this GPU", _UPDATE),
    220: ("the link between GPUs reports errors", _BROKEN),
    221: ("the driver's compiler is missing", "Install libnvidia-ptxjitcompiler of the driver's own version."),
    222: ("the driver is too old", _UPDATE),
    223: ("compiling for the GPU is switched off", "Unset CUDA_DISABLE_PTX_JIT."),
    304: ("the operating system refused", "May this user open /dev/nvidia*? In a container: start it with --gpus all."),
    700: ("the kernel met a wrong address", _BROKEN),
    702: ("the kernel ran too long", "Another program keeps the GPU busy: see nvidia-smi."),
    719: ("the kernel failed", _BROKEN),
    800: ("the system forbids it", "Is the GPU in exclusive mode? Set it to default: nvidia-smi -c 0"),
    802: ("the GPUs' switch is not ready", "Start NVIDIA's fabric manager: systemctl start nvidia-fabricmanager"),
    803: ("the driver's library is of another version than its kernel module", "Restart the machine."),
    804: ("this GPU cannot run a newer CUDA on an older driver", _UPDATE),
    999: ("the driver does not know why", _RESTART),
}
"""``CUresult`` (cuda.h) -> what it means, and what helps."""


@dataclass(frozen=True, slots=True)
class Cuda:
    """What became of the try."""

    device: str | None = None
    """Name of the GPU, as far as it was reached."""
    version: str | None = None
    """Newest CUDA that the driver knows, ``"13.0"``."""
    fault: str | None = None
    """Why CUDA cannot be used; None: a kernel ran, and its numbers were right."""
    advice: str | None = None
    """What to do about it."""

    @property
    def usable(self) -> bool:
        """A kernel ran."""
        return self.fault is None


NO_DRIVER = Cuda(
    fault=f"no NVIDIA driver is installed ({_LIBRARY} is not there)",
    advice="With an NVIDIA GPU: install its driver, 525 or newer. In a container: start it with --gpus all.",
)


def try_cuda(open_library: Callable[[str], Any] = ctypes.CDLL, timeout_s: float = TIMEOUT_S) -> Cuda:
    """Run a kernel on the GPU that CUDA takes first; takes about a second where there is a driver, else nothing.

    ``open_library`` opens the driver's library by name, and raises ``OSError`` where there is none.
    """
    if sys.platform == "darwin":
        return Cuda(fault="there is no CUDA for macOS")
    try:
        open_library(_LIBRARY)
    except OSError:
        return NO_DRIVER
    folders = [folder for folder in sys.path if folder]
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-c", _BOOT, *folders],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        return Cuda(fault=f"the driver did not answer within {timeout_s:.0f} s", advice=_RESTART)
    return read_answer(child.stdout, child.returncode, child.stderr)


def read_answer(answer: str, status: int, complaint: str = "") -> Cuda:
    """What the process said that tried, or how it ended without a word."""
    try:
        return Cuda(**json.loads(answer))
    except (ValueError, TypeError):
        last = complaint.strip().splitlines()[-1:] or ["it said nothing"]
        return Cuda(fault=f"the driver ended the process that tried it (status {status}): {last[0]}", advice=_RESTART)


def tell() -> None:
    """Try it here and write the answer as JSON on stdout: the whole life of the process of its own."""
    sys.stdout.write(json.dumps(asdict(run_kernel(Driver(ctypes.CDLL(_LIBRARY))))))
    sys.stdout.flush()
    os._exit(0)  # a driver that trips over its own end changes nothing about the answer


class DriverFault(Exception):
    """A call of the driver did not succeed."""

    def __init__(self, call: str, name: str, result: int) -> None:
        super().__init__(call, name, result)
        self.call = call
        self.name = name
        self.result = result

    def read(self, device: str | None, version: str | None) -> Cuda:
        """As an answer, with advice."""
        meaning, advice = ADVICE.get(self.result, ("the driver refused", _RESTART))
        fault = f"{meaning} ({self.call}: {self.name}, {self.result})"
        return Cuda(device=device, version=version, fault=fault, advice=advice)


class Driver:
    """The driver's functions, each checked; ``library`` is what ``ctypes.CDLL`` opens, or behaves so."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function by name. Raises ``DriverFault`` for any result but success."""
        result = int(getattr(self._library, name)(*arguments))
        if result != 0:
            raise DriverFault(name, self._name(result), result)

    def _name(self, result: int) -> str:
        text = ctypes.c_char_p()
        unknown = self._library.cuGetErrorName(ctypes.c_int(result), ctypes.byref(text))
        return "unknown error" if unknown or text.value is None else text.value.decode()


def run_kernel(driver: Driver) -> Cuda:
    """Make a context on the first GPU, compile the kernel, run it, and compare what it wrote."""
    device = version = None
    try:
        version = _version(driver)
        driver.call("cuInit", ctypes.c_uint(0))
        handle = ctypes.c_int()
        driver.call("cuDeviceGet", ctypes.byref(handle), ctypes.c_int(0))
        device = _device_name(driver, handle)
        found = _compute(driver, handle)
    except DriverFault as error:
        return error.read(device, _dotted(version))
    if found != EXPECTED:
        return Cuda(device, _dotted(version), "the kernel ran, but its numbers are wrong", _BROKEN)
    if version < OLDEST_VERSION:
        fault = f"the driver knows CUDA {_dotted(version)}; engines need {_dotted(OLDEST_VERSION)}"
        return Cuda(device, _dotted(version), fault, _UPDATE)
    return Cuda(device, _dotted(version))


def _version(driver: Driver) -> int:
    version = ctypes.c_int()
    driver.call("cuDriverGetVersion", ctypes.byref(version))
    return version.value


def _dotted(version: int | None) -> str | None:
    return None if version is None else f"{version // 1000}.{version % 1000 // 10}"


def _device_name(driver: Driver, handle: ctypes.c_int) -> str:
    name = ctypes.create_string_buffer(256)
    driver.call("cuDeviceGetName", name, ctypes.c_int(len(name)), handle)
    return name.value.decode(errors="replace")


def _compute(driver: Driver, handle: ctypes.c_int) -> list[int]:
    """What the kernel writes. Nothing is given back: the process ends right after."""
    context, module, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    memory, numbers = ctypes.c_uint64(), (ctypes.c_uint32 * THREADS)()
    size = ctypes.c_size_t(ctypes.sizeof(numbers))
    driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
    driver.call("cuCtxSetCurrent", context)
    driver.call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(KERNEL))
    driver.call("cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(b"fill"))
    driver.call("cuMemAlloc_v2", ctypes.byref(memory), size)
    parameters = (ctypes.c_void_p * 1)(ctypes.cast(ctypes.byref(memory), ctypes.c_void_p))
    one, none = ctypes.c_uint(1), ctypes.c_uint(0)
    grid, block = (one, one, one), (ctypes.c_uint(THREADS), one, one)
    driver.call("cuLaunchKernel", function, *grid, *block, none, None, parameters, None)
    driver.call("cuCtxSynchronize")
    driver.call("cuMemcpyDtoH_v2", numbers, memory, size)
    return list(numbers)
