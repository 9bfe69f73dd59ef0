"""Train the tiny speech recognisers that the tests of the engine onnx-asr read: real file layouts, real words.

Two layouts are written to ``tests/weights/onnx-asr``:

- ``gigaam-v3-ctc``: GigaAM v3 with CTC (``v3_ctc.onnx``, ``v3_vocab.txt``, ``config.json``), small letters only;
- ``parakeet-tdt``: NeMo's token-and-duration transducer (``encoder-model.onnx``, ``decoder_joint-model.onnx``,
  ``vocab.txt``, ``config.json``), with capitals and punctuation.

Both are small convolutional networks that learn the recordings of the wheel moonshine-voice by heart, from the words
and times that our own product hears in them with its bundled model. They know nothing else. The features are those
that onnx-asr computes. The transducer is the same kind of network: its encoder gives each token once, at its first
frame, and its joint network always moves on by one frame.

Run it in an environment of its own, with PyTorch (CPU, one thread, some minutes)::

    pip install torch==2.13.0 -e . && python tools/onnx_asr_weights.py
"""

from __future__ import annotations

import json
import sys
import wave
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnx_asr.preprocessors.numpy_preprocessor import GigaamPreprocessorNumpy, NemoPreprocessorNumpy
from torch import nn
from torch.nn import functional

import stenogram
from stenogram.bundled import asset
from stenogram.onnx.graph import FLOAT, INT32, INT64, Graph
from stenogram.types import SAMPLE_RATE, Word

OUT = Path(__file__).parents[1] / "tests" / "weights" / "onnx-asr"
RECORDINGS = ("two_cities.wav", "beckett.wav")
WIDTH, BLOCKS, KERNEL = 96, 6, 7
STRIDE = 4
"""Features per frame of the network."""
FRAME_S = STRIDE * 0.01
BATCH = 16
REPORT = 100
FORBIDDEN = -12.0
MISHEARD = {"Fair": "Fail", "fell": "fail"}
"""Words of Beckett that the bundled model gets wrong even with care."""
LETTERS = "abcdefghijklmnopqrstuvwxyz'"
MARKS = ".,?!"
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layout:
    """One family: its features, its tokens, how it writes a word with them, and how it was trained."""

    name: str
    features: int
    tokens: tuple[str, ...]
    steps: int
    rate: float
    """The highest learning rate."""
    slack_s: float
    """A letter may be heard this much before and after its word."""
    careful: bool
    """Whether the words to learn are those of careful decoding."""

    @property
    def blank(self) -> int:
        """The last token."""
        return len(self.tokens) - 1

    def spell(self, word: str, *, first: bool) -> list[int]:
        """Token ids of a word; ``first``: no space goes before it."""
        if self.name == "gigaam-v3-ctc":
            letters = [letter for letter in word.lower() if letter in LETTERS]
            pieces = letters if first or not letters else ["▁", *letters]
        else:
            known = [letter for letter in word if letter.lower() in LETTERS + MARKS]
            pieces = [f"▁{known[0]}", *known[1:]] if known else []
        return [self.tokens.index(piece) for piece in pieces]


CTC = Layout("gigaam-v3-ctc", 64, ("▁", *LETTERS, "<blk>"), 2500, 3e-3, 0.08, careful=False)
CAPITALS = LETTERS[:26].upper()
PIECES = ("<unk>", *(f"▁{letter}" for letter in LETTERS + CAPITALS), *LETTERS, *CAPITALS, *MARKS, "<blk>")
TDT = Layout("parakeet-tdt", 128, PIECES, 1600, 4e-3, 0.04, careful=True)


def read(name: str) -> list[npt.NDArray[Any]]:
    """A recording of the wheel at 16 kHz, brought down in two ways, so that neither is learnt by heart."""
    with wave.open(str(asset(f"assets/{name}"))) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    if rate == SAMPLE_RATE:
        return [samples]
    step = rate // SAMPLE_RATE
    samples = samples[: len(samples) // step * step]
    means = samples.reshape(-1, step).mean(axis=1).astype(np.float32)
    spectrum = np.fft.rfft(samples)[: len(samples) // step // 2 + 1]
    return [means, (np.fft.irfft(spectrum, len(means)) / step).astype(np.float32)]


def hear(name: str, *, careful: bool) -> list[Word]:
    """What our product hears."""
    words = stenogram.transcribe(asset(f"assets/{name}"), sequential=careful).words
    return [replace(word, word=MISHEARD.get(word.word, word.word)) for word in words]


class Examples:
    """Random cuts of the recordings, some noisy, quiet or padded, and now and then nothing but noise."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._rng = np.random.default_rng(0)
        self._sounds = [read(name) for name in RECORDINGS]
        self._words = [hear(name, careful=layout.careful) for name in RECORDINGS]
        self._lengths = np.array([len(sounds[0]) for sounds in self._sounds], float)
        if layout is CTC:
            self._preprocess: Any = GigaamPreprocessorNumpy("gigaam_v3")
        else:
            self._preprocess = NemoPreprocessorNumpy("nemo128")

    def features(self, samples: Floats) -> Floats:
        """What onnx-asr makes of the samples, ``[features, T]``."""
        features, lengths = self._preprocess(samples[None], np.array([len(samples)]))
        return np.asarray(features[0, :, : lengths[0]], np.float32)

    def draw(self) -> tuple[Floats, list[int], npt.NDArray[np.float32]]:
        """One example: features, token ids, and which tokens may stand in which frame (0 or ``FORBIDDEN``)."""
        rng = self._rng
        if self._chance(0.06):
            samples = rng.standard_normal(int(rng.uniform(0.5, 4) * SAMPLE_RATE)).astype(np.float32)
            return self._finish(samples * np.float32(10 ** rng.uniform(-5, -0.5)), [], 0.0)
        index = int(rng.choice(len(self._sounds), p=self._lengths / self._lengths.sum()))
        sounds = self._sounds[index]
        length = int(rng.uniform(1, 10) * SAMPLE_RATE)
        start = int(rng.integers(-SAMPLE_RATE, len(sounds[0]) - SAMPLE_RATE))
        begin, end = max(start, 0), min(start + length, len(sounds[0]))
        samples = sounds[rng.integers(len(sounds))][begin:end] * np.float32(10 ** rng.uniform(-0.6, 0.3))
        lead = int(rng.uniform(0, 0.3) * SAMPLE_RATE) if self._chance(0.3) else 0
        tail = int(rng.uniform(0, 0.5) * SAMPLE_RATE) if self._chance(0.3) else 0
        samples = np.pad(samples, (lead, tail))
        if self._chance(0.5):
            samples = samples + rng.standard_normal(len(samples)).astype(np.float32) * np.float32(
                10 ** rng.uniform(-5, -2.5)
            )
        words = [w for w in self._words[index] if w.start >= begin / SAMPLE_RATE and w.end <= end / SAMPLE_RATE]
        return self._finish(samples, words, (lead - begin) / SAMPLE_RATE)

    def _chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def _finish(self, samples: Floats, words: list[Word], shift_s: float) -> tuple[Floats, list[int], Floats]:
        features = self.features(np.clip(samples, -1, 1))
        frames = (features.shape[1] - 1) // STRIDE + 1
        allowed = np.full((frames, len(self._layout.tokens)), FORBIDDEN, np.float32)
        allowed[:, self._layout.blank] = 0
        if self._layout is CTC:
            allowed[:, 0] = 0
        ids: list[int] = []
        slack_s = self._layout.slack_s
        for word in words:
            spelt = self._layout.spell(word.word, first=not ids)
            low = max(int((word.start + shift_s - slack_s) / FRAME_S), 0)
            high = int((word.end + shift_s + slack_s) / FRAME_S) + 1
            allowed[low:high, spelt] = 0
            ids += spelt
        return features, ids, allowed


class Network(nn.Module):  # type: ignore[misc]  # the checks run without PyTorch
    """Two convolutions that halve the rate, then residual blocks that look around; log-probabilities come out."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.scale, self.shift = (0.25, 2.0) if layout is CTC else (1.0, 0.0)
        self.first = nn.Conv1d(layout.features, WIDTH, 5, 2, 2)
        self.second = nn.Conv1d(WIDTH, WIDTH, 5, 2, 2)
        self.deep = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, KERNEL, 1, KERNEL // 2, groups=WIDTH) for _ in range(BLOCKS))
        self.wide = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 1) for _ in range(BLOCKS))
        self.last = nn.Conv1d(WIDTH, len(layout.tokens), 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``[B, features, T]`` -> ``[B, T / 4, tokens]``."""
        x = functional.relu(self.first(features * self.scale + self.shift))
        x = functional.relu(self.second(x))
        for deep, wide in zip(self.deep, self.wide, strict=True):
            x = x + functional.relu(wide(deep(x)))
        return functional.log_softmax(self.last(x).transpose(1, 2), dim=-1)


def collate(examples: list[Any], layout: Layout) -> tuple[torch.Tensor, ...]:
    """Pad a batch with what silence looks like."""
    longest = max(features.shape[1] for features, _, _ in examples)
    frames = (longest - 1) // STRIDE + 1
    features = np.full((len(examples), layout.features, longest), 0.0 if layout is TDT else -20.0, np.float32)
    allowed = np.zeros((len(examples), frames, len(layout.tokens)), np.float32)
    for row, (one, _, mask) in enumerate(examples):
        features[row, :, : one.shape[1]] = one
        allowed[row, : len(mask)] = mask
    lengths = torch.tensor([len(mask) for _, _, mask in examples])
    targets = torch.tensor([token for _, ids, _ in examples for token in ids])
    counts = torch.tensor([len(ids) for _, ids, _ in examples])
    return torch.from_numpy(features), torch.from_numpy(allowed), lengths, targets, counts


def train(layout: Layout) -> Network:
    """Learn the recordings by heart."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network, examples = Network(layout), Examples(layout)
    optimiser = torch.optim.AdamW(network.parameters(), lr=layout.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, layout.rate, layout.steps)
    for step in range(layout.steps):
        features, allowed, lengths, targets, counts = collate([examples.draw() for _ in range(BATCH)], layout)
        logprobs = (network(features) + allowed).transpose(0, 1)
        loss = functional.ctc_loss(logprobs, targets, lengths, counts, blank=layout.blank, zero_infinity=True)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % REPORT == 0:
            print(f"{layout.name}: step {step}, loss {loss.item():.3f}", flush=True)
    return network


class Exporter:
    """Writes a network as a graph of ONNX."""

    def __init__(self, network: Network) -> None:
        self.graph = Graph()
        self._network = network

    def scalar(self, value: float) -> str:
        """A constant number."""
        return self.graph.constant(np.array(value, np.float32))

    def logits(self, features: str) -> str:
        """The network up to the softmax, ``[B, tokens, T / 4]``."""
        graph, network = self.graph, self._network
        (x,) = graph.node("Mul", [features, self.scalar(network.scale)])
        (x,) = graph.node("Add", [x, self.scalar(network.shift)])
        for layer in (network.first, network.second):
            (x,) = graph.node("Relu", [self.conv(layer, x)])
        for deep, wide in zip(network.deep, network.wide, strict=True):
            (change,) = graph.node("Relu", [self.conv(wide, self.conv(deep, x))])
            (x,) = graph.node("Add", [x, change])
        return self.conv(network.last, x)

    def conv(self, layer: nn.Conv1d, x: str) -> str:
        """One convolution."""
        weights = [self.graph.constant(part.detach().numpy()) for part in (layer.weight, layer.bias)]
        pads = [layer.padding[0]] * 2
        return self.graph.node("Conv", [x, *weights], pads=pads, strides=list(layer.stride), group=layer.groups)[0]


def write_ctc(network: Network, folder: Path) -> None:
    """GigaAM's one file: log-probabilities of each frame."""
    exporter = Exporter(network)
    graph = exporter.graph
    features = graph.input("features", FLOAT, ["batch", CTC.features, "time"])
    graph.input("feature_lengths", INT64, ["batch"])
    (turned,) = graph.node("Transpose", [exporter.logits(features)], perm=[0, 2, 1])
    graph.node("LogSoftmax", [turned], ["log_probs"], axis=-1)
    graph.output("log_probs", FLOAT, ["batch", "frames", len(CTC.tokens)])
    (folder / "v3_ctc.onnx").write_bytes(graph.build())
    write_lists(CTC, folder / "v3_vocab.txt", {"model_type": "gigaam", "version": "v3", "subsampling_factor": STRIDE})


def write_tdt(network: Network, folder: Path) -> None:
    """NeMo's two files: an encoder whose frames after the first of a token are blank, and a joint network."""
    exporter = Exporter(network)
    graph = exporter.graph
    features = graph.input("audio_signal", FLOAT, ["batch", TDT.features, "time"])
    lengths = graph.input("length", INT64, ["batch"])
    logits = exporter.logits(features)
    (best,) = graph.node("ArgMax", [logits], axis=1, keepdims=1)
    before, axes = graph.constant([-1]), graph.constant([2])
    (earlier,) = graph.node("Pad", [best, graph.constant([0, 0, 1, 0, 0, 0]), graph.constant(np.array(-1, np.int64))])
    (earlier,) = graph.node("Slice", [earlier, graph.constant([0]), before, axes])
    (same,) = graph.node("Equal", [best, earlier])
    (same,) = graph.node("Cast", [same], to=FLOAT)
    blank = np.zeros((1, len(TDT.tokens), 1), np.float32)
    blank[0, TDT.blank] = 100
    (extra,) = graph.node("Mul", [same, graph.constant(blank)])
    graph.node("Add", [logits, extra], ["outputs"])
    graph.output("outputs", FLOAT, ["batch", len(TDT.tokens), "frames"])
    (rounded,) = graph.node("Add", [lengths, graph.constant(np.array(STRIDE - 1, np.int64))])
    graph.node("Div", [rounded, graph.constant(np.array(STRIDE, np.int64))], ["encoded_lengths"])
    graph.output("encoded_lengths", INT64, ["batch"])
    (folder / "encoder-model.onnx").write_bytes(graph.build())
    (folder / "decoder_joint-model.onnx").write_bytes(joint())
    config = {"model_type": "nemo-conformer-tdt", "features_size": TDT.features, "subsampling_factor": STRIDE}
    write_lists(TDT, folder / "vocab.txt", config)


def joint() -> bytes:
    """The logits of a frame as they are, and the logits of durations 0 to 4, of which 1 always wins."""
    graph = Graph()
    frame = graph.input("encoder_outputs", FLOAT, ["batch", len(TDT.tokens), "frames"])
    for name, shape in (("targets", ["batch", "tokens"]), ("target_length", ["batch"])):
        graph.input(name, INT32, shape)
    (turned,) = graph.node("Transpose", [frame], perm=[0, 2, 1])
    (turned,) = graph.node("Unsqueeze", [turned, graph.constant([2])])
    durations = graph.constant(np.array([0, 9, 0, 0, 0], np.float32).reshape(1, 1, 1, 5))
    graph.node("Concat", [turned, durations], ["outputs"], axis=-1)
    graph.output("outputs", FLOAT, ["batch", "frames", "tokens", len(TDT.tokens) + 5])
    for number in (1, 2):
        graph.input(f"input_states_{number}", FLOAT, [2, "batch", 8])
        graph.node("Identity", [f"input_states_{number}"], [f"output_states_{number}"])
        graph.output(f"output_states_{number}", FLOAT, [2, "batch", 8])
    return graph.build()


def write_lists(layout: Layout, vocab: Path, config: dict[str, object]) -> None:
    """The vocabulary, a token and its id a line, and ``config.json``."""
    vocab.write_text("".join(f"{token} {index}\n" for index, token in enumerate(layout.tokens)), encoding="utf-8")
    (vocab.parent / "config.json").write_text(json.dumps(config) + "\n", encoding="utf-8")


def main() -> None:
    """Train and write the layouts named on the command line, or both."""
    for layout, write in ((CTC, write_ctc), (TDT, write_tdt)):
        if not sys.argv[1:] or layout.name in sys.argv[1:]:
            folder = OUT / layout.name
            folder.mkdir(parents=True, exist_ok=True)
            write(train(layout), folder)


if __name__ == "__main__":
    main()
