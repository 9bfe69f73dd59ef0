"""onnxruntime as we use it: one thread per call."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from stenogram.onnx.graph import INT32, UINT8, Graph


def open_session(model: bytes | Path) -> Any:
    """Load a graph so that each run computes in its caller's thread; safe to run from several threads at once.

    Raises ``ValueError`` when onnxruntime cannot read it.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 4  # what fails is raised; the rest is nothing a user can act on
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, settings, providers=["CPUExecutionProvider"])
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
