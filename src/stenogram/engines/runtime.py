"""What onnxruntime raises, as our errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stenogram.errors import EngineError, OutOfMemory

OUT_OF_MEMORY = ("failed to allocate memory", "out of memory", "bad_alloc", "bad allocation")
"""What the libraries say when memory runs out: onnxruntime's arena, CUDA, the C++ allocator."""


@contextlib.contextmanager
def native(engine: str, device: str = "cpu") -> Iterator[None]:
    """Turn what onnxruntime raises during a run into ``EngineError``."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(engine=engine, device="cpu", cause="an array did not fit") from error
    except (state.Fail, state.InvalidArgument, state.RuntimeException, state.EPFail) as error:
        if any(sign in str(error).lower() for sign in OUT_OF_MEMORY):
            raise OutOfMemory(engine=engine, device=device, cause=str(error).splitlines()[0]) from error
        raise EngineError(engine=engine, cause=error) from error
