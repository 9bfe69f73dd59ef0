"""What onnxruntime raises, as our errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stenogram.errors import EngineError


@contextlib.contextmanager
def native(engine: str) -> Iterator[None]:
    """Turn what onnxruntime raises during a run into ``EngineError``."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    try:
        yield
    except (state.Fail, state.InvalidArgument, state.RuntimeException, state.EPFail, MemoryError) as error:
        raise EngineError(engine=engine, cause=error) from error
