"""Moonshine's decoder as a graph of our own, built from the weights of ``decoder_model_merged.ort``.

The exported graph quantises activations with one scale for the whole batch, so that a chunk's text depends on its
batch mates (16 of 91 dev clips), and it spends four fifths of a step on some 900 small nodes. This one computes the
same network with a tenth of the nodes; every row is quantised by itself, so that its result is its own, bit for bit.

The network (Jeffries et al., "Moonshine", 2024): a transformer decoder without biases in attention and norms, with
rotary positions (interleaved, over the first dimensions of each head), and a SwiGLU feed-forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stenogram.engines.onnx_graph import FLOAT, INT64, ORT_DOMAIN, Graph
from stenogram.engines.ort_weights import Quantized, Weights

if TYPE_CHECKING:
    import numpy.typing as npt

MODEL = "/model/decoder"
BLOCK = 32
"""Values that share a scale when activations are quantised; MatMulNBits's smallest block for 8 bits, and exact here,
because the widths of the models are multiples of it."""
INT8_ACTIVATIONS = 4
"""MatMulNBits's ``accuracy_level``: products in int8."""
EPSILON = 1e-5
"""Of the layer norms, as exported."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a decoder, read from its graph."""

    layers: int
    heads: int
    head_size: int

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return self.heads * self.head_size


def read_shape(weights: Weights) -> Shape:
    """Count the layers and heads."""
    layers = 0
    while f"{MODEL}/layers.{layers}/mlp/fc2/MatMul_quant" in weights:
        layers += 1
    _, heads, _, head_size = weights.input_shape("past_key_values.0.decoder.key")
    return Shape(layers, heads, head_size)


class DecoderGraph(Graph):
    """Building blocks shared by the two graphs."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights
        self.shape = read_shape(weights)

    def linear(self, value: str, names: list[str], bias: str = "") -> str:
        """Multiply by one matrix, or by several side by side. Activations are quantised per row and block."""
        import numpy as np

        matrices = [self.weights.quantized(f"{name}/MatMul_quant") for name in names]
        packed, scales, zero_points = (np.concatenate(part) for part in zip(*map(_blocks, matrices), strict=True))
        inputs = [value, self.constant(packed), self.constant(scales), self.constant(zero_points)]
        if bias:
            inputs += ["", self.constant(self.weights.array(bias))]
        depth, rows = matrices[0].values.shape[0], packed.shape[0]
        settings = {"K": depth, "N": rows, "bits": 8, "block_size": BLOCK, "accuracy_level": INT8_ACTIVATIONS}
        return self.node("MatMulNBits", inputs, domain=ORT_DOMAIN, **settings)[0]

    def norm(self, value: str, name: str) -> str:
        """Layer norm without bias."""
        scale = self.constant(self.weights.input(f"{MODEL}/{name}/LayerNormalization", 1))
        return self.node("LayerNormalization", [value, scale], axis=-1, epsilon=EPSILON)[0]

    def add(self, left: str, right: str) -> str:
        """Sum of two values."""
        return self.node("Add", [left, right])[0]

    def declare_cross(self, direction: str) -> list[str]:
        """Declare the keys and values of the encoder's states, two per layer, as ``"input"`` or ``"output"``."""
        names = [f"cross.{layer}.{kind}" for layer in range(self.shape.layers) for kind in ("key", "value")]
        for name in names:
            sizes = ["frames", self.shape.head_size]
            sizes = sizes[::-1] if name.endswith("key") else sizes
            getattr(self, direction)(name, FLOAT, ["batch", self.shape.heads, *sizes])
        return names


def _blocks(matrix: Quantized) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """A matrix in MatMulNBits's layout: ``[N, K / BLOCK, BLOCK]``, and a scale and a zero point per block."""
    import numpy as np

    depth, rows = matrix.values.shape
    blocks = depth // BLOCK
    packed = np.ascontiguousarray(matrix.values.T).reshape(rows, blocks, BLOCK)
    scales = np.repeat(np.broadcast_to(matrix.scale, rows), blocks)
    return packed, scales, np.repeat(np.broadcast_to(matrix.zero_point, rows), blocks)


def cross_graph(weights: Weights) -> bytes:
    """Graph from the encoder's ``hidden`` states ``[1, T, D]`` to the keys and values of every layer."""
    graph = DecoderGraph(weights)
    shape = graph.shape
    hidden = graph.input("hidden", FLOAT, ["batch", "frames", shape.width])
    split = graph.constant([0, 0, shape.heads, shape.head_size])
    for name in graph.declare_cross("output"):
        _, layer, kind = name.split(".")
        projected = graph.linear(hidden, [f"{MODEL}/layers.{layer}/encoder_attn/{kind[0]}_proj"])
        heads = graph.node("Reshape", [projected, split])
        graph.node("Transpose", heads, [name], perm=[0, 2, 3, 1] if kind == "key" else [0, 2, 1, 3])
    return graph.build()


def step_graph(weights: Weights, positions: int) -> bytes:
    """Graph of one decoding step for a batch of rows, up to ``positions`` tokens.

    Inputs: ``token`` int64 ``[B, 1]``, ``position`` int64 ``[1]``, ``mask`` float32 ``[B, 1, 1, T]`` (0: a frame of
    the row, -inf: padding), ``cross.*`` and ``past.*``. Outputs: ``logits`` ``[B, V]`` and ``present.*``.
    """
    graph = DecoderGraph(weights)
    shape = graph.shape
    token = graph.input("token", INT64, ["batch", 1])
    position = graph.input("position", INT64, [1])
    hidden_frames = graph.input("mask", FLOAT, ["batch", 1, 1, "frames"])
    cross = graph.declare_cross("input")
    rotary = [position, *map(graph.constant, _rotation(weights, positions))]
    state = _embed(graph, token)
    for layer in range(shape.layers):
        name = f"layers.{layer}"
        attended = _self_attention(graph, graph.norm(state, f"{name}/input_layernorm"), layer, rotary)
        state = graph.add(state, attended)
        query = graph.linear(
            graph.norm(state, f"{name}/post_attention_layernorm"), [f"{MODEL}/{name}/encoder_attn/q_proj"]
        )
        seen = _cross_attention(graph, query, cross[2 * layer : 2 * layer + 2], hidden_frames)
        state = graph.add(state, graph.linear(seen, [f"{MODEL}/{name}/encoder_attn/o_proj"]))
        state = graph.add(state, _feed_forward(graph, graph.norm(state, f"{name}/final_layernorm"), name))
    logits = graph.linear(graph.norm(state, "norm"), ["/proj_out"])
    graph.node("Squeeze", [logits, graph.constant([1])], ["logits"])
    graph.output("logits", FLOAT, ["batch", "vocabulary"])
    return graph.build()


def _embed(graph: DecoderGraph, token: str) -> str:
    weights = graph.weights
    table = weights.input(f"{MODEL}/embed_tokens/Gather", 0)
    scale, zero_point = (
        weights.input(f"{MODEL}/embed_tokens/Gather_output_0_DequantizeLinear", place) for place in (1, 2)
    )
    rows = graph.node("Gather", [graph.constant(table), token])
    return graph.node("DequantizeLinear", [*rows, graph.constant(scale), graph.constant(zero_point)])[0]


def _rotation(weights: Weights, positions: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Cosines and sines of the rotary positions, ``[positions, rotated / 2]`` each."""
    import numpy as np

    frequencies = weights.input(f"{MODEL}/rotary_emb/Expand", 0).reshape(1, -1)
    angles = np.arange(positions, dtype=np.float32)[:, None] * frequencies
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _self_attention(graph: DecoderGraph, state: str, layer: int, rotary: list[str]) -> str:
    shape, name = graph.shape, f"{MODEL}/layers.{layer}/self_attn"
    projected = graph.linear(state, [f"{name}/{kind}_proj" for kind in "qkv"])
    widths = graph.constant([2 * shape.width, shape.width])
    queries_keys, values = graph.node("Split", [projected, widths], 2, axis=-1)
    rotated = 2 * graph.weights.input(f"{MODEL}/rotary_emb/Expand", 0).size
    turned = graph.node(
        "RotaryEmbedding",
        [queries_keys, *rotary],
        domain=ORT_DOMAIN,
        interleaved=1,
        num_heads=2 * shape.heads,
        rotary_embedding_dim=rotated,
    )
    queries, keys = graph.node("Split", turned, 2, axis=-1, num_outputs=2)
    past = [f"past.{layer}.{kind}" for kind in ("key", "value")]
    present = [f"present.{layer}.{kind}" for kind in ("key", "value")]
    for before, after in zip(past, present, strict=True):
        graph.input(before, FLOAT, ["batch", shape.heads, "past", shape.head_size])
        graph.output(after, FLOAT, ["batch", shape.heads, "present", shape.head_size])
    attended = f"attended.{layer}"
    inputs = [queries, keys, values, "", "", "", *past]
    graph.node("MultiHeadAttention", inputs, [attended, *present], domain=ORT_DOMAIN, num_heads=shape.heads)
    return graph.linear(attended, [f"{name}/o_proj"])


def _cross_attention(graph: DecoderGraph, query: str, keys_values: list[str], mask: str) -> str:
    """Attend to the encoder's states; keys lie as ``[B, heads, head_size, T]``, so that no product is transposed."""
    import numpy as np

    shape = graph.shape
    scale = np.array(shape.head_size**-0.5, np.float32)
    query = graph.node("Mul", [query, graph.constant(scale)])[0]
    heads = graph.node("Reshape", [query, graph.constant([0, shape.heads, 1, shape.head_size])])[0]
    scores = graph.add(graph.node("MatMul", [heads, keys_values[0]])[0], mask)
    shares = graph.node("Softmax", [scores], axis=-1)[0]
    seen = graph.node("MatMul", [shares, keys_values[1]])[0]
    return graph.node("Reshape", [seen, graph.constant([0, 1, shape.width])])[0]


def _feed_forward(graph: DecoderGraph, state: str, name: str) -> str:
    parameters = f"model.decoder.{name}.mlp"
    wide = graph.linear(state, [f"{MODEL}/{name}/mlp/fc1"], f"{parameters}.fc1.bias_merged_0")
    value, gate = graph.node("Split", [wide], 2, axis=-1, num_outputs=2)
    open_gate = graph.node("QuickGelu", [gate], domain=ORT_DOMAIN, alpha=1.0)
    gated = graph.node("Mul", [*open_gate, value])[0]
    return graph.linear(gated, [f"{MODEL}/{name}/mlp/fc2"], f"{parameters}.fc2.bias_merged_0")
