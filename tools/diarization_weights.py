"""Make tiny networks for sherpa-onnx's speaker diarization, in its own file formats, that really tell sounds apart.

A voice is a tone here. ``segmentation.onnx`` has the inputs, outputs and facts of pyannote-segmentation-3.0 (windows of
10 s, 589 frames, the powerset of three speakers, two at once): its one convolution listens for tones, two of them to a
local speaker. ``embedding.onnx`` is a speaker embedding in the layout of WeSpeaker: how loud each mel band is over its
time. So six tones are six people, and whoever shares a local speaker is told apart by the embedding alone.

The tests call ``write``; by hand::

    python -m tools.diarization_weights FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from stenogram.onnx.graph import FLOAT, Graph
from stenogram.types import SAMPLE_RATE

VOICES_HZ = ((250.0, 1287.0), (515.0, 1841.0), (853.0, 2550.0))
"""The tones of each local speaker: the middles of Kaldi's mel bands 8, 32; 16, 40; 24, 48."""
WINDOW, FIELD, SHIFT = 10 * SAMPLE_RATE, 991, 270
"""A window, and the receptive field of a frame and its step, in samples: those of pyannote-segmentation-3.0."""
POWERSET = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
MEL_BANDS = 80
QUIET = 0.02
"""Amplitude from which on a tone is heard."""
LOUD_MEL = 18.0
"""Kaldi's log energy of a mel band, of samples in the range of 16 bits, from which on it counts; noise stays below."""


def segmentation() -> bytes:
    """``x [N, 1, 160000]`` -> ``y [N, 589, 7]``, the log-probability of each set of speakers."""
    graph = Graph()
    x = graph.input("x", FLOAT, ["N", 1, "T"])
    time = np.arange(FIELD) / SAMPLE_RATE
    hann = np.hanning(FIELD) / (np.hanning(FIELD).sum() / 2)  # a tone of amplitude 1 has magnitude 1
    tones = [tone for voice in VOICES_HZ for tone in voice]
    waves = [wave(2 * np.pi * tone * time) * hann for tone in tones for wave in (np.cos, np.sin)]
    filters = graph.constant(np.array(waves, np.float32)[:, None])
    (heard,) = graph.node("Conv", [x, filters], strides=[SHIFT])
    (power,) = graph.node("Mul", [heard, heard])
    (turned,) = graph.node("Transpose", [power], perm=[0, 2, 1])
    per_voice = np.kron(np.eye(len(VOICES_HZ)), np.ones((2 * len(VOICES_HZ[0]), 1))) / QUIET**2
    (loudness,) = graph.node("MatMul", [turned, graph.constant(per_voice.astype(np.float32))])
    (above,) = graph.node("Sub", [loudness, graph.constant(np.array(1, np.float32))])
    limits = [graph.constant(np.array(limit, np.float32)) for limit in (-1, 1)]
    (active,) = graph.node("Clip", [above, *limits])
    sets = np.array([[voice in members for members in POWERSET] for voice in range(len(VOICES_HZ))], np.float32)
    (scores,) = graph.node("MatMul", [active, graph.constant(9 * sets)])
    graph.node("LogSoftmax", [scores], ["y"], axis=-1)
    graph.output("y", FLOAT, ["N", "frames", len(POWERSET)])
    facts = {
        "model_type": "pyannote-segmentation-3.0",
        "sample_rate": SAMPLE_RATE,
        "window_size": WINDOW,
        "receptive_field_size": FIELD,
        "receptive_field_shift": SHIFT,
        "num_speakers": len(VOICES_HZ),
        "powerset_max_classes": 2,
        "num_classes": len(POWERSET),
    }
    return graph.build({name: f"{value}" for name, value in facts.items()})


def embedding() -> bytes:
    """``x [N, T, 80]``, log mel energies -> ``embedding [N, 80]``."""
    graph = Graph()
    x = graph.input("x", FLOAT, ["N", "T", MEL_BANDS])
    (mean,) = graph.node("ReduceMean", [x, graph.constant([1])], keepdims=0)
    (above,) = graph.node("Sub", [mean, graph.constant(np.array(LOUD_MEL, np.float32))])
    graph.node("Relu", [above], ["embedding"])
    graph.output("embedding", FLOAT, ["N", MEL_BANDS])
    facts = {
        "framework": "wespeaker",
        "language": "English",
        "output_dim": MEL_BANDS,
        "sample_rate": SAMPLE_RATE,
        "normalize_samples": 0,  # in the range of 16 bits
    }
    return graph.build({name: f"{value}" for name, value in facts.items()})


def write(folder: Path) -> None:
    """Put both files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "segmentation.onnx").write_bytes(segmentation())
    (folder / "embedding.onnx").write_bytes(embedding())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
