"""Write ONNX graphs without the onnx package: the few messages of ``onnx.proto`` that a graph of our own needs.

Field numbers are those of onnx/onnx.proto (IR version 10). A graph is small; weights travel as raw data.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

IR_VERSION = 10
OPSET = 21
ORT_DOMAIN = "com.microsoft"
FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
"""TensorProto.DataType."""
NUMPY_TYPES = {"float32": FLOAT, "uint8": UINT8, "int8": INT8, "int64": INT64}


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >> 7:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _data(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _attribute(name: str, value: float | str | Sequence[int]) -> bytes:
    head = _data(1, name)
    if isinstance(value, float):
        return head + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    if isinstance(value, int):
        return head + _number(3, value) + _number(20, 2)
    if isinstance(value, str):
        return head + _data(4, value) + _number(20, 3)
    return head + b"".join(_number(8, item) for item in value) + _number(20, 7)


def _tensor(name: str, value: npt.NDArray[Any]) -> bytes:
    dims = b"".join(_number(1, size) for size in value.shape)
    return dims + _number(2, NUMPY_TYPES[value.dtype.name]) + _data(8, name) + _data(9, value.tobytes())


def _value(name: str, element: int, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(_data(1, _data(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    return _data(1, name) + _data(2, _data(1, _number(1, element) + _data(2, dims)))


class Graph:
    """A graph under construction: nodes in order of computation, weights, inputs and outputs."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._names = 0

    def input(self, name: str, element: int, shape: Sequence[int | str]) -> str:
        """Declare an input; sizes that vary are given by a name."""
        self._parts.append(_data(11, _value(name, element, shape)))
        return name

    def output(self, name: str, element: int, shape: Sequence[int | str]) -> str:
        """Declare an output, the value of that name."""
        self._parts.append(_data(12, _value(name, element, shape)))
        return name

    def constant(self, value: npt.NDArray[Any] | Sequence[int]) -> str:
        """Add a weight (or a list of integers, such as a shape) and give its name."""
        import numpy as np

        name = self._name("w")
        array = np.asarray(value, np.int64) if not isinstance(value, np.ndarray) else value
        self._parts.append(_data(5, _tensor(name, array)))
        return name

    def node(self, op: str, inputs: Sequence[str], outputs: int | Sequence[str] = 1, **attributes: Any) -> list[str]:
        """Add a node and give the names of its outputs. ``domain=`` names an operator set other than ONNX's own."""
        domain = attributes.pop("domain", "")
        names = [self._name("v") for _ in range(outputs)] if isinstance(outputs, int) else list(outputs)
        body = b"".join(_data(1, name) for name in inputs) + b"".join(_data(2, name) for name in names)
        body += _data(4, op) + b"".join(_data(5, _attribute(key, value)) for key, value in attributes.items())
        self._parts.append(_data(1, body + _data(7, domain)))
        return names

    def build(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The model as onnxruntime reads it; ``metadata``: facts for those who load it (``metadata_props``)."""
        facts = b"".join(_data(14, _data(1, key) + _data(2, value)) for key, value in (metadata or {}).items())
        opsets = _data(8, _number(2, OPSET)) + _data(8, _data(1, ORT_DOMAIN) + _number(2, 1))
        return _number(1, IR_VERSION) + opsets + _data(7, _data(2, "stenogram") + b"".join(self._parts)) + facts

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"
