"""Weights in real file layouts that really read two recordings (``tools/onnx_asr_weights.py`` made them)."""

from __future__ import annotations

import difflib
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stenogram import engines
from stenogram.audio.silero import SpeechNetwork
from stenogram.audio.vad import Vad
from stenogram.bundled import asset
from stenogram.protocols import Loaded
from stenogram.types import SAMPLE_RATE, Chunk, LoadOptions, ModelFiles, Segment, TranscribeOptions, VadOptions, Word

WEIGHTS = Path(__file__).parents[2] / "weights" / "onnx-asr"
LAYOUTS = {
    "gigaam-v3-ctc": {"model": "v3_ctc.onnx", "vocab": "v3_vocab.txt"},
    "parakeet-tdt": {
        "encoder": "encoder-model.onnx",
        "decoder_joint": "decoder_joint-model.onnx",
        "vocab": "vocab.txt",
    },
}
PASSAGES = {
    "two_cities.wav": ((0.0, 5.0), (5.0, 10.0), (10.0, 15.0), (16.0, 24.3), (24.3, 33.4)),
    "beckett.wav": ((0.0, 9.9),),
}
KNOWN = {
    "two_cities.wav": (
        "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness",
        "we had everything before us we had nothing before us",
        "in short the period was so far like the present period",
    ),
    "beckett.wav": ("ever tried ever failed no matter try again",),
}
NEAR_S, FAR_S = 0.15, 0.3


def opened(engine: str, files: ModelFiles) -> Loaded:
    return engines.find(engine).load(files, LoadOptions(cpu_threads=1))


@pytest.fixture(scope="module", params=sorted(LAYOUTS))
def ours(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    names = LAYOUTS[request.param] | {"config": "config.json"}
    paths = {role: WEIGHTS / request.param / name for role, name in names.items()}
    loaded = opened("onnx-asr", ModelFiles(request.param, "onnx-asr", ("en",), paths, "digest"))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def moonshine() -> Iterator[Loaded]:
    names = {"encoder": "encoder_model.ort", "decoder": "decoder_model_merged.ort", "tokenizer": "tokenizer.bin"}
    paths = {role: asset(f"assets/tiny-en/{name}") for role, name in names.items()}
    loaded = opened("moonshine", ModelFiles("moonshine-tiny-en", "moonshine", ("en",), paths, "digest"))
    yield loaded
    loaded.close()


def passages(name: str) -> list[Chunk]:
    with wave.open(str(asset(f"assets/{name}"))) as file:
        step = file.getframerate() // SAMPLE_RATE
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    samples = samples[: len(samples) // step * step].reshape(-1, step)
    sound = (samples.mean(axis=1) / 32768).astype(np.float32)
    vad = Vad(SpeechNetwork(), VadOptions())
    spans = [*vad.feed(sound), *vad.finish()]
    return [
        Chunk(
            index,
            start,
            sound[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)],
            end - start,
            tuple(span for span in spans if span.start < end and span.end > start),
        )
        for index, (start, end) in enumerate(PASSAGES[name])
    ]


def letters(word: Word) -> str:
    return re.sub(r"[^a-z]", "", word.word.lower())


def words(results: list[list[Segment]]) -> list[Word]:
    return [word for segments in results for segment in segments for word in segment.words]


@pytest.mark.parametrize("name", sorted(PASSAGES))
def test_known_words_are_read(ours: Loaded, name: str) -> None:
    """Both kinds of decoding, from sound to text."""
    heard = " ".join(map(letters, words(ours.transcribe(passages(name), TranscribeOptions(), lambda: False))))

    for passage in KNOWN[name]:
        assert passage in heard


@pytest.mark.parametrize("name", sorted(PASSAGES))
def test_times_agree_with_another_engine(ours: Loaded, moonshine: Loaded, name: str) -> None:
    """Words begin and end where Moonshine, which aligns by attention, hears them begin and end."""
    chunks = passages(name)
    found, expected = (
        words(loaded.transcribe(chunks, TranscribeOptions(), lambda: False)) for loaded in (ours, moonshine)
    )
    blocks = difflib.SequenceMatcher(
        None, [letters(word) for word in found], [letters(word) for word in expected], autojunk=False
    ).get_matching_blocks()
    pairs = [(found[block.a + place], expected[block.b + place]) for block in blocks for place in range(block.size)]
    apart = np.array([(one.start - other.start, one.end - other.end) for one, other in pairs])

    assert len(pairs) >= 0.8 * len(expected)
    assert (np.abs(apart) <= NEAR_S).mean() >= 0.9, np.round(apart, 2)
    assert np.median(np.abs(apart)) <= 0.05
    assert np.abs(apart).max() <= FAR_S, np.round(apart, 2)
