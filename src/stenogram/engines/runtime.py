"""onnxruntime: which it is, and what it raises, as our errors."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator

from stenogram.errors import EngineError, OutOfMemory
from stenogram.onnx.session import faults

OUT_OF_MEMORY = ("failed to allocate memory", "out of memory", "bad_alloc", "bad allocation")
"""What the libraries say when memory runs out: onnxruntime's arena, CUDA, the C++ allocator."""


def runtime_version() -> str:
    """Distribution and version of the onnxruntime that is installed: its kernels decide near ties."""
    for name in ("onnxruntime-gpu", "onnxruntime"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return f"{name}-{importlib.metadata.version(name)}"
    return "onnxruntime"


@contextlib.contextmanager
def native(engine: str, device: str = "cpu") -> Iterator[None]:
    """Turn what onnxruntime raises during a run into ``EngineError``."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(engine=engine, device="cpu", cause="an array did not fit") from error
    except faults() as error:
        if any(sign in str(error).lower() for sign in OUT_OF_MEMORY):
            raise OutOfMemory(engine=engine, device=device, cause=str(error).splitlines()[0]) from error
        raise EngineError(engine=engine, cause=error) from error
