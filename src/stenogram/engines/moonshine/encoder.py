"""Moonshine's encoder: from samples to what the decoder attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stenogram.engines.moonshine.graph import EPSILON, MoonshineGraph, head_count
from stenogram.onnx.graph import FLOAT, ORT_DOMAIN
from stenogram.onnx.session import exact_int8, open_session
from stenogram.onnx.weights import Quantized, Weights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Floats = npt.NDArray[np.float32]

HOP = 64
"""Samples per step of the first convolution (kernel 127, stride 64)."""
FRAME = 6 * HOP
"""Samples per encoder state: the second convolution strides 3 (kernel 7), the third 2 (kernel 3)."""
EDGE = 13 * HOP
"""Samples that the kernels reach beyond the last state."""
MAX_FRAMES = 4096
"""Longest chunk, 98 seconds."""
LAST = 2**31
"""A slice's end: all the rest."""


def padded_length(samples: int) -> int:
    """The length at which no sample falls between the strides: at least ``samples``, less than a frame more."""
    return max(1, -(-(samples - EDGE) // FRAME)) * FRAME + EDGE


class Encoder:
    """The encoder in memory; shared by threads. Raises ``ValueError`` or ``KeyError`` when the weights do not fit."""

    def __init__(self, encoder: Weights, decoder: Weights) -> None:
        self._session = open_session(encoder_graph(encoder, decoder, signed=exact_int8()))
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, samples: Floats) -> list[Floats]:
        """Encode one chunk of ``[n]`` samples, n a ``padded_length``.

        Per decoder layer: keys ``[heads, head_size, T]`` and values ``[heads, T, head_size]``. Chunks do not share a
        batch, because the group norm is over all of one's time; on a processor nothing is lost by that.
        """
        return [value[0] for value in self._session.run(self._outputs, {"samples": samples.reshape(-1, HOP)})]


def encoder_graph(encoder: Weights, decoder: Weights, *, signed: bool) -> bytes:
    """Graph from ``samples`` ``[n / 64, 64]`` to the decoder's ``cross.<layer>.<key|value>``, one chunk at a time."""
    graph = MoonshineGraph(signed=signed)
    graph.input("samples", FLOAT, ["hops", HOP])
    state = _convolutions(graph, encoder)
    rotary = [graph.constant([0]), *graph.rotary_tables(encoder, MAX_FRAMES)]
    layer = 0
    while f"/layers.{layer}/mlp/fc2/MatMul_quant" in encoder:
        state = _layer(graph, encoder, state, layer, rotary)
        layer += 1
    _cross(graph, decoder, graph.norm(state, encoder.array("layer_norm.weight")))
    return graph.build()


def _convolutions(graph: MoonshineGraph, weights: Weights) -> str:
    """The three convolutions as products over windows, time first: ``[T, channels]`` throughout."""
    import numpy as np

    first, second, third = (_windowed(weights.array(f"conv{index}.weight_add_tensor")) for index in (1, 2, 3))
    state = _windows(graph, "samples", 1, HOP - 1)
    state = graph.node("Tanh", graph.node("MatMul", [state, graph.constant(first)]))[0]
    flat = graph.node("Reshape", [state, graph.constant([1, 1, -1])])
    unit = [graph.constant(np.ones(1, np.float32)), graph.constant(np.zeros(1, np.float32))]
    state = graph.node("InstanceNormalization", [*flat, *unit], epsilon=EPSILON)[0]
    channels = first.shape[1]
    scale, shift = (weights.input(f"/groupnorm/{node}", 1).reshape(-1) for node in ("Mul", "Add"))
    repeats = len(second) // channels  # the norm's scale and shift per channel go into the next product
    bias = weights.array("conv2.bias") + np.tile(shift, repeats) @ second
    second = second * np.tile(scale, repeats)[:, None]
    state = _windows(graph, graph.node("Reshape", [state, graph.constant([-1, 3 * channels])])[0], 2, channels)
    state = _gelu(graph, graph.linear(state, [Quantized.of(second)], bias))
    channels = second.shape[1]
    state = _windows(graph, graph.node("Reshape", [state, graph.constant([-1, 2 * channels])])[0], 1, channels)
    state = _gelu(graph, graph.linear(state, [Quantized.of(third)], weights.array("conv3.bias")))
    return graph.node("Unsqueeze", [state, graph.constant([0])])[0]


def _windowed(kernel: Floats) -> Floats:
    """A convolution's kernel ``[out, in, k]`` as a matrix ``[k * in, out]`` for windows of ``[k, in]``."""
    return kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])


def _windows(graph: MoonshineGraph, value: str, whole: int, rest: int) -> str:
    """Rows joined with those that follow: each row, ``whole - 1`` more, and the first ``rest`` values of another."""
    parts = [
        graph.node("Slice", [value, graph.constant([index]), graph.constant([index - whole]), graph.constant([0])])[0]
        for index in range(whole)
    ]
    begin, end, axes = graph.constant([whole, 0]), graph.constant([LAST, rest]), graph.constant([0, 1])
    return graph.node("Concat", [*parts, *graph.node("Slice", [value, begin, end, axes])], axis=1)[0]


def _gelu(graph: MoonshineGraph, value: str) -> str:
    return graph.node("Gelu", [value], domain=ORT_DOMAIN)[0]


def _layer(graph: MoonshineGraph, weights: Weights, state: str, layer: int, rotary: list[str]) -> str:
    name = f"layers.{layer}"
    heads = head_count(weights, "/layers.0/self_attn")
    normed = graph.norm(state, weights.array(f"{name}.input_layernorm.weight"))
    parts = graph.attention_inputs(normed, weights, f"/{name}/self_attn", rotary, heads)
    seen = graph.node("MultiHeadAttention", parts, domain=ORT_DOMAIN, num_heads=heads)[0]
    state = graph.add(state, graph.linear(seen, [weights.quantized(f"/{name}/self_attn/o_proj/MatMul_quant")]))
    normed = graph.norm(state, weights.array(f"{name}.post_attention_layernorm.weight"))
    matrices = [weights.quantized(f"/{name}/mlp/{part}/MatMul_quant") for part in ("fc1", "fc2")]
    biases = [weights.array(f"{name}.mlp.{part}.bias") for part in ("fc1", "fc2")]
    wide = _gelu(graph, graph.linear(normed, matrices[:1], biases[0]))
    return graph.add(state, graph.linear(wide, matrices[1:], biases[1]))


def _cross(graph: MoonshineGraph, decoder: Weights, hidden: str) -> None:
    """The decoder's projections of the encoder's states, computed once; keys transposed for its products."""
    attention = "/model/decoder/layers.{}/encoder_attn"
    heads, layer = head_count(decoder, "/model/decoder/layers.0/self_attn"), 0
    while f"{attention.format(layer)}/k_proj/MatMul_quant" in decoder:
        for kind, order in (("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            matrix = decoder.quantized(f"{attention.format(layer)}/{kind[0]}_proj/MatMul_quant")
            size = matrix.values.shape[1] // heads
            shape = graph.constant([0, 0, heads, size])
            cut = graph.node("Reshape", [graph.linear(hidden, [matrix]), shape])
            name = graph.node("Transpose", cut, [f"cross.{layer}.{kind}"], perm=order)[0]
            graph.output(name, FLOAT, [1, heads, *((size, "frames") if kind == "key" else ("frames", size))])
        layer += 1
