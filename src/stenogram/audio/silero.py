"""The network of Silero VAD over any number of frames at once: a graph of our own around its weights.

As published, it hears one frame of 32 ms a call: 112,500 calls per hour of sound, 12.8 s of CPU time. Only its LSTM
needs one frame after the other; all before and behind it is a few large matrix products over the frames of a block. So
an hour costs 1.1 s, and each probability is the published network's within 3e-6 (both measured on recordings).

Per frame of 512 samples, with the 64 before it: 64 mirrored at the end; four spectra of 256 samples, 128 apart; their
magnitudes through four convolutions with ReLU; the LSTM; a weighted sum and the sigmoid. A convolution over four places
or fewer is written as one matrix: it multiplies by some zeros, but has nothing to rearrange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stenogram import bundled
from stenogram.onnx.graph import FLOAT, Graph
from stenogram.onnx.session import open_session
from stenogram.onnx.weights import Weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from stenogram.types import Samples

    Array = npt.NDArray[Any]

FRAME = 512
"""Samples per frame; Silero's only size at 16 kHz."""
CONTEXT = 64
"""Samples before a frame that Silero wants to see with it."""
HIDDEN = 128
"""Width of the LSTM."""
HOP = 128
"""Samples from one spectrum to the next; each is of two hops."""
SPECTRA = 4
"""Of a frame."""
BINS = HOP + 1
"""Frequencies of a spectrum, 0 to 8 kHz."""
STRIDES = (1, 2, 2, 1)
"""Of the convolutions; all have three taps, and a zero on either side of what they see."""

_WEIGHTS = "If_0_then_branch__Inline_0__"
"""Before the names of the weights for 16 kHz; those for 8 kHz are in the other branch."""


class SpeechNetwork:
    """Silero's weights in memory; one instance serves any number of streams and threads."""

    def __init__(self) -> None:
        """Load the network. Raises ``ModelError`` when the wheel that carries it is absent or damaged."""
        self._session = open_session(_graph(Weights(bundled.network("silero"))))

    def probabilities(self, sound: Samples, state: Samples) -> tuple[Samples, Samples]:
        """Probability of speech in each of n frames ``[n]``, and the state behind them.

        ``sound`` ``[CONTEXT + n * FRAME]``: the frames and what came before them; ``state`` ``[2, 1, HIDDEN]``: the
        one behind the frames before. Both are zeros where nothing came before.
        """
        probabilities, after = self._session.run(None, {"sound": sound, "state": state})
        return probabilities, after


def _graph(weights: Weights) -> bytes:
    """The graph from sound and state to probabilities and state."""
    graph = Graph()
    value = _magnitudes(graph, graph.input("sound", FLOAT, ["samples"]), weights)
    value = _convolutions(graph, value, weights)
    _recurrence(graph, value, graph.input("state", FLOAT, [2, 1, HIDDEN]), weights)
    graph.output("probabilities", FLOAT, ["frames"])
    graph.output("after", FLOAT, [2, 1, HIDDEN])
    return graph.build()


def _magnitudes(graph: Graph, sound: str, weights: Weights) -> str:
    """Sound ``[CONTEXT + n * FRAME]`` to the magnitudes of its spectra ``[n, SPECTRA * BINS]``."""
    rows = graph.constant([-1, FRAME])
    begins = graph.node("Reshape", [_part(graph, sound, 0, 0, -CONTEXT), rows])[0]
    frames = graph.node("Reshape", [_part(graph, sound, 0, CONTEXT), rows])[0]
    windows = graph.node("Concat", [begins, _part(graph, frames, 1, -CONTEXT)], axis=1)
    mirrored = graph.node("Pad", [*windows, graph.constant([0, 0, 0, CONTEXT])], mode="reflect")
    hops = graph.node("Reshape", [*mirrored, graph.constant([-1, SPECTRA + 1, HOP])])[0]
    pairs = graph.node("Concat", [_part(graph, hops, 1, 0, -1), _part(graph, hops, 1, 1)], axis=2)
    pieces = graph.node("Reshape", [*pairs, graph.constant([-1, 2 * HOP])])
    basis = weights.array(f"{_WEIGHTS}stft.forward_basis_buffer")[:, 0].T
    spectra = graph.node("MatMul", [*pieces, graph.constant(basis)])[0]
    parts = graph.node("Split", graph.node("Mul", [spectra, spectra]), 2, axis=1, num_outputs=2)
    magnitudes = graph.node("Sqrt", graph.node("Add", parts))
    return graph.node("Reshape", [*magnitudes, graph.constant([-1, SPECTRA * BINS])])[0]


def _part(graph: Graph, value: str, axis: int, start: int, end: int = 2**62) -> str:
    return graph.node("Slice", [value, *(graph.constant([place]) for place in (start, end, axis))])[0]


def _convolutions(graph: Graph, value: str, weights: Weights) -> str:
    """Magnitudes to what the LSTM hears ``[n, HIDDEN]``."""
    import numpy as np

    places = SPECTRA
    for index, stride in enumerate(STRIDES):
        kernel, bias = (weights.array(f"{_WEIGHTS}encoder.{index}.reparam_conv.{part}") for part in ("weight", "bias"))
        matrix = _as_matrix(kernel, places, stride)
        places = matrix.shape[1] // len(bias)
        inputs = [value, graph.constant(matrix), graph.constant(np.tile(bias, places))]
        value = graph.node("Relu", graph.node("Gemm", inputs))[0]
    return value


def _as_matrix(kernel: Array, places: int, stride: int) -> Array:
    """A convolution ``[out, in, 3]``, padded by one, over so many places: a matrix ``[places * in, results * out]``."""
    import numpy as np

    width, depth, taps = kernel.shape
    results = (places - 1) // stride + 1
    matrix = np.zeros((places + 2, depth, results, width), np.float32)
    for result in range(results):
        matrix[result * stride : result * stride + taps, :, result] = kernel.transpose(2, 1, 0)
    return matrix[1:-1].reshape(places * depth, results * width)


def _recurrence(graph: Graph, value: str, state: str, weights: Weights) -> None:
    """The LSTM over the frames, and the probability of each."""
    import numpy as np

    names = (f"{_WEIGHTS}decoder.rnn.{part}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    gates = [np.split(weights.array(name), 4) for name in names]  # input, forget, cell, output: ONNX has another order
    inner, recurrent, *biases = (np.concatenate([part[place] for place in (0, 3, 1, 2)]) for part in gates)
    hidden, cell = graph.node("Split", [state], 2, axis=0, num_outputs=2)
    steps = graph.node("Reshape", [value, graph.constant([-1, 1, HIDDEN])])
    matrices = [graph.constant(part[None]) for part in (inner, recurrent, np.concatenate(biases))]
    heard, *after = graph.node("LSTM", [*steps, *matrices, "", hidden, cell], 3, hidden_size=HIDDEN)
    graph.node("Concat", after, ["after"], axis=0)
    rows = graph.node("Relu", graph.node("Reshape", [heard, graph.constant([-1, HIDDEN])]))
    weight, bias = (weights.array(f"{_WEIGHTS}decoder.decoder.2.{part}") for part in ("weight", "bias"))
    sums = graph.node("Gemm", [*rows, graph.constant(weight.reshape(HIDDEN, 1)), graph.constant(bias)])
    flat = graph.node("Reshape", [*sums, graph.constant([-1])])
    graph.node("Sigmoid", flat, ["probabilities"])
