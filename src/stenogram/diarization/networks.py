"""The two networks of the built-in diarizer: graphs of our own around the weights that come with the wheel.

As they are published, one call of the segmentation network answers with hard decisions, and one call of the embedding
network hears a stretch of sound for one speaker. Built anew, the first gives probabilities, which can be averaged where
windows overlap; and of the second, nearly all of whose work is the same whoever is listened to, that part is done once
for all speakers, and what is left (a weighted mean and deviation, and one matrix) costs nothing. onnxruntime also
computes such a graph faster than one in its own format, which it may no longer rearrange.

- Segmentation: PyanNet (SincNet, LSTM) of pyannote community-1: H. Bredin, "pyannote.audio 2.1", Interspeech 2023;
  A. Plaquet and H. Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization", Interspeech 2023.
- Embedding: ResNet34 of WeSpeaker: H. Wang et al., "WeSpeaker", ICASSP 2023.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from stenogram import bundled
from stenogram.onnx.graph import FLOAT, Graph
from stenogram.onnx.session import open_session
from stenogram.onnx.weights import Weights
from stenogram.types import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stenogram.types import Samples

    Array = npt.NDArray[Any]
    Floats = npt.NDArray[np.float32]

VERSION = 1
"""Raise by one whenever these graphs compute something else."""

WINDOW = 10 * SAMPLE_RATE
"""Samples that the segmentation network hears at a time; it was trained on such windows."""
FRAMES = 589
"""Its answers for a window, evenly spaced."""
FRAME = 270
"""Samples from one answer to the next: the strides of the convolutions and the pooling, 10 * 3 * 3 * 3."""
FIRST = 495
"""Sample in the middle of what the first answer has heard (its receptive field is 991 samples)."""
POWERSET = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""Classes of the segmentation network: which of a window's three local speakers speak."""

FBANK_STEP = 8
"""Frames of the filter bank (10 ms) to one column of what the embedding network's convolutions give."""
VOICE = 256
"""Values of an embedding."""
COLUMN = 2560
"""Values of a column: 256 channels of 10 bands."""

_STRIDED = (2, 3, 4)
"""Layers of the ResNet that begin with a stride."""
_BLOCKS = (3, 4, 6, 3)
"""Blocks in each layer of ResNet34."""


class SegmentationNetwork:
    """Who of up to three local speakers speaks when in a window; safe in several threads."""

    def __init__(self) -> None:
        """Load the network. Raises ``ModelError`` when the wheel that carries it is absent or damaged."""
        self._session = open_session(_segmentation(Weights(bundled.network("segmentation"))))

    def probabilities(self, windows: Samples) -> Floats:
        """Windows ``[B, WINDOW]`` to the probabilities of the classes of ``POWERSET`` ``[B, FRAMES, 7]``."""
        (found,) = self._session.run(None, {"waveforms": windows[:, None]})
        return found  # type: ignore[no-any-return]


class EmbeddingNetwork:
    """What a voice is like; safe in several threads."""

    def __init__(self) -> None:
        """Load the network. Raises ``ModelError`` when the wheel that carries it is absent or damaged."""
        weights = Weights(bundled.network("embedding"))
        self._resnet = open_session(_resnet(weights))
        self._pooling = open_session(_pooling(weights))

    def columns(self, fbank: Floats) -> Floats:
        """A filter bank ``[n, 80]`` to ``[ceil(n / FBANK_STEP), COLUMN]``, one row for each 80 ms."""
        (found,) = self._resnet.run(None, {"fbank": fbank[None]})
        return found  # type: ignore[no-any-return]

    def voices(self, columns: Floats, weights: Floats) -> Floats:
        """The voice behind columns ``[T, COLUMN]`` for each row of ``weights`` ``[S, T]``: ``[S, VOICE]``, length 1.

        Weighted mean and deviation, as in the network's own pooling; each row of ``weights`` must be above 0 somewhere.
        """
        (found,) = self._pooling.run(None, {"columns": columns, "weights": weights})
        return found  # type: ignore[no-any-return]


class Networks:
    """Both networks, each loaded when it is first needed; safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._segmentation: SegmentationNetwork | None = None
        self._embedding: EmbeddingNetwork | None = None

    def segmentation(self) -> SegmentationNetwork:
        """Raises ``ModelError`` when the wheel that carries it is absent or damaged."""
        with self._lock:
            self._segmentation = self._segmentation or SegmentationNetwork()
            return self._segmentation

    def embedding(self) -> EmbeddingNetwork:
        """Raises ``ModelError`` when the wheel that carries it is absent or damaged."""
        with self._lock:
            self._embedding = self._embedding or EmbeddingNetwork()
            return self._embedding

    def forget(self) -> None:
        """Free the memory."""
        with self._lock:
            self._segmentation = self._embedding = None


# --- segmentation ----------------------------------------------------------------------------------------------------


def _segmentation(weights: Weights) -> bytes:
    graph = Graph()
    value = graph.input("waveforms", FLOAT, ["batch", 1, WINDOW])
    value = _normalized(graph, value, weights, "/inner/sincnet/wav_norm1d/InstanceNormalization")
    (value,) = graph.node("Conv", [value, graph.constant(_sinc_filters(weights))], strides=[10])
    (value,) = graph.node("Abs", [value])
    for layer in range(3):
        if layer:
            value = _affine(graph, "Conv", value, weights, f"/inner/sincnet/conv1d.{layer}/Conv")
        (value,) = graph.node("MaxPool", [value], kernel_shape=[3], strides=[3])
        value = _normalized(graph, value, weights, f"/inner/sincnet/norm1d.{layer}/InstanceNormalization")
        (value,) = graph.node("LeakyRelu", [value], alpha=0.01)
    (value,) = graph.node("Transpose", [value], perm=[2, 0, 1])
    for layer in range(4):
        name = "/inner/lstm/LSTM" + (f"_{layer}" if layer else "")
        parts = [graph.constant(weights.dequantized(name, place)) for place in (1, 2, 3)]
        (value,) = graph.node("LSTM", [value, *parts], direction="bidirectional", hidden_size=128)
        (value,) = graph.node("Transpose", [value], perm=[0, 2, 1, 3])
        (value,) = graph.node("Reshape", [value, graph.constant([0, 0, -1])])
    for layer in range(2):
        (value,) = graph.node("LeakyRelu", [_linear(graph, value, weights, f"/inner/linear.{layer}")], alpha=0.01)
    (value,) = graph.node("Softmax", [_linear(graph, value, weights, "/inner/classifier")], axis=-1)
    graph.node("Transpose", [value], ["probabilities"], perm=[1, 0, 2])
    graph.output("probabilities", FLOAT, ["batch", FRAMES, len(POWERSET)])
    return graph.build()


def _sinc_filters(weights: Weights) -> Floats:
    """Band-pass filters ``[80, 1, 251]``, each a sine and a cosine, from their lower edges and widths in Hz.

    M. Ravanelli and Y. Bengio, "Speaker Recognition from Raw Waveform with SincNet", SLT 2018; with the cosines of
    M. Pariente et al., "Filterbank design for end-to-end speech separation", ICASSP 2020 (asteroid's ParamSincFB).
    """
    import numpy as np

    low_hz, band_hz, window = (
        weights.array(f"inner.sincnet.conv1d.0.filterbank.{name}_").astype(np.float64)
        for name in ("low_hz", "band_hz", "window")
    )
    least_hz = 50.0
    low = least_hz + np.abs(low_hz)
    high = np.clip(low + least_hz + np.abs(band_hz), least_hz, SAMPLE_RATE / 2)
    band = high - low
    radians = 2 * np.pi * np.arange(-len(window), 0) / SAMPLE_RATE
    sines = (np.sin(high * radians) - np.sin(low * radians)) / (radians / 2) * window
    cosines = (np.cos(low * radians) - np.cos(high * radians)) / (radians / 2) * window
    even = np.concatenate([sines, 2 * band, sines[:, ::-1]], axis=1)
    odd = np.concatenate([cosines, np.zeros_like(band), -cosines[:, ::-1]], axis=1)
    return (np.concatenate([even / (2 * band), odd / (2 * band)])[:, None]).astype(np.float32)


def _normalized(graph: Graph, value: str, weights: Weights, node: str) -> str:
    parts = [graph.constant(weights.input(node, place)) for place in (1, 2)]
    return graph.node("InstanceNormalization", [value, *parts], epsilon=1e-5)[0]


def _linear(graph: Graph, value: str, weights: Weights, name: str) -> str:
    (value,) = graph.node("MatMul", [value, graph.constant(weights.dequantized(f"{name}/MatMul", 1))])
    return graph.node("Add", [value, graph.constant(weights.input(f"{name}/Add", 0))])[0]


# --- embedding -------------------------------------------------------------------------------------------------------


def _resnet(weights: Weights) -> bytes:
    """From the filter bank to the columns that are pooled."""
    graph = Graph()
    (value,) = graph.node("Transpose", [graph.input("fbank", FLOAT, [1, "frames", 80])], perm=[0, 2, 1])
    (value,) = graph.node("Unsqueeze", [value, graph.constant([1])])
    (value,) = graph.node("Relu", [_affine(graph, "Conv", value, weights, "/resnet/conv1/Conv", pads=[1, 1, 1, 1])])
    for layer, blocks in enumerate(_BLOCKS, start=1):
        for block in range(blocks):
            stride = 2 if block == 0 and layer in _STRIDED else 1
            value = _block(graph, value, weights, f"/resnet/layer{layer}/layer{layer}.{block}", stride)
    (value,) = graph.node("Reshape", [value, graph.constant([COLUMN, -1])])
    graph.node("Transpose", [value], ["columns"], perm=[1, 0])
    graph.output("columns", FLOAT, ["columns", COLUMN])
    return graph.build()


def _block(graph: Graph, value: str, weights: Weights, name: str, stride: int) -> str:
    beside = value
    strides = [stride, stride]
    if f"{name}/shortcut/shortcut.0/Conv" in weights:
        beside = _affine(graph, "Conv", value, weights, f"{name}/shortcut/shortcut.0/Conv", strides=strides)
    first = _affine(graph, "Conv", value, weights, f"{name}/conv1/Conv", pads=[1, 1, 1, 1], strides=strides)
    (value,) = graph.node("Relu", [first])
    value = _affine(graph, "Conv", value, weights, f"{name}/conv2/Conv", pads=[1, 1, 1, 1])
    return graph.node("Relu", graph.node("Add", [value, beside]))[0]


def _affine(graph: Graph, op: str, value: str, weights: Weights, node: str, **attributes: Any) -> str:
    """An operator with weight and bias as its second and third inputs."""
    parts = [graph.constant(weights.dequantized(node, place)) for place in (1, 2)]
    return graph.node(op, [value, *parts], **attributes)[0]


def _pooling(weights: Weights) -> bytes:
    """From columns and weights to voices.

    The deviation is the unbiased one of reliability weights: ``sum(w (x - mean)^2) / (W - sum(w^2) / W)``, ``W`` the
    sum of the weights; with ``sum(w (x - mean)^2) = sum(w x^2) - W mean^2``.
    """
    import numpy as np

    graph = Graph()

    def node(op: str, *inputs: str, **attributes: Any) -> str:
        return graph.node(op, inputs, **attributes)[0]

    columns, given = graph.input("columns", FLOAT, ["T", COLUMN]), graph.input("weights", FLOAT, ["S", "T"])
    along = graph.constant([1])
    tiny, zero = (graph.constant(np.array([value], np.float32)) for value in (1e-8, 0))
    total = node("Add", node("ReduceSum", given, along), tiny)
    mean = node("Div", node("MatMul", given, columns), total)
    squares = node("MatMul", given, node("Mul", columns, columns))
    spread = node("Sub", squares, node("Mul", total, node("Mul", mean, mean)))
    divisor = node("Sub", total, node("Div", node("ReduceSum", node("Mul", given, given), along), total))
    variance = node("Div", node("Max", spread, zero), node("Add", divisor, tiny))
    both = node("Concat", mean, node("Sqrt", variance), axis=1)
    parts = [graph.constant(weights.dequantized("/resnet/seg_1/Gemm", place)) for place in (1, 2)]
    voices = node("Gemm", both, *parts, transB=1)
    graph.node("Div", [voices, node("ReduceL2", voices, along)], ["voices"])
    graph.output("voices", FLOAT, ["S", VOICE])
    return graph.build()
