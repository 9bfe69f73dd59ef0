"""Memory that runs out, a language nobody named, and decoding with care: the chain with a fake engine."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import pytest

from stenogram import events
from stenogram.app.transcribe import Request, transcribe
from stenogram.errors import OutOfMemory
from stenogram.pipeline.parts import Watch
from stenogram.testing import FAKE_FILES, FakeEngine, MemoryCache, make_app
from stenogram.types import Chunk, Device, LoadOptions, RunOptions, Segment, TranscribeOptions

MANY = replace(FAKE_FILES, languages=("en", "ru"))
MB = 2**20


def cuda_engine(**changes: object) -> FakeEngine:
    """An engine that knows the GPU."""
    types = {"cpu": ("int8", "float32"), "cuda": ("int8_float16", "float16", "int8")}
    return FakeEngine(compute_types=types, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def expected(two_cities: Path) -> tuple[Segment, ...]:
    """The segments of a run with memory enough."""
    with make_app() as app:
        return transcribe(app, Request(two_cities)).segments


def test_a_batch_that_does_not_fit_is_decoded_in_halves(two_cities: Path, expected: tuple[Segment, ...]) -> None:
    engine = FakeEngine(parallelism=1, batch_size=8, fits=lambda _options, chunks: chunks <= 2)
    with make_app(engine=engine) as app:
        transcript = transcribe(app, Request(two_cities))

    assert transcript.segments == expected
    assert max(len(batch) for batch in engine.batches) == 2
    assert any("passages at a time" in warning for warning in transcript.warnings)
    assert engine.loads == 1


def test_then_smaller_weights_are_loaded_and_then_the_cpu_is_used(
    two_cities: Path, expected: tuple[Segment, ...]
) -> None:
    loads: list[tuple[Device, str]] = []

    def fits(options: LoadOptions, chunks: int) -> bool:
        if chunks == 0:
            loads.append((options.device, options.compute_type))
        return options.device == "cpu" or (chunks == 0 and options.compute_type != "int8_float16")

    with make_app(engine=cuda_engine(fits=fits)) as app:
        transcript = transcribe(app, Request(two_cities, load=LoadOptions(device="cuda", compute_type="float16")))

    assert loads == [("cuda", "float16"), ("cuda", "int8"), ("cpu", "int8")]
    assert transcript.segments == expected
    assert [w for w in transcript.warnings if "computing as" in w] == [
        "Memory ran out: computing as int8 on cuda from here on.",
        "Memory ran out: computing as int8 on cpu from here on.",
    ]


def test_weights_that_cannot_even_be_loaded_take_the_same_steps(
    two_cities: Path, expected: tuple[Segment, ...]
) -> None:
    engine = cuda_engine(fits=lambda options, _chunks: options.device == "cpu")
    with make_app(engine=engine) as app:
        transcript = transcribe(app, Request(two_cities, load=LoadOptions(device="cuda")))

    assert transcript.segments == expected
    assert engine.loads == 3


def test_when_no_step_is_left_the_error_says_so(two_cities: Path) -> None:
    with make_app(engine=FakeEngine(fits=lambda _options, _chunks: False)) as app, pytest.raises(OutOfMemory):
        transcribe(app, Request(two_cities))


def test_a_result_of_smaller_weights_is_not_taken_for_the_one_asked_for(two_cities: Path) -> None:
    cache, ample = MemoryCache(), cuda_engine()
    request = Request(two_cities, load=LoadOptions(device="cuda"))
    with make_app(engine=cuda_engine(fits=lambda options, _chunks: options.device == "cpu"), cache=cache) as app:
        transcribe(app, request)
    with make_app(engine=ample, cache=cache) as app:
        transcript = transcribe(app, request)

    assert ample.batches
    assert not any("Memory" in warning for warning in transcript.warnings)


def test_memory_that_shrinks_in_mid_run_makes_batches_follow(two_cities: Path, expected: tuple[Segment, ...]) -> None:
    """R21: no batch is larger than fits at the time it is taken, and large ones come back when memory does."""
    engine = FakeEngine(parallelism=1, batch_size=4, chunk_bytes=20 * MB)

    def gauge(_device: Device) -> int:
        return 40 * MB if 2 <= len(engine.batches) < 5 else 1000 * MB

    with make_app(engine=engine) as app:
        app.free_bytes = gauge
        transcript = transcribe(app, Request(two_cities))

    sizes = [len(batch) for batch in engine.batches]
    assert transcript.segments == expected
    assert sizes[2:5] == [1, 1, 1]
    assert max(sizes[:2]) > 1
    assert max(sizes[5:]) > 1


def test_the_language_is_heard_once_and_decides_for_all_chunks(two_cities: Path) -> None:
    asked: list[Chunk] = []

    def hear(chunk: Chunk) -> dict[str, float]:
        asked.append(chunk)
        return {"ru": 0.9, "en": 0.1}

    cache = MemoryCache()
    for run in range(2):
        engine = FakeEngine(supports=frozenset({"language_detection"}), hear_language=hear, version=str(run // 2))
        with make_app(engine=engine, cache=cache, files=MANY) as app:
            transcript = transcribe(app, Request(two_cities))

        assert (transcript.language, transcript.language_probability) == ("ru", 0.9)
        assert len(asked) == 1


def test_a_run_whose_language_is_known_from_before_finds_its_chunks_again(two_cities: Path) -> None:
    cache = MemoryCache()

    def engine() -> FakeEngine:
        return FakeEngine(supports=frozenset({"language_detection"}), hear_language=lambda _chunk: {"ru": 1.0})

    with make_app(engine=engine(), cache=cache, files=MANY) as app:
        first = transcribe(app, Request(two_cities))
    for kind, key in list(cache.entries):
        if kind == "transcript":
            del cache.entries[kind, key]
    again = engine()
    with make_app(engine=again, cache=cache, files=MANY) as app:
        assert transcribe(app, Request(two_cities)) == first

    assert again.batches == []


def test_an_uncertain_language_is_told(two_cities: Path) -> None:
    engine = FakeEngine(
        supports=frozenset({"language_detection"}), hear_language=lambda _chunk: {"ru": 0.45, "en": 0.4}
    )
    with make_app(engine=engine, files=MANY) as app:
        transcript = transcribe(app, Request(two_cities))

    assert transcript.language == "ru"
    assert any("--language" in warning for warning in transcript.warnings)


def test_silence_has_no_language_and_ends(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(10 * 32_000))
    engine = FakeEngine(supports=frozenset({"language_detection"}))
    with make_app(engine=engine, files=MANY) as app:
        transcript = transcribe(app, Request(silence))

    assert transcript.segments == ()
    assert transcript.language is None


def test_sequential_decodes_every_chunk_with_care_and_only_once(two_cities: Path) -> None:
    bad = Segment(0, 0.0, 1.0, "la la la", avg_logprob=-3.0)
    engine = FakeEngine(say_carefully=lambda chunk: [replace(bad, end=chunk.duration)])
    options = RunOptions(transcribe=TranscribeOptions(sequential=True))
    finished: list[events.Event] = []
    with make_app(engine=engine) as app:
        transcribe(app, Request(two_cities, run=options), Watch(finished.append))

    assert engine.batches == []
    assert len(engine.careful) == len(set(engine.careful)) > 5
