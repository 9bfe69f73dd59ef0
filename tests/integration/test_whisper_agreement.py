"""Engines that run the same Whisper weights hear the same words at the same times, in every number type."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from stenogram import engines
from stenogram.audio.decode import Decoder
from stenogram.engines.options import settle
from stenogram.scoring import character_error_rate, word_error_rate
from stenogram.types import SAMPLE_RATE, Chunk, DecodeOptions, LoadOptions, ModelFiles, Segment, TranscribeOptions
from tests import whisper_weights
from tools.whisper_files import WEIGHTS

OPTIONS = TranscribeOptions(language="en", word_timestamps=False)
"""Without words, segments have the model's own times."""
PASSAGES_S = {"two_cities.wav": 20.8, "endgame_nagg_nell.wav": 14.4}
KINDS: dict[str, tuple[Callable[[], ModelFiles], LoadOptions]] = {
    "whisper float32": (whisper_weights.ctranslate2_files, LoadOptions(device="cpu", compute_type="float32")),
    "whisper int8": (whisper_weights.ctranslate2_files, LoadOptions(device="cpu", compute_type="int8")),
    "whisper.cpp f16": (partial(whisper_weights.ggml_files, "f16"), LoadOptions()),
    "whisper.cpp q8_0": (partial(whisper_weights.ggml_files, "q8_0"), LoadOptions()),
    "whisper.cpp q5_0": (partial(whisper_weights.ggml_files, "q5_0"), LoadOptions()),
    "openai-whisper float32": (whisper_weights.checkpoint_files, LoadOptions(device="cpu", cpu_threads=1)),
}
NEEDS_TORCH = {"openai-whisper float32"}
"""Run by ``make test-engines``."""


@dataclass(frozen=True)
class Passage:
    """The start of a recording, and the words that are known to be in it."""

    chunk: Chunk
    text: str


@pytest.fixture(scope="module", params=sorted(PASSAGES_S))
def passage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, two_cities: Path) -> Passage:
    """One of the recordings that the weights were taught."""
    with Decoder() as decoder:
        source, folder = two_cities.with_name(request.param), tmp_path_factory.mktemp("sound")
        *_, decoded = decoder.decode(source, folder, DecodeOptions(), lambda: False)
    samples = decoded.audios[0].window(0, int(PASSAGES_S[request.param] * SAMPLE_RATE))
    words = json.loads((WEIGHTS / "labels.json").read_text())[request.param]
    return Passage(
        Chunk(0, 0.0, np.ascontiguousarray(samples), len(samples) / SAMPLE_RATE), " ".join(word[0] for word in words)
    )


def hear(kind: str, chunk: Chunk) -> list[Segment]:
    """What one engine hears in one number type."""
    files_of, load = KINDS[kind]
    files = files_of()
    engine = engines.find(files.engine)
    loaded = engine.load(files, settle(engine, load))
    try:
        return loaded.transcribe([chunk], OPTIONS, lambda: False)[0]
    finally:
        loaded.close()


def text(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


@pytest.fixture(scope="module")
def reference(passage: Passage) -> list[Segment]:
    """What CTranslate2 hears in float32."""
    return hear("whisper float32", passage.chunk)


def test_the_known_words_are_heard(passage: Passage, reference: list[Segment]) -> None:
    assert len(passage.text.split()) >= 20
    assert word_error_rate(passage.text, text(reference)).rate <= 0.03


@pytest.mark.slow_on("whisper.cpp f16", "whisper.cpp q5_0")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.engines if kind in NEEDS_TORCH else ())
        for kind in KINDS
        if kind != "whisper float32"
    ],
)
def test_all_hear_the_same_words_at_the_same_times(passage: Passage, reference: list[Segment], kind: str) -> None:
    heard = hear(kind, passage.chunk)

    assert character_error_rate(text(reference), text(heard)).rate <= 0.01
    assert len(heard) == len(reference)
    for mine, its in zip(heard, reference, strict=True):
        assert mine.start == pytest.approx(its.start, abs=0.1)
        assert mine.end == pytest.approx(its.end, abs=0.1)
