"""Read the weights out of a model in onnxruntime's own format (``.ort``), by the names of the nodes that use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]

QUANTIZED = {"DynamicQuantizeMatMul": (1, 2, 3), "MatMulIntegerToFloat": (1, 3, 5)}
"""Operator -> places of weight, scale and zero point among its inputs."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """A weight matrix ``(values - zero_point) * scale``: uint8 ``[K, N]``, scales for all or by column."""

    values: npt.NDArray[np.uint8]
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, matrix: npt.NDArray[np.float32]) -> Quantized:
        """Quantise a float matrix ``[K, N]``, with a scale per column."""
        import numpy as np

        scale = (np.abs(matrix).max(axis=0) / 127).astype(np.float32)
        values = np.rint(matrix / np.maximum(scale, np.finfo(np.float32).tiny)) + 128
        return cls(values.astype(np.uint8), scale, np.full(matrix.shape[1], 128, np.uint8))


class Weights:
    """All weights of one model, subgraphs included. Raises ``ValueError`` when it is not in the ``.ort`` format.

    Every access raises ``KeyError`` when the graph has no such node or weight.
    """

    def __init__(self, model: bytes | Path) -> None:
        from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

        data = model if isinstance(model, bytes) else model.read_bytes()
        if not InferenceSession.InferenceSessionBufferHasIdentifier(data, 0):
            name = "it" if isinstance(model, bytes) else model.name
            raise ValueError(f"{name} is not a model in onnxruntime's format")
        graph = InferenceSession.GetRootAs(data, 0).Model().Graph()
        self._arrays: dict[str, Any] = {}
        self._nodes: dict[str, tuple[str, list[str]]] = {}
        for part in _subgraphs(graph):
            self._read(part)

    def array(self, name: str) -> Array:
        """A weight by its own name."""
        return _numpy(self._arrays[name])

    def input(self, node: str, index: int) -> Array:
        """The weight that is the node's input of that index."""
        return self.array(self._nodes[node][1][index])

    def dequantized(self, node: str, index: int) -> Array:
        """The float32 weight that is the node's input of that index, where the model may hold it in 8 bits.

        So its maker shrank the file: ``name_quantized * name_scale + name_zero_point`` is computed when it is loaded.
        """
        import numpy as np

        name = self._nodes[node][1][index]
        if name in self._arrays:
            return self.array(name)
        name = name.removesuffix("_add_tensor")
        values, scale, zero_point = (self.array(f"{name}_{part}") for part in ("quantized", "scale", "zero_point"))
        return values.astype(np.float32) * scale + zero_point

    def quantized(self, node: str) -> Quantized:
        """The quantised matrix that a matrix multiplication uses."""
        import numpy as np

        operator, inputs = self._nodes[node]
        values, scale, zero_point = (self.array(inputs[index]) for index in QUANTIZED[operator])
        if values.dtype == np.int8:
            values, zero_point = (part.view(np.uint8) ^ np.uint8(128) for part in (values, zero_point))
        return Quantized(values, scale, zero_point)

    def __contains__(self, node: object) -> bool:
        return node in self._nodes

    def _read(self, graph: Any) -> None:
        for index in range(graph.InitializersLength()):
            tensor = graph.Initializers(index)
            self._arrays[tensor.Name().decode()] = tensor
        for index in range(graph.NodesLength()):
            node = graph.Nodes(index)
            inputs = [node.Inputs(place).decode() for place in range(node.InputsLength())]
            self._nodes[node.Name().decode()] = node.OpType().decode(), inputs


def _subgraphs(graph: Any) -> Iterator[Any]:
    yield graph
    for index in range(graph.NodesLength()):
        node = graph.Nodes(index)
        for place in range(node.AttributesLength()):
            inner = node.Attributes(place).G()
            if inner is not None:
                yield from _subgraphs(inner)


def _numpy(tensor: Any) -> Array:
    import numpy as np

    types = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}  # TensorDataType of ort.fbs
    shape = [tensor.Dims(axis) for axis in range(tensor.DimsLength())]
    return tensor.RawDataAsNumpy().view(types[tensor.DataType()]).reshape(shape)  # type: ignore[no-any-return]
