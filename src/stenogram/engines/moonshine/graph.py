"""What Moonshine's encoder and decoder have in common: quantised matrices, norms, rotary positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stenogram.onnx.graph import FLOAT, ORT_DOMAIN, UINT8, Graph
from stenogram.onnx.weights import Quantized, Weights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Floats = npt.NDArray[np.float32]

EPSILON = 1e-5
"""Of all norms, as exported."""


class MoonshineGraph(Graph):
    """A graph with Moonshine's building blocks.

    ``signed``: hold matrices as int8, twice as fast where the processor multiplies uint8 by int8 exactly
    (``session.exact_int8``); otherwise as uint8. Both give the same bits.
    """

    def __init__(self, *, signed: bool) -> None:
        super().__init__()
        self._signed = signed

    def linear(self, value: str, matrices: Sequence[Quantized], bias: Array | None = None) -> str:
        """Multiply ``[.., K]`` by one matrix ``[K, N]``, or by several side by side, in integers.

        Each row is quantised by itself to -127 .. 127 (held as uint8 around 128), so that no row depends on another.
        """
        import numpy as np

        peak = self.node("ReduceMax", [*self.node("Abs", [value]), self.constant([-1])])[0]
        steps = self.node("Div", [self.scalar(127.0), peak])[0]
        shifted = self.node("Add", [*self.node("Mul", [value, steps]), self.scalar(128.5)])  # the cast cuts: rounds
        inputs = [*self.node("Cast", shifted, to=UINT8), *self._matrix(matrices)]
        product = self.node("Cast", self.node("MatMulInteger", inputs), to=FLOAT)[0]
        if len(matrices) == 1 and matrices[0].scale.ndim == 0:
            # a product of scales here would be taken for scalars by onnxruntime's MatMulIntegerToFloat fusion
            rescale = self.node("Div", [peak, self.scalar(127 / float(matrices[0].scale))])[0]
            result = self.mul(product, rescale)
        else:
            scales = np.concatenate([np.broadcast_to(part.scale, part.values.shape[1]) for part in matrices])
            result = self.mul(self.mul(product, peak), self.constant((scales / 127).astype(np.float32)))
        return result if bias is None else self.add(result, self.constant(bias))

    def _matrix(self, matrices: Sequence[Quantized]) -> list[str]:
        """The matrices side by side, the activations' zero point, and theirs, as MatMulInteger wants them."""
        import numpy as np

        values = np.concatenate([part.values for part in matrices], axis=1)
        zeros = np.concatenate([np.broadcast_to(part.zero_point, part.values.shape[1]) for part in matrices])
        if len(matrices) == 1 and matrices[0].zero_point.ndim == 0:
            zeros = matrices[0].zero_point
        if self._signed:
            values, zeros = (np.asarray(part ^ np.uint8(128)).view(np.int8) for part in (values, zeros))
        return [self.constant(values), self.constant(np.array(128, np.uint8)), self.constant(zeros)]

    def norm(self, value: str, scale: Array) -> str:
        """Layer norm without bias."""
        return self.node("LayerNormalization", [value, self.constant(scale)], axis=-1, epsilon=EPSILON)[0]

    def attention_inputs(
        self, state: str, weights: Weights, name: str, rotary: Sequence[str], heads: int
    ) -> tuple[str, str, str]:
        """Queries, keys and values of self-attention over ``[B, S, D]``, the first two turned by their positions.

        ``rotary`` names the position ``[1]`` of the first, and the tables of cosines and sines.
        """
        matrices = [weights.quantized(f"{name}/{kind}_proj/MatMul_quant") for kind in "qkv"]
        projected = self.linear(state, matrices)
        width = matrices[0].values.shape[1]
        both, values = self.node("Split", [projected, self.constant([2 * width, width])], 2, axis=-1)
        rotation = {"interleaved": 1, "num_heads": 2 * heads, "rotary_embedding_dim": 2 * _frequencies(weights).size}
        turned = self.node("RotaryEmbedding", [both, *rotary], domain=ORT_DOMAIN, **rotation)
        queries, keys = self.node("Split", turned, 2, axis=-1, num_outputs=2)
        return queries, keys, values

    def rotary_tables(self, weights: Weights, positions: int) -> list[str]:
        """Cosines and sines of the rotary positions, ``[positions, rotated / 2]`` each."""
        import numpy as np

        angles = np.arange(positions, dtype=np.float32)[:, None] * _frequencies(weights).reshape(1, -1)
        return [self.constant(np.cos(angles)), self.constant(np.sin(angles))]

    def add(self, left: str, right: str) -> str:
        """Sum of two values."""
        return self.node("Add", [left, right])[0]

    def mul(self, left: str, right: str) -> str:
        """Product, element by element."""
        return self.node("Mul", [left, right])[0]

    def scalar(self, value: float) -> str:
        """A float32 constant without dimensions."""
        import numpy as np

        return self.constant(np.array(value, np.float32))


def _frequencies(weights: Weights) -> Floats:
    prefix = "/model/decoder" if "/model/decoder/rotary_emb/Expand" in weights else ""
    return weights.input(f"{prefix}/rotary_emb/Expand", 0)


def head_count(weights: Weights, attention: str) -> int:
    """Heads of the attention of that name, from the shape that its queries are cut to: ``[B, T, heads, size]``."""
    return int(weights.input(f"{attention}/Concat", 2).item())
