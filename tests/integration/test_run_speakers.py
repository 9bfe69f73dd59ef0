"""Who speaks, found in the chain: beside the text, cached apart, and joined with it."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenogram import events
from stenogram.app import App, known
from stenogram.app.transcribe import Request, stream, transcribe
from stenogram.config import Settings
from stenogram.diarization import BUILT_IN, Means, voices
from stenogram.diarization.built_in import BuiltInDiarizer
from stenogram.diarization.networks import SegmentationNetwork
from stenogram.errors import BadReference, Cancelled, DiarizationError, StorageError
from stenogram.pipeline.parts import Watch
from stenogram.protocols import Diarizer
from stenogram.testing import FakeDiarizer, FakeEngine, MemoryCache, make_app
from stenogram.types import (
    SAMPLE_RATE,
    Chunk,
    DecodeOptions,
    DiarizeOptions,
    KnownSpeaker,
    KnownVoice,
    LoadOptions,
    RunOptions,
    Segment,
    Sound,
    SpeakerTurn,
    TranscribeOptions,
    Transcript,
    Word,
)
from tests import diarizers

SPEAKERS = DiarizeOptions(diarize=True, diarization="built-in")


def say(chunk: Chunk) -> list[Segment]:
    """Two words for every second of speech."""
    words = tuple(
        Word("word", start + 0.05, start + 0.45)
        for span in chunk.spans
        for start in np.arange(span.start, span.end - 0.45, 0.5).tolist()
    )
    return [Segment(0, words[0].start, words[-1].end, " ".join(w.word for w in words), words)] if words else []


def halves(sound: Sound, _options: DiarizeOptions) -> list[SpeakerTurn]:
    """Two speakers: one in the first half of the recording, one in the second; they overlap for a second."""
    middle = sound.audio.duration / 2
    return [SpeakerTurn(0, middle, "x"), SpeakerTurn(middle - 1, sound.audio.duration, "y")]


def watching(found: list[events.Event]) -> Watch:
    return Watch(found.append)


def words_of(transcript: Transcript) -> list[str]:
    return [word.word for word in transcript.words]


def test_words_get_speakers_and_stay_the_same_words(two_cities: Path) -> None:
    diarizer = FakeDiarizer(tell=halves)
    with make_app(diarizer=diarizer) as app:
        plain = transcribe(app, Request(two_cities))
        seen: list[events.Event] = []
        spoken = transcribe(app, Request(two_cities, diarize=SPEAKERS), watching(seen))

    assert not plain.turns
    assert not plain.diarizer
    assert spoken.diarizer == "fake"
    assert [turn.speaker for turn in spoken.turns] == ["SPEAKER_00", "SPEAKER_01"]
    assert words_of(spoken) == words_of(plain)
    assert spoken.text == plain.text
    assert {word.speaker for word in spoken.words} == {"SPEAKER_00", "SPEAKER_01"}
    assert [segment.id for segment in spoken.segments] == list(range(len(spoken.segments)))
    assert [event.speakers.turns for event in seen if isinstance(event, events.SpeakersFound)] == [spoken.turns]


def test_the_stage_is_told_from_its_start_to_its_end(two_cities: Path) -> None:
    seen: list[events.Event] = []
    with make_app(diarizer=FakeDiarizer(tell=halves)) as app:
        transcribe(app, Request(two_cities, diarize=SPEAKERS), watching(seen))
        transcribe(app, Request(two_cities, diarize=SPEAKERS), watching(seen))

    told = [type(event).__name__ for event in seen if getattr(event, "stage", "") == "diarize"]
    assert [told[0], *told[-2:]] == ["StageStarted", "StageFinished", "StageCached"]
    assert set(told[1:-2]) <= {"StageProgress"}


def test_text_and_turns_are_cached_apart(two_cities: Path) -> None:
    engine, diarizer = FakeEngine(), FakeDiarizer(tell=halves)
    with make_app(engine=engine, diarizer=diarizer) as app:
        first = transcribe(app, Request(two_cities, diarize=SPEAKERS))
        batches = len(engine.batches)
        again = transcribe(app, Request(two_cities, diarize=SPEAKERS))
        assert (len(engine.batches), diarizer.calls) == (batches, 1)
        transcribe(app, Request(two_cities, diarize=replace(SPEAKERS, num_speakers=3)))
        assert (len(engine.batches), diarizer.calls) == (batches, 2), "another number of speakers recognises nothing"
        transcribe(app, Request(two_cities))
        assert (len(engine.batches), diarizer.calls) == (batches, 2)

    assert again == first


def test_the_diarizer_hears_the_recording_while_it_is_decoded_and_beside_the_engine(two_cities: Path) -> None:
    heard_before_the_text, began = threading.Event(), threading.Event()

    class Early(FakeDiarizer):
        def diarize(self, sound: Any, options: Any, progress: Any, stop: Any) -> list[SpeakerTurn]:
            began.set()
            return FakeDiarizer.diarize(self, sound, options, progress, stop)

    engine = FakeEngine()
    spell = engine.say

    def wait(chunk: Chunk) -> list[Segment]:
        if began.wait(20):
            heard_before_the_text.set()
        return spell(chunk)

    engine.say = wait
    with make_app(engine=engine, diarizer=Early(tell=halves)) as app:
        transcribe(app, Request(two_cities, diarize=SPEAKERS))

    assert heard_before_the_text.is_set()


def test_without_words_wanted_segments_are_split_at_the_change_all_the_same(two_cities: Path) -> None:
    seen: list[events.Event] = []
    with make_app(diarizer=FakeDiarizer(tell=halves)) as app:
        run = RunOptions(transcribe=TranscribeOptions(word_timestamps=False))
        found = transcribe(app, Request(two_cities, run=run, diarize=SPEAKERS), watching(seen))

    assert not found.words
    assert not any(event.segment.words for event in seen if isinstance(event, events.SegmentReady))
    assert {segment.speaker for segment in found.segments} == {"SPEAKER_00", "SPEAKER_01"}


def test_a_stop_while_speakers_are_told_apart_is_felt_at_once_and_the_text_is_kept(two_cities: Path) -> None:
    stop, written, ended = threading.Event(), threading.Event(), threading.Event()

    def never(sound: Sound, options: DiarizeOptions) -> list[SpeakerTurn]:
        assert written.wait(30)
        stop.set()
        assert ended.wait(30), "the run waits for what does not stop"
        return []

    def listen(event: events.Event) -> None:
        if event == events.StageFinished("transcribe", getattr(event, "busy_s", 0.0)):
            written.set()

    engine = FakeEngine()
    with make_app(engine=engine, diarizer=FakeDiarizer(tell=never)) as app:
        with pytest.raises(Cancelled):
            transcribe(app, Request(two_cities, diarize=SPEAKERS), Watch(listen, stop.is_set))
        ended.set()
        batches = len(engine.batches)
        transcribe(app, Request(two_cities))
        assert len(engine.batches) == batches > 0


def test_a_diarizer_that_fails_says_so_and_the_text_needs_no_second_recognition(two_cities: Path) -> None:
    def fail(sound: Sound, options: DiarizeOptions) -> list[SpeakerTurn]:
        raise DiarizationError(diarizer="fake", cause="it is a test")

    engine = FakeEngine()
    with make_app(engine=engine, diarizer=FakeDiarizer(tell=fail)) as app:
        with pytest.raises(DiarizationError, match="it is a test"):
            transcribe(app, Request(two_cities, diarize=SPEAKERS))
        batches = len(engine.batches)
        transcribe(app, Request(two_cities))

    assert len(engine.batches) == batches > 0


# --- light first, heavy to refine ------------------------------------------------------------------------------------


@pytest.fixture
def heavy(monkeypatch: pytest.MonkeyPatch) -> FakeDiarizer:
    """Refines where nobody was asked for by name; its library is said to be here."""
    monkeypatch.setattr(known, "REFINES", "sherpa-onnx")  # it is in the tests' environment
    return FakeDiarizer(name="heavy", tell=lambda sound, _: [SpeakerTurn(0, sound.audio.duration, "only")])


def app_with(light: FakeDiarizer, heavy: FakeDiarizer) -> App:
    def named(name: str, _means: Means) -> Diarizer:
        return light if name == BUILT_IN else heavy

    app = make_app()
    app.diarizer_named = named
    return app


AUTO = DiarizeOptions(diarize=True)


def test_auto_is_light_first_then_refined_and_says_who_did_it(two_cities: Path, heavy: FakeDiarizer) -> None:
    light, seen = FakeDiarizer(tell=halves), list[events.Event]()
    with app_with(light, heavy) as app:
        found = transcribe(app, Request(two_cities, diarize=AUTO), watching(seen))

    told = [event.speakers.diarizer for event in seen if isinstance(event, events.SpeakersFound)]
    assert told == ["fake", "heavy"]
    assert found.diarizer == "heavy"
    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00"}


def test_a_full_disk_while_refining_loses_no_light_turns(two_cities: Path, heavy: FakeDiarizer) -> None:
    def fail(sound: Sound, options: DiarizeOptions) -> list[SpeakerTurn]:
        raise StorageError(path="joined", cause="no space left")

    heavy.tell = fail
    with app_with(FakeDiarizer(tell=halves), heavy) as app:
        assert transcribe(app, Request(two_cities, diarize=AUTO)).diarizer == "fake"


def test_where_refining_fails_the_light_turns_stay_and_a_warning_says_why(
    two_cities: Path, heavy: FakeDiarizer
) -> None:
    def fail(sound: Sound, options: DiarizeOptions) -> list[SpeakerTurn]:
        raise DiarizationError(diarizer="heavy", cause="no memory")

    heavy.tell = fail
    with app_with(FakeDiarizer(tell=halves), heavy) as app:
        found = transcribe(app, Request(two_cities, diarize=AUTO))

    assert found.diarizer == "fake"
    assert any("no memory" in warning for warning in found.warnings)


def test_auto_does_not_ask_one_that_cannot_work_and_a_named_one_that_cannot_is_refused(
    two_cities: Path, heavy: FakeDiarizer
) -> None:
    heavy.cause = "its model is not here; fetch it"
    with app_with(FakeDiarizer(tell=halves), heavy) as app:
        assert transcribe(app, Request(two_cities, diarize=AUTO)).diarizer == "fake"
        with pytest.raises(DiarizationError, match="fetch it"):
            transcribe(app, Request(two_cities, diarize=replace(AUTO, diarization="sherpa-onnx")))
    assert heavy.calls == 0


# --- real networks ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two readers in turns, as a file."""
    return written(diarizers.readers().samples, tmp_path_factory.mktemp("talk") / "talk.wav")


def written(samples: Any, path: Path, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The built-in diarizer, and an engine whose words tell when they are spoken."""
    app = make_app(engine=FakeEngine(say=say), settings=Settings(home=str(tmp_path_factory.mktemp("home"))))
    app.diarizer_named = lambda _name, means: BuiltInDiarizer(means)
    with app:
        yield app


def speaker_at(transcript: Transcript, second: float) -> str | None:
    return next((turn.speaker for turn in transcript.turns if turn.start <= second < turn.end), None)


def test_two_readers_are_told_apart_with_real_networks(real: App, talk: Path) -> None:
    truth = diarizers.readers()
    found = transcribe(real, Request(talk, diarize=SPEAKERS))

    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00", "SPEAKER_01"}
    assert diarizers.error(found.turns, truth) < 0.2, "but for the pauses of the readers"
    names = {"one": "SPEAKER_00", "other": "SPEAKER_01"}
    for word in found.words:
        middle = (word.start + word.end) / 2
        said_by = [turn.speaker for turn in truth.turns if turn.start + 0.5 < middle < turn.end - 0.5]
        if said_by:
            assert word.speaker == names[said_by[0]]


def test_a_known_voice_is_called_by_name(real: App, talk: Path, tmp_path: Path) -> None:
    """The reference is another passage of the same reader."""
    other = diarizers.readers().turns[1]
    samples = diarizers.readers().samples
    middle = int((other.start + other.end) / 2 * SAMPLE_RATE)
    reference = written(samples[middle - SAMPLE_RATE : middle + 3 * SAMPLE_RATE], tmp_path / "sam.wav")

    found = transcribe(real, Request(talk, diarize=SPEAKERS, known_speakers=(KnownSpeaker("Sam", reference),)))

    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00", "Sam"}
    assert speaker_at(found, (other.start + other.end) / 2) == "Sam"


def test_voices_are_heard_only_where_somebody_is_known_and_then_once(
    real: App, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    of_speakers = voices.of_speakers

    def noted(*given: Any) -> Any:
        heard.append(given)
        return of_speakers(*given)

    monkeypatch.setattr(voices, "of_speakers", noted)
    three = replace(SPEAKERS, num_speakers=3)
    transcribe(real, Request(talk, diarize=three))
    assert not heard
    stranger = KnownVoice("Nobody", tuple(np.eye(256)[0].tolist()))
    for _ in range(2):
        transcribe(real, Request(talk, diarize=three, known_voices=(stranger,)))
    assert len(heard) == 1


def test_who_is_not_in_the_recording_names_nobody(real: App, talk: Path) -> None:
    stranger = KnownVoice("Nobody", tuple(np.eye(256)[0].tolist()))
    found = transcribe(real, Request(talk, diarize=SPEAKERS, known_voices=(stranger,)))
    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00", "SPEAKER_01"}


@pytest.mark.parametrize(
    ("seconds", "message"), [(1.0, "1.0 s long"), (12.0, "12.0 s long"), (-4.0, "nothing is spoken")]
)
def test_a_reference_of_no_use_is_told(real: App, talk: Path, tmp_path: Path, seconds: float, message: str) -> None:
    samples = diarizers.readers().samples[: int(abs(seconds) * SAMPLE_RATE)] * (seconds > 0)
    reference = written(samples, tmp_path / "ann.wav")
    with pytest.raises(BadReference, match=message):
        transcribe(real, Request(talk, diarize=SPEAKERS, known_speakers=(KnownSpeaker("Ann", reference),)))


def test_what_was_heard_is_not_heard_again_when_only_the_number_of_speakers_changes(
    real: App, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same holds for a run that was stopped: what the networks said of each block is in the cache."""
    transcribe(real, Request(talk, diarize=SPEAKERS))

    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(SegmentationNetwork, "probabilities", refuse)
    again = transcribe(real, Request(talk, diarize=replace(SPEAKERS, max_speakers=1)))
    assert {turn.speaker for turn in again.turns} == {"SPEAKER_00"}


# --- each channel its own speaker ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call: each side hears the other quietly."""
    scene = diarizers.readers()
    one, other = (scene.samples * mask for mask in _masks(scene.turns, len(scene.samples)))
    left, right = one + 0.1 * other, other + 0.1 * one
    return written(np.stack([left, right], 1).reshape(-1), tmp_path_factory.mktemp("call") / "call.wav", channels=2)


APART = RunOptions(decode=DecodeOptions(channels="separate"))


def test_each_channel_is_a_speaker_and_what_leaks_is_written_once(call: Path) -> None:
    diarizer, names, seen = FakeDiarizer(), {"one": "SPEAKER_00", "other": "SPEAKER_01"}, list[events.Event]()
    with make_app(engine=FakeEngine(say=say), diarizer=diarizer) as app:
        found = transcribe(app, Request(call, run=APART, diarize=SPEAKERS))
        again = transcribe(app, Request(call, run=APART, diarize=SPEAKERS), watching(seen))
        numbered = transcribe(app, Request(call, run=APART, diarize=replace(SPEAKERS, num_speakers=5)))

    assert diarizer.calls == 0
    assert found.diarizer == "channels"
    assert len(found.words) >= 8
    for word in found.words:
        middle = (word.start + word.end) / 2
        said_by = [turn.speaker for turn in diarizers.readers().turns if turn.start < middle < turn.end]
        assert [word.speaker] == [names[name] for name in said_by], "each word once, on the side where it was said"
    assert again == found
    assert [event.message for event in seen if isinstance(event, events.Warned)] == list(found.warnings)
    assert any("number of speakers" in warning for warning in numbered.warnings)


def test_who_is_known_is_named_on_their_channel(real: App, call: Path, tmp_path: Path) -> None:
    other = diarizers.readers().turns[1]
    middle = int((other.start + other.end) / 2 * SAMPLE_RATE)
    reference = written(
        diarizers.readers().samples[middle - SAMPLE_RATE : middle + 3 * SAMPLE_RATE], tmp_path / "s.wav"
    )
    for _ in range(2):  # the second time from the cache
        request = Request(call, run=APART, diarize=SPEAKERS, known_speakers=(KnownSpeaker("Sam", reference),))
        found = transcribe(real, request)
        assert {segment.speaker for segment in found.segments} == {"SPEAKER_00", "Sam"}
        assert speaker_at(found, (other.start + other.end) / 2) == "Sam"
    assert {turn.speaker for turn in transcribe(real, Request(call, run=APART, diarize=SPEAKERS)).turns} == {
        "SPEAKER_00",
        "SPEAKER_01",
    }


def test_what_is_not_to_be_kept_is_not_kept_with_speakers_either(call: Path) -> None:
    """Memory ran out: the text of that run is not the one that was asked for."""
    cache, short = MemoryCache(), FakeEngine(say=say, compute_types={"cpu": ("float32", "int8")})
    short.fits = lambda options, _chunks: options.compute_type != "float32"
    load = LoadOptions(device="cpu", compute_type="float32")
    with make_app(engine=short, cache=cache) as app:
        first = transcribe(app, Request(call, run=APART, load=load, diarize=SPEAKERS))
    healthy = FakeEngine(say=say, compute_types={"cpu": ("float32", "int8")})
    with make_app(engine=healthy, cache=cache) as app:
        second = transcribe(app, Request(call, run=APART, load=load, diarize=SPEAKERS))

    assert any("Memory ran out" in warning for warning in first.warnings)
    assert healthy.batches
    assert not any("Memory ran out" in warning for warning in second.warnings)


def _masks(turns: tuple[SpeakerTurn, ...], count: int) -> Iterator[Any]:
    for name in ("one", "other"):
        mask = np.zeros(count, np.float32)
        for turn in turns:
            if turn.speaker == name:
                mask[int(turn.start * SAMPLE_RATE) : int(turn.end * SAMPLE_RATE)] = 1
        yield mask


def test_separate_channels_of_a_recording_with_one_are_told_apart_by_voice(two_cities: Path) -> None:
    diarizer = FakeDiarizer(tell=halves)
    with make_app(diarizer=diarizer) as app:
        run = RunOptions(decode=DecodeOptions(channels="separate"))
        found = transcribe(app, Request(two_cities, run=run, diarize=SPEAKERS))
    assert diarizer.calls == 1
    assert found.diarizer == "fake"


def test_segments_come_live_without_speakers_and_whole_with_them(two_cities: Path) -> None:
    with make_app(diarizer=FakeDiarizer(tell=halves)) as app:
        live = stream(app, Request(two_cities, diarize=SPEAKERS))
        segments = []
        try:
            while True:
                segments.append(next(live))
        except StopIteration as ended:
            transcript = ended.value
    assert segments
    assert all(segment.speaker is None for segment in segments)
    assert all(segment.speaker for segment in transcript.segments)
