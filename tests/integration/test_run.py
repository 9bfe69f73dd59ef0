"""The chain with real decoding, real speech detection and a fake engine: order, resume, cancel, failure."""

from __future__ import annotations

import itertools
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stenogram import events
from stenogram.app import App
from stenogram.app.transcribe import Request, stream, transcribe
from stenogram.audio.decode import Decoded, Decoder
from stenogram.errors import Cancelled, EngineError, NotMedia, OptionNotSupported
from stenogram.pipeline.parts import Watch
from stenogram.protocols import Stop
from stenogram.testing import FAKE_FILES, FakeEngine, MemoryCache, make_app
from stenogram.testing.fakes import FakeLoaded
from stenogram.types import (
    Audio,
    Chunk,
    DecodeOptions,
    LoadOptions,
    ModelFiles,
    RunOptions,
    Segment,
    TranscribeOptions,
    Transcript,
    VadOptions,
)


@pytest.fixture
def engine() -> FakeEngine:
    """A fresh fake engine."""
    return FakeEngine()


@pytest.fixture
def app(engine: FakeEngine) -> Iterator[App]:
    """An app with the fake engine and a cache in memory."""
    with make_app(engine=engine) as app:
        yield app


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory, two_cities: Path) -> Path:
    """A stereo call: one voice on the left from the start, another time of the same voice on the right, later."""
    with wave.open(str(two_cities)) as source:
        rate = source.getframerate()
        voice = np.frombuffer(source.readframes(20 * rate), np.int16)
    left, right = voice.copy(), np.roll(voice, 7 * rate)
    left[10 * rate :] = 0
    right[: 7 * rate] = 0
    path = tmp_path_factory.mktemp("call") / "call.wav"
    with wave.open(str(path), "wb") as target:
        target.setparams((2, 2, rate, 0, "NONE", ""))
        target.writeframes(np.stack([left, right], 1).tobytes())
    return path


def decoded(engine: FakeEngine) -> list[str]:
    """The digests of all chunks that the engine was given."""
    return [digest for batch in engine.batches for digest in batch]


def no_threads_left() -> bool:
    """Whether all threads of the run end."""
    for thread in threading.enumerate():
        if thread.name.startswith("stenogram"):
            thread.join(30)
    return not [thread for thread in threading.enumerate() if thread.name.startswith("stenogram")]


def test_segments_come_in_order_numbered_from_zero_and_equal_the_transcript(app: App, two_cities: Path) -> None:
    segments = list(stream(app, Request(two_cities)))
    transcript = transcribe(app, Request(two_cities))

    assert [segment.id for segment in segments] == list(range(len(segments)))
    assert segments == sorted(segments, key=lambda segment: segment.start)
    assert transcript.segments == tuple(segments)
    assert len(segments) > 5
    assert transcript.duration == pytest.approx(44.4, abs=0.1)


def test_times_refer_to_the_recording(app: App, two_cities: Path) -> None:
    transcript = transcribe(app, Request(two_cities))

    assert 1 < transcript.segments[0].start < 2
    assert 40 < transcript.segments[-1].end <= transcript.duration
    assert all(segment.start < segment.end for segment in transcript.segments)
    assert all(word.start >= segment.start for segment in transcript.segments for word in segment.words)


@pytest.mark.parametrize(("parallelism", "batch_size"), [(1, 1), (3, 2), (4, 16)])
def test_the_layout_of_the_work_does_not_change_the_result(
    two_cities: Path, app: App, parallelism: int, batch_size: int
) -> None:
    expected = transcribe(app, Request(two_cities))
    with make_app(engine=FakeEngine(parallelism=parallelism, batch_size=batch_size)) as other:
        assert transcribe(other, Request(two_cities)).segments == expected.segments


def test_an_identical_recording_is_answered_without_decoding_or_engine(
    app: App, engine: FakeEngine, two_cities: Path, tmp_path: Path
) -> None:
    first = transcribe(app, Request(two_cities))
    calls = len(engine.batches)
    seen: list[events.Event] = []
    copy = tmp_path / "под другим именем.bin"
    copy.write_bytes(two_cities.read_bytes())

    second = transcribe(app, Request(copy), Watch(seen.append))

    assert second == first
    assert len(engine.batches) == calls
    assert isinstance(seen[0], events.StageCached)
    assert not any(isinstance(event, events.StageStarted) for event in seen)


def test_another_option_reuses_what_it_does_not_touch(app: App, engine: FakeEngine, two_cities: Path) -> None:
    transcribe(app, Request(two_cities))
    calls = len(decoded(engine))

    options = RunOptions(decode=DecodeOptions(max_duration_s=1000.0))
    again = transcribe(app, Request(two_cities, run=options))

    assert len(decoded(engine)) == calls
    assert again.segments


def test_a_stopped_run_goes_on_where_it_was(two_cities: Path) -> None:
    cache = MemoryCache()
    first, second, whole = FakeEngine(batch_size=1, parallelism=1), FakeEngine(), FakeEngine()
    with make_app(engine=whole) as app:
        expected = transcribe(app, Request(two_cities))
    with make_app(engine=first, cache=cache) as app:
        segments = stream(app, Request(two_cities))
        next(segments)
        segments.close()
    with make_app(engine=second, cache=cache) as app:
        assert transcribe(app, Request(two_cities)) == expected

    assert first.batches
    assert not set(decoded(first)) & set(decoded(second))
    assert sorted(decoded(first) + decoded(second)) == sorted(decoded(whole))


def test_stop_raises_cancelled_and_leaves_no_thread(app: App, two_cities: Path) -> None:
    with pytest.raises(Cancelled):
        transcribe(app, Request(two_cities), Watch(stop=lambda: True))

    assert no_threads_left()


def test_stop_is_noticed_while_a_large_file_is_hashed(app: App, tmp_path: Path) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(2**24)

    with pytest.raises(Cancelled):
        transcribe(app, Request(tmp_path / "large.mp4"), Watch(stop=stop))

    assert len(asked) == 4


def test_closing_the_iterator_leaves_no_thread(app: App, two_cities: Path) -> None:
    segments = stream(app, Request(two_cities))
    next(segments)
    segments.close()

    assert no_threads_left()


def test_an_engine_that_fails_ends_the_run_with_its_error(two_cities: Path) -> None:
    def fail(chunk: Chunk) -> list[Segment]:
        raise EngineError(engine="fake", cause="out of luck")

    with make_app(engine=FakeEngine(say=fail)) as app, pytest.raises(EngineError, match="out of luck"):
        transcribe(app, Request(two_cities))

    assert no_threads_left()


def test_a_bad_recording_ends_the_run_with_its_error(app: App, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a recording, only words\n" * 100)

    with pytest.raises(NotMedia, match=r"notes\.txt"):
        transcribe(app, Request(tmp_path / "notes.txt"))

    assert no_threads_left()


def test_silence_gives_an_empty_valid_transcript(app: App, engine: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as target:
        target.setparams((1, 2, 16_000, 0, "NONE", ""))
        target.writeframes(bytes(2 * 16_000 * 5))

    transcript = transcribe(app, Request(path))

    assert replace(transcript, choices=()) == Transcript((), 5.0, "en", model="fake", engine="fake")
    assert engine.batches == []


def test_the_language_of_a_model_of_many_is_not_made_up(app: App, beckett: Path) -> None:
    app.model_for = lambda _model, _language, _settings: replace(FAKE_FILES, languages=("*",))

    assert transcribe(app, Request(beckett)).language is None


def test_words_are_left_out_when_asked(app: App, beckett: Path) -> None:
    run = RunOptions(transcribe=TranscribeOptions(word_timestamps=False))

    transcript = transcribe(app, Request(beckett, run=run))

    assert transcript.text
    assert transcript.words == ()


@pytest.mark.parametrize("load", [LoadOptions(device="cuda"), LoadOptions(compute_type="float16")])
def test_a_way_of_loading_that_the_engine_does_not_know_is_refused(app: App, beckett: Path, load: LoadOptions) -> None:
    with pytest.raises(OptionNotSupported, match="fake does not support"):
        transcribe(app, Request(beckett, load=load))


def test_each_channel_is_transcribed_on_its_own(app: App, call: Path) -> None:
    run = RunOptions(decode=DecodeOptions(channels="separate"))

    transcript = transcribe(app, Request(call, run=run))

    assert {segment.channel for segment in transcript.segments} == {0, 1}
    assert list(transcript.segments) == sorted(transcript.segments, key=lambda segment: segment.start)
    assert max(segment.end for segment in transcript.segments if segment.channel == 0) < 11
    assert min(segment.start for segment in transcript.segments if segment.channel == 1) > 6


def test_without_speech_detection_everything_is_transcribed(app: App, two_cities: Path) -> None:
    transcript = transcribe(app, Request(two_cities, run=RunOptions(vad=VadOptions(vad_filter=False))))

    assert transcript.segments[0].start == 0
    assert transcript.segments[-1].end == pytest.approx(transcript.duration, abs=0.01)


def test_doubtful_text_is_decoded_again_and_dropped_with_a_warning(two_cities: Path) -> None:
    def invent(chunk: Chunk) -> list[Segment]:
        return [Segment(0, 0.0, chunk.duration, "la " * 50, avg_logprob=-3.0, no_speech_prob=0.9)]

    engine = FakeEngine(say=invent)
    with make_app(engine=engine) as app:
        transcript = transcribe(app, Request(two_cities))

    assert transcript.segments == ()
    assert len(engine.careful) == len(decoded(engine)) > 0
    assert all("nothing is spoken there" in warning for warning in transcript.warnings)


def test_progress_never_goes_back_and_ends_at_the_end(app: App, two_cities: Path) -> None:
    seen: list[events.Event] = []
    transcript = transcribe(app, Request(two_cities), Watch(seen.append))

    done = [e.done_s for e in seen if isinstance(e, events.StageProgress) and e.stage == "transcribe"]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(transcript.duration)
    finished = {e.stage for e in seen if isinstance(e, events.StageFinished)}
    assert finished >= {"decode", "vad", "chunk", "transcribe"}


def test_one_load_serves_many_recordings(app: App, engine: FakeEngine, two_cities: Path, beckett: Path) -> None:
    transcribe(app, Request(two_cities))
    transcribe(app, Request(beckett))

    assert engine.loads == 1


def test_speech_is_found_while_the_weights_are_loaded(two_cities: Path) -> None:
    heard = threading.Event()

    class Waiting(FakeEngine):
        """Its weights are there once the front end has heard something."""

        def load(self, files: ModelFiles, options: LoadOptions) -> FakeLoaded:
            assert heard.wait(30)
            return super().load(files, options)

    def listen(event: events.Event) -> None:
        if isinstance(event, events.StageProgress) and event.stage == "decode":
            heard.set()

    with make_app(engine=Waiting()) as app:
        assert transcribe(app, Request(two_cities), Watch(listen)).segments


def test_an_app_closes_without_waiting_for_weights(two_cities: Path) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    class Endless(FakeEngine):
        """Its weights come when the test says so."""

        def load(self, files: ModelFiles, options: LoadOptions) -> FakeLoaded:
            begun.set()
            go_on.wait(10)
            ended.set()
            return super().load(files, options)

    with pytest.raises(Cancelled), make_app(engine=Endless()) as app:
        transcribe(app, Request(two_cities), Watch(stop=begun.is_set))

    assert not ended.is_set()
    go_on.set()
    assert no_threads_left()


def test_a_slow_reader_holds_the_front_end_back(app: App, two_cities: Path, tmp_path: Path) -> None:
    """Else the sound of a whole recording would gather in memory."""
    drawn: list[int] = []

    class Counting(Decoder):
        """200 snapshots of 8 s of noise, at once."""

        def decode(
            self, source: Path, folder: Path, options: DecodeOptions, stop: Stop, *, first_s: float | None = None
        ) -> Iterator[Decoded]:
            np.random.default_rng(1).uniform(-1, 1, 1600 * 16_000).astype(np.float32).tofile(tmp_path / "noise")
            for end in range(1, 201):
                drawn.append(end)
                yield Decoded((Audio(tmp_path / "noise", end * 8 * 16_000),), 1600.0, 0.0, end == 200, ())

    app.decoder = Counting()
    segments = stream(app, Request(two_cities, run=RunOptions(vad=VadOptions(vad_filter=False))))
    next(segments)
    time.sleep(1)
    ahead = len(drawn)

    assert len(list(segments)) >= 200
    assert ahead < 100


def test_joined_chunks_repeat_no_word_where_speech_has_no_pause(two_cities: Path) -> None:
    short = FakeEngine(chunking=replace(FakeEngine().chunking, target_s=2.0, max_s=3.0, overlap_s=1.0))
    with make_app(engine=short) as app:
        run = RunOptions(vad=VadOptions(vad_filter=False))
        segments = transcribe(app, Request(two_cities, run=run)).segments

    assert all(before.start <= after.start for before, after in itertools.pairwise(segments))
