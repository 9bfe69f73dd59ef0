"""What the options of Whisper change, shown on trained weights: language, task, prompts, beams, temperatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stenogram import engines
from stenogram.audio.decode import Decoder
from stenogram.engines.options import settle
from stenogram.engines.whisper.engine import LoadedWhisper, WhisperEngine
from stenogram.errors import DeviceNotUsable, LanguageNotSupported, OptionNotSupported
from stenogram.protocols import Loaded
from stenogram.types import SAMPLE_RATE, Chunk, DecodeOptions, LoadOptions, Segment, TranscribeOptions
from tests import whisper_weights

Samples = npt.NDArray[np.float32]
ENGLISH = TranscribeOptions(language="en")


def never() -> bool:
    return False


@pytest.fixture(scope="module", params=["whisper", "whisper.cpp"])
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    files = {"whisper": whisper_weights.ctranslate2_files, "whisper.cpp": whisper_weights.ggml_files}[request.param]()
    engine = engines.find(files.engine)
    model = engine.load(files, settle(engine, LoadOptions(device="cpu", cpu_threads=1)))
    yield model
    model.close()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, two_cities: Path) -> Samples:
    with Decoder() as decoder:
        *_, decoded = decoder.decode(two_cities, tmp_path_factory.mktemp("s"), DecodeOptions(), never)
    return decoded.audios[0].window(0, 21 * SAMPLE_RATE)


@pytest.fixture(scope="module")
def wisdom(recording: Samples) -> Chunk:
    """A passage with the words of its name."""
    return Chunk(0, 0.0, recording[5 * SAMPLE_RATE : 8 * SAMPLE_RATE + 5000], 3.3)


@pytest.fixture(scope="module")
def backwards(recording: Samples) -> Chunk:
    """What the weights take for Russian."""
    return Chunk(0, 0.0, np.ascontiguousarray(recording[SAMPLE_RATE : 4 * SAMPLE_RATE][::-1]), 3.0)


def text(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


def hear(loaded: Loaded, chunk: Chunk, options: TranscribeOptions) -> str:
    return text(loaded.transcribe([chunk], options, never)[0])


def test_the_language_is_told_with_its_probability(loaded: Loaded, wisdom: Chunk, backwards: Chunk) -> None:
    assert loaded.detect_language(wisdom)["en"] > 0.9
    assert loaded.detect_language(backwards)["ru"] > 0.9


def test_a_language_that_nobody_named_is_heard_per_chunk(loaded: Loaded, wisdom: Chunk, backwards: Chunk) -> None:
    """Rows of several languages in one batch do not disturb each other."""
    found = loaded.transcribe([backwards, wisdom, backwards], TranscribeOptions(), never)

    assert text(found[1]) == hear(loaded, wisdom, ENGLISH)
    assert text(found[0]) == text(found[2])
    assert text(found[0]).startswith("Привет,")


def test_translate_gives_english(loaded: Loaded, backwards: Chunk) -> None:
    assert hear(loaded, backwards, TranscribeOptions(language="ru", task="translate")) == "Hello, world."


def test_a_prompt_reaches_the_model(loaded: Loaded, wisdom: Chunk) -> None:
    assert "wisdom" in hear(loaded, wisdom, ENGLISH)
    assert "Wisdom" in hear(loaded, wisdom, replace(ENGLISH, initial_prompt="Wisdom"))


def test_hotwords_reach_the_model_or_are_refused(loaded: Loaded, wisdom: Chunk) -> None:
    options = replace(ENGLISH, hotwords="Wisdom")
    if isinstance(loaded, LoadedWhisper):
        assert "Wisdom" in hear(loaded, wisdom, options)
    else:
        with pytest.raises(OptionNotSupported, match="hotwords"):
            hear(loaded, wisdom, options)


@pytest.mark.parametrize(
    "options",
    [
        replace(ENGLISH, beam_size=1),
        replace(ENGLISH, beam_size=3),
        replace(ENGLISH, use_beam_search=False),
        replace(ENGLISH, best_of=2, temperature=0.2),
    ],
    ids=["greedy", "beams", "no beams", "sampled"],
)
def test_every_way_of_searching_hears_the_words(loaded: Loaded, wisdom: Chunk, options: TranscribeOptions) -> None:
    assert "age of wisdom" in hear(loaded, wisdom, options)


def test_careful_decoding_hears_the_same(loaded: Loaded, wisdom: Chunk) -> None:
    assert text(loaded.transcribe_sequential(wisdom, ENGLISH, never)) == hear(loaded, wisdom, ENGLISH)


def test_doubtful_text_is_sampled_at_rising_temperatures(recording: Samples) -> None:
    """With thresholds that nothing meets every temperature is tried; without a step, only the first."""
    files = whisper_weights.ctranslate2_files()
    engine = WhisperEngine()
    loaded = engine.load(files, settle(engine, LoadOptions(device="cpu")))
    chunk = Chunk(0, 0.0, recording[: 5 * SAMPLE_RATE], 5.0)
    strict = replace(ENGLISH, logprob_threshold=0.0)

    assert {s.temperature for s in loaded.transcribe_sequential(chunk, strict, never)} == {1.0}
    once = replace(strict, temperature_increment_on_fallback=0.0)
    assert {s.temperature for s in loaded.transcribe_sequential(chunk, once, never)} == {0.0}
    assert {s.temperature for s in loaded.transcribe_sequential(chunk, ENGLISH, never)} == {0.0}
    loaded.close()


def test_what_the_model_does_not_know_is_refused(loaded: Loaded, wisdom: Chunk) -> None:
    with pytest.raises(LanguageNotSupported, match="de"):
        hear(loaded, wisdom, TranscribeOptions(language="de"))


def test_a_gpu_that_is_not_there_is_refused_with_the_reason() -> None:
    engine = WhisperEngine()
    if (fault := engine.fault("cuda")) is None:
        pytest.skip("this machine has a GPU")

    with pytest.raises(DeviceNotUsable, match="stenogram doctor"):
        settle(engine, LoadOptions(device="cuda"))
    assert fault
    assert settle(engine, LoadOptions()).device == "cpu"
