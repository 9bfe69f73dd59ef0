"""What every engine promises (``protocols.Engine`` and ``Loaded``). A new engine joins by one line in ``ENGINES``."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import random
import re
import sys
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stenogram import engines
from stenogram.errors import Cancelled, EngineError, LanguageNotSupported, ModelError, OptionNotSupported
from stenogram.hardware import used_memory
from stenogram.performance import optimize_memory
from stenogram.protocols import Engine, Loaded
from stenogram.testing import FAKE_FILES, FakeEngine
from stenogram.types import SAMPLE_RATE, Chunk, LoadOptions, ModelFiles, Segment, Span, TranscribeOptions
from tests import whisper_weights

Samples = npt.NDArray[np.float32]
WHEEL = "moonshine-voice"
OPTIONS = TranscribeOptions()


def asset(name: str) -> Path:
    """A file of the installed wheel, found without importing it."""
    files = importlib.metadata.files(WHEEL) or []
    return Path(str(next(file for file in files if file.as_posix().endswith(f"assets/{name}")).locate()))


def moonshine_files() -> ModelFiles:
    folder = asset("tiny-en/tokenizer.bin").parent
    names = {"encoder": "encoder_model.ort", "decoder": "decoder_model_merged.ort", "tokenizer": "tokenizer.bin"}
    paths = {role: folder / name for role, name in names.items()}
    return ModelFiles("moonshine-tiny-en", "moonshine", ("en",), paths, "digest")


def onnx_asr_files(name: str, names: dict[str, str]) -> ModelFiles:
    """Weights made by ``tools/onnx_asr_weights.py``."""
    folder = Path(__file__).parents[1] / "weights" / "onnx-asr" / name
    names = names | {"config": "config.json"}
    return ModelFiles(name, "onnx-asr", ("en",), {role: folder / file for role, file in names.items()}, "digest")


def gigaam_files() -> ModelFiles:
    return onnx_asr_files("gigaam-v3-ctc", {"model": "v3_ctc.onnx", "vocab": "v3_vocab.txt"})


def parakeet_files() -> ModelFiles:
    networks = {"encoder": "encoder-model.onnx", "decoder_joint": "decoder_joint-model.onnx"}
    return onnx_asr_files("parakeet-tdt", networks | {"vocab": "vocab.txt"})


ENGINES: dict[str, Callable[[], ModelFiles]] = {
    "moonshine": moonshine_files,
    "onnx-asr: gigaam": gigaam_files,
    "onnx-asr: parakeet": parakeet_files,
    "fake": lambda: FAKE_FILES,
    "whisper": whisper_weights.ctranslate2_files,
    "whisper.cpp": whisper_weights.ggml_files,
    "openai-whisper": whisper_weights.checkpoint_files,
}
NEEDS_TORCH = {"openai-whisper"}
"""Run by ``make test-engines``."""
DICED = {"ggml-test"}
"""Models whose engine draws its beams by lot (whisper.cpp), so that only greedy decoding repeats itself."""
LACKING = {"gigaam-v3-ctc": {"translate"}, "parakeet-tdt": {"translate"}}
"""What a model lacks that others of its engine can do: it refuses that like the rest."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.engines if name in NEEDS_TORCH else ()) for name in sorted(ENGINES)],
)
def files(request: pytest.FixtureRequest) -> ModelFiles:
    return ENGINES[request.param]()


@pytest.fixture(scope="module")
def engine(files: ModelFiles) -> Engine:
    return FakeEngine() if files is FAKE_FILES else engines.find(files.engine)


@pytest.fixture
def _hears(files: ModelFiles) -> None:
    """For promises that only an engine with weights can keep."""
    if files is FAKE_FILES:
        pytest.skip("the fake has no weights and knows no words")


@pytest.fixture(scope="module")
def loaded(engine: Engine, files: ModelFiles) -> Iterator[Loaded]:
    # whisper.cpp's threads wait for each other by spinning, which takes long where test processes share the cores
    loaded = engine.load(files, LoadOptions(cpu_threads=1 if files.name in DICED else 0))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def recording() -> Samples:
    """The opening of A Tale of Two Cities, 44 s; 48 kHz brought to 16 by means of three."""
    with wave.open(str(asset("two_cities.wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    thirds = samples[: len(samples) // 3 * 3].reshape(-1, 3)
    return np.asarray(thirds.mean(axis=1) / 32768, np.float32)


@pytest.fixture(scope="module")
def chunks(recording: Samples) -> list[Chunk]:
    """Nine chunks of the recording: lengths alike and unlike, a second to nine seconds."""
    bounds = [(0, 5), (5, 10), (10, 15), (15, 16), (16, 24.3), (24.3, 33.4), (33, 38), (38, 41.1), (40, 43)]
    return [
        Chunk(index, start, recording[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)], end - start)
        for index, (start, end) in enumerate(bounds)
    ]


def never() -> bool:
    return False


def text(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


@pytest.fixture(scope="module")
def steady(files: ModelFiles) -> TranscribeOptions:
    """Options under which equal sound gives equal results."""
    return dataclasses.replace(OPTIONS, beam_size=1) if files.name in DICED else OPTIONS


@pytest.mark.usefixtures("_hears")
def test_what_was_said_is_written(loaded: Loaded, chunks: list[Chunk]) -> None:
    """Most words of the known passage are there, in order."""
    heard = " ".join(text(segments) for segments in loaded.transcribe(chunks[:3], OPTIONS, never)).lower()

    for phrase in ("it was the best of times", "worst of times", "age of wisdom"):
        assert phrase in re.sub(r"[^a-z ]", "", heard)


@pytest.mark.slow_on("whisper.cpp")
def test_text_does_not_depend_on_batch_mates(loaded: Loaded, chunks: list[Chunk], steady: TranscribeOptions) -> None:
    """Text, times and likelihoods of a chunk are the same alone and in any company, in any order."""
    alone = {chunk.index: loaded.transcribe([chunk], steady, never)[0] for chunk in chunks}

    for seed in range(3):
        company = random.Random(seed).sample(chunks, len(chunks) - seed)
        for chunk, segments in zip(company, loaded.transcribe(company, steady, never), strict=True):
            assert segments == alone[chunk.index]


def test_the_same_chunk_twice_gives_the_same(loaded: Loaded, chunks: list[Chunk], steady: TranscribeOptions) -> None:
    """No state survives a call."""
    assert loaded.transcribe(chunks[:2], steady, never) == loaded.transcribe(chunks[:2], steady, never)


@pytest.mark.slow_on("whisper.cpp")
def test_threads_do_not_disturb_each_other(loaded: Loaded, chunks: list[Chunk], steady: TranscribeOptions) -> None:
    """As many calls at once as ``parallelism`` allows, and at least two, give what one call gives."""
    expected = loaded.transcribe(chunks, steady, never)

    with ThreadPoolExecutor(max(2, loaded.parallelism)) as pool:
        results = list(pool.map(lambda _: loaded.transcribe(chunks, steady, never), range(4)))

    assert results == [expected] * 4


def test_segments_are_well_formed(loaded: Loaded, chunks: list[Chunk]) -> None:
    """Ids count from 0, times lie in the chunk and in order, words make up the text, measures are there."""
    for chunk, segments in zip(chunks, loaded.transcribe(chunks, OPTIONS, never), strict=True):
        assert [segment.id for segment in segments] == list(range(len(segments)))
        for segment in segments:
            assert segment.text == segment.text.strip() != ""
            assert segment.text == " ".join(word.word for word in segment.words)
            assert segment.avg_logprob is not None
            assert segment.avg_logprob <= 0
            assert segment.compression_ratio is not None
            assert segment.tokens
            assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
        words = [word for segment in segments for word in segment.words]
        assert all(chunk.start <= word.start < word.end <= chunk.end + 1e-6 for word in words)
        assert all(one.end <= following.start for one, following in pairwise(words))


def test_times_are_of_the_recording(loaded: Loaded, chunks: list[Chunk]) -> None:
    """A chunk that begins later gives the same text at times as much later."""
    moved = dataclasses.replace(chunks[0], start=chunks[0].start + 100)

    (here,), (there,) = (loaded.transcribe([chunk], OPTIONS, never) for chunk in (chunks[0], moved))

    assert text(here) == text(there)
    assert [segment.start + 100 for segment in here] == pytest.approx([segment.start for segment in there])


def test_channel_is_kept(loaded: Loaded, chunks: list[Chunk]) -> None:
    """Segments carry the channel of their chunk."""
    segments = loaded.transcribe([dataclasses.replace(chunks[0], channel=1)], OPTIONS, never)[0]

    assert {segment.channel for segment in segments} == {1}


def test_nothing_is_heard_in_nothing(loaded: Loaded) -> None:
    """Chunks that are empty, of one sample, all zero, or not numbers are no error, and silence has no text."""
    sounds: list[list[float]] = [[], [1.0], [0.0] * SAMPLE_RATE, [math.nan] * SAMPLE_RATE]
    strange = [
        Chunk(index, 0.0, np.array(sound, np.float32), len(sound) / SAMPLE_RATE) for index, sound in enumerate(sounds)
    ]

    results = loaded.transcribe(strange, OPTIONS, never)

    assert len(results) == len(strange)
    assert [text(results[index]) for index in (0, 2, 3)] == ["", "", ""]
    assert loaded.transcribe([], OPTIONS, never) == []


@pytest.mark.usefixtures("_hears")
def test_the_longest_chunk_is_heard_to_its_end(engine: Engine, loaded: Loaded, recording: Samples) -> None:
    """A chunk of the greatest length the engine asks for has words, in order, and all inside it."""
    longest_s = engine.chunking.max_s
    chunk = Chunk(0, 7.0, recording[: int(longest_s * SAMPLE_RATE)], longest_s, (Span(8.2, 7.0 + longest_s),))

    segments = loaded.transcribe([chunk], OPTIONS, never)[0]

    words = [word for segment in segments for word in segment.words]
    assert len(words) > 15
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert words[0].start >= chunk.start
    assert chunk.start + 10 < words[-1].end <= chunk.end + 1e-6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_closing_frees_memory(engine: Engine, files: ModelFiles) -> None:
    """Loading and closing again and again takes no more memory than a few loads do."""

    def resident_bytes() -> int:
        optimize_memory()
        return used_memory("cpu")

    options = LoadOptions(cpu_threads=1)
    least = engine.load(files, options)
    weights_bytes = least.memory_bytes
    least.close()
    before = resident_bytes()
    for _ in range(8):
        engine.load(files, options).close()

    assert resident_bytes() - before < 3 * weights_bytes + 30 * 2**20


def test_noise_ends(loaded: Loaded) -> None:
    """Noise gives some text or none, and not for ever."""
    noise = np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE, np.float32) / np.float32(10)

    segments = loaded.transcribe([Chunk(0, 0.0, noise, 3.0, (Span(0.0, 3.0),))], OPTIONS, never)[0]

    assert sum(len(segment.tokens) for segment in segments) < 100


def test_stop_raises_cancelled(loaded: Loaded, chunks: list[Chunk]) -> None:
    """Asked to stop at any point, the call gives up by raising; the next call works."""
    for patience in (0, 2, 12):
        answers = iter([False] * patience)
        with pytest.raises(Cancelled):
            loaded.transcribe(chunks[:2], OPTIONS, lambda answers=answers: next(answers, True))  # type: ignore[misc]

    assert loaded.transcribe(chunks[:1], OPTIONS, never)[0]


def test_stop_is_asked_often(loaded: Loaded, chunks: list[Chunk]) -> None:
    """At least once per chunk and once per ten tokens."""
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    results = loaded.transcribe(chunks[:3], OPTIONS, count)

    assert asked >= 3 + max(sum(len(segment.tokens) for segment in segments) for segments in results) / 10


@pytest.mark.usefixtures("_hears")
def test_careful_path_reads_the_same_passage(loaded: Loaded, chunks: list[Chunk]) -> None:
    """One chunk decoded with care says about the same."""
    careful = loaded.transcribe_sequential(chunks[0], OPTIONS, never)

    assert "best of times" in text(careful)
    with pytest.raises(Cancelled):
        loaded.transcribe_sequential(chunks[0], OPTIONS, lambda: True)


def test_language_probabilities(loaded: Loaded, files: ModelFiles, chunks: list[Chunk]) -> None:
    """Probabilities of languages the model speaks, summing to 1."""
    found = loaded.detect_language(chunks[0])

    assert sum(found.values()) == pytest.approx(1)
    assert all(files.speaks(language) for language in found)


def test_unsupported_options_are_refused(
    engine: Engine, files: ModelFiles, loaded: Loaded, chunks: list[Chunk]
) -> None:
    """An option is honoured or refused, never ignored."""
    wished = {"translate": ("task", "translate"), "beam_size": ("beam_size", 3), "temperature": ("temperature", 0.5)}
    wished |= {"initial_prompt": ("initial_prompt", "Dickens"), "hotwords": ("hotwords", "Dickens")}
    for feature, (name, value) in wished.items():
        options = dataclasses.replace(OPTIONS, **{name: value})  # type: ignore[arg-type]
        if feature in engine.supports - LACKING.get(files.name, set()):
            loaded.transcribe(chunks[:1], options, never)
        else:
            with pytest.raises(OptionNotSupported, match=name):
                loaded.transcribe(chunks[:1], options, never)


def test_unknown_language_is_refused(loaded: Loaded, chunks: list[Chunk]) -> None:
    """A language that the model does not speak is no reason to invent text."""
    with pytest.raises(LanguageNotSupported, match="tlh"):
        loaded.transcribe(chunks[:1], dataclasses.replace(OPTIONS, language="tlh"), never)


def test_use_after_close_is_an_error(
    engine: Engine,
    files: ModelFiles,
    loaded: Loaded,
    chunks: list[Chunk],
    steady: TranscribeOptions,
) -> None:
    """Closing is idempotent, ends this load only, and a later call says what to do."""
    other = engine.load(files, LoadOptions(cpu_threads=1))
    assert other.parallelism == 1
    assert other.transcribe(chunks[:1], steady, never) == loaded.transcribe(chunks[:1], steady, never)

    other.close()
    other.close()

    with pytest.raises(EngineError, match="load it again"):
        other.transcribe(chunks[:1], OPTIONS, never)
    assert loaded.transcribe(chunks[:1], OPTIONS, never)[0]


def test_facts_are_sensible(engine: Engine, loaded: Loaded) -> None:
    """Name and version are there for cache keys; memory, parallelism and batch are positive; chunks have a shape."""
    assert engine.name in {*engines.ENGINES, "fake"}
    assert engine.version
    assert loaded.memory_bytes > 1_000_000 or engine.name == "fake"
    assert loaded.parallelism >= 1
    assert loaded.batch_size >= 1
    assert 0 < engine.chunking.target_s <= engine.chunking.max_s


@pytest.mark.usefixtures("_hears")
def test_files_that_do_not_fit_are_a_model_error(engine: Engine, files: ModelFiles, tmp_path: Path) -> None:
    """Missing roles, missing files, and files that are something else."""
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"this is no model " * 100)
    bad = [{}, dict.fromkeys(files.paths, tmp_path / "absent"), dict.fromkeys(files.paths, wrong)]
    bad += [dict(files.paths) | {role: wrong} for role in files.paths if role != "tokenizer"]
    for paths in bad:
        with pytest.raises(ModelError, match=files.name):
            engine.load(dataclasses.replace(files, paths=paths), LoadOptions())
