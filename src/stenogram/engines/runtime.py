"""onnxruntime as the engines use it: one thread per call, its errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stenogram.errors import EngineError


def open_session(model: bytes | Path) -> Any:
    """Load a graph so that each run computes in its caller's thread; safe to run from several threads at once.

    Raises ``ValueError`` when onnxruntime cannot read it.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 3  # errors only: warnings of the optimiser are nothing a user can act on
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, settings, providers=["CPUExecutionProvider"])
    except (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile) as error:
        raise ValueError(f"onnxruntime cannot load it: {error}") from error


@contextlib.contextmanager
def native(engine: str) -> Iterator[None]:
    """Turn what onnxruntime raises during a run into ``EngineError``."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    try:
        yield
    except (state.Fail, state.InvalidArgument, state.RuntimeException, state.EPFail, MemoryError) as error:
        raise EngineError(engine=engine, cause=error) from error
