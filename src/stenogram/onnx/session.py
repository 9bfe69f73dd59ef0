"""onnxruntime as we use it: one thread per call, on the CPU or on CUDA."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from stenogram.onnx.graph import FLOAT, INT32, UINT8, Graph

CUDA = "CUDAExecutionProvider"


def session_options() -> Any:
    """Options of a session whose runs compute in their caller's thread, and which says nothing but by raising."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised; the rest is nothing a user can act on
    return options


def faults() -> tuple[type[Exception], ...]:
    """All that onnxruntime raises of its own: it has no common base class for it."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.EPFail,
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoModel,
        state.NoSuchFile,
        state.NotFound,
        state.NotImplemented,
        state.RuntimeException,
    )


def open_session(model: bytes | Path) -> Any:
    """Load a graph so that each run computes in its caller's thread; safe to run from several threads at once.

    Raises ``ValueError`` when onnxruntime cannot read it.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, session_options(), providers=["CPUExecutionProvider"])
    except (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile) as error:
        raise ValueError(f"onnxruntime cannot load it: {error}") from error


@functools.cache
def exact_int8() -> bool:
    """Whether onnxruntime multiplies uint8 by int8 exactly here: x86 before VNNI saturates at 16 bits."""
    import numpy as np

    graph = Graph()
    left = graph.input("left", UINT8, [1, 64])
    right = np.full((64, 16), 127, np.int8)
    zeros = [graph.constant(np.array(0, np.uint8)), graph.constant(np.array(0, np.int8))]
    graph.node("MatMulInteger", [left, graph.constant(right), *zeros], ["product"])
    graph.output("product", INT32, [1, 16])
    product = open_session(graph.build()).run(None, {"left": np.full((1, 64), 255, np.uint8)})[0]
    return bool((product == 64 * 255 * 127).all())


@functools.cache
def cuda_fault() -> str | None:
    """Why onnxruntime cannot compute on CUDA here; None: a kernel ran."""
    import numpy as np
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers():
        return "this onnxruntime is made for the CPU; install onnxruntime-gpu in its place"
    graph = Graph()
    graph.node("Abs", [graph.input("value", FLOAT, [1])], ["result"])
    graph.output("result", FLOAT, [1])
    try:
        session = onnxruntime.InferenceSession(graph.build(), session_options(), providers=[CUDA])
        session.run(None, {"value": np.ones(1, np.float32)})
    except faults() as error:
        return str(error).splitlines()[0]
    if session.get_providers()[0] != CUDA:
        return "onnxruntime could not start CUDA: is there a GPU, and are CUDA and cuDNN installed?"
    return None
