"""Moonshine's decoder: one step from a token to the likelihood of the next, for a batch of rows.

A transformer decoder without biases in attention and norms, with rotary positions (interleaved, over the first
dimensions of each head) and a gated feed-forward; Jeffries et al., "Moonshine", 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

from stenogram.engines.moonshine.graph import MoonshineGraph, head_count
from stenogram.onnx.graph import FLOAT, INT64, ORT_DOMAIN
from stenogram.onnx.weights import Weights

MODEL = "/model/decoder"


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
    heads = head_count(weights, f"{MODEL}/layers.0/self_attn")
    width = weights.quantized(f"{MODEL}/layers.0/self_attn/q_proj/MatMul_quant").values.shape[1]
    return Shape(layers, heads, width // heads)


def step_graph(weights: Weights, positions: int, *, signed: bool) -> bytes:
    """Graph of one decoding step for a batch of rows, up to ``positions`` tokens.

    Inputs: ``token`` int64 ``[B, 1]``, ``position`` int64 ``[1]``, ``mask`` float32 ``[B, 1, 1, T]`` (0: a frame of
    the row, -inf: padding), ``cross.*`` of the encoder and ``past.*``. Outputs: ``logits`` ``[B, V]``, ``present.*``,
    and ``attention`` ``[B, T]``: what of the encoder's states was read, mean over all heads.
    """
    return _Step(weights, positions, signed=signed).build()


class _Step(MoonshineGraph):
    def __init__(self, weights: Weights, positions: int, *, signed: bool) -> None:
        super().__init__(signed=signed)
        self._weights = weights
        self._shape = read_shape(weights)
        state = self._embed(self.input("token", INT64, ["batch", 1]))
        self._mask = self.input("mask", FLOAT, ["batch", 1, 1, "frames"])
        self._rotary = [self.input("position", INT64, [1]), *self.rotary_tables(weights, positions)]
        self._attention: list[str] = []
        for layer in range(self._shape.layers):
            state = self.add(state, self._self_attention(self._norm(state, f"layers.{layer}/input_layernorm"), layer))
            normed = self._norm(state, f"layers.{layer}/post_attention_layernorm")
            state = self.add(state, self._cross_attention(normed, layer))
            state = self.add(state, self._feed_forward(self._norm(state, f"layers.{layer}/final_layernorm"), layer))
        logits = self.linear(self._norm(state, "norm"), [weights.quantized("/proj_out/MatMul_quant")])
        self.node("Squeeze", [logits, self.constant([1])], ["logits"])
        self.output("logits", FLOAT, ["batch", "vocabulary"])
        read = self.node("Mean", self._attention)
        self.node("ReduceMean", [*read, self.constant([1, 2])], ["attention"], keepdims=0)
        self.output("attention", FLOAT, ["batch", "frames"])

    def _embed(self, token: str) -> str:
        table = self.constant(self._weights.input(f"{MODEL}/embed_tokens/Gather", 0))
        dequantize = f"{MODEL}/embed_tokens/Gather_output_0_DequantizeLinear"
        scales = [self.constant(self._weights.input(dequantize, place)) for place in (1, 2)]
        return self.node("DequantizeLinear", [*self.node("Gather", [table, token]), *scales])[0]

    def _self_attention(self, state: str, layer: int) -> str:
        name, shape = f"{MODEL}/layers.{layer}/self_attn", self._shape
        parts = self.attention_inputs(state, self._weights, name, self._rotary, shape.heads)
        past, present = ([f"{time}.{layer}.{kind}" for kind in ("key", "value")] for time in ("past", "present"))
        for before, after in zip(past, present, strict=True):
            self.input(before, FLOAT, ["batch", shape.heads, "before", shape.head_size])
            self.output(after, FLOAT, ["batch", shape.heads, "after", shape.head_size])
        inputs, outputs = [*parts, "", "", "", *past], [f"attended.{layer}", *present]
        attended = self.node("MultiHeadAttention", inputs, outputs, domain=ORT_DOMAIN, num_heads=shape.heads)[0]
        return self.linear(attended, [self._weights.quantized(f"{name}/o_proj/MatMul_quant")])

    def _cross_attention(self, state: str, layer: int) -> str:
        """Attend to the encoder's states; keys come transposed, because a product with one row is then a plain sum."""
        name, shape = f"{MODEL}/layers.{layer}/encoder_attn", self._shape
        keys = self.input(f"cross.{layer}.key", FLOAT, ["batch", shape.heads, shape.head_size, "frames"])
        values = self.input(f"cross.{layer}.value", FLOAT, ["batch", shape.heads, "frames", shape.head_size])
        query = self.linear(state, [self._weights.quantized(f"{name}/q_proj/MatMul_quant")])
        query = self.mul(query, self.scalar(shape.head_size**-0.5))
        heads = self.node("Reshape", [query, self.constant([0, shape.heads, 1, shape.head_size])])[0]
        scores = self.add(self.node("MatMul", [heads, keys])[0], self._mask)
        shares = self.node("Softmax", [scores], axis=-1)[0]
        self._attention.append(shares)
        seen = self.node("MatMul", [shares, values])[0]
        joined = self.node("Reshape", [seen, self.constant([0, 1, shape.width])])[0]
        return self.linear(joined, [self._weights.quantized(f"{name}/o_proj/MatMul_quant")])

    def _feed_forward(self, state: str, layer: int) -> str:
        parts = [f"layers.{layer}/mlp/{part}" for part in ("fc1", "fc2")]
        matrices = [self._weights.quantized(f"{MODEL}/{part}/MatMul_quant") for part in parts]
        biases = [self._weights.input(f"{MODEL}/{part}/MatMul_quant", 4) for part in parts]
        value, gate = self.node("Split", [self.linear(state, matrices[:1], biases[0])], 2, axis=-1, num_outputs=2)
        silu = self.node("QuickGelu", [gate], domain=ORT_DOMAIN, alpha=1.0)[0]
        return self.linear(self.mul(silu, value), matrices[1:], biases[1])

    def _norm(self, value: str, name: str) -> str:
        return self.norm(value, self._weights.input(f"{MODEL}/{name}/LayerNormalization", 1))
