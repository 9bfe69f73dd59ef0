"""Speakers by sherpa-onnx: the real library on networks that tell tones apart."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from stenogram.diarization import Means, outside
from stenogram.diarization.sherpa_onnx import SherpaOnnxDiarizer
from stenogram.diarization.sherpa_onnx_child import Turn, read, settle
from stenogram.errors import Cancelled, DiarizationError
from stenogram.models import store, transfer
from stenogram.types import SAMPLE_RATE, DiarizeOptions, ModelFiles, Sound, Span, SpeakerTurn
from tests import diarizers
from tests.diarizers import ANN, BEN, CLEO, Scene, tones
from tools import diarization_weights

OPTIONS = DiarizeOptions(diarize=True)


@pytest.fixture(scope="module")
def diarizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SherpaOnnxDiarizer]:
    made = SherpaOnnxDiarizer(diarizers.with_sherpa_networks(tmp_path_factory.mktemp("home")))
    yield made
    made.close()


def tell(
    diarizer: SherpaOnnxDiarizer, scene: Scene, folder: Path, options: DiarizeOptions = OPTIONS
) -> list[SpeakerTurn]:
    return diarizer.diarize(scene.sounds(folder), options, lambda _: None, lambda: False)


def process(diarizer: SherpaOnnxDiarizer) -> psutil.Process:
    assert diarizer._child is not None
    return psutil.Process(diarizer._child._process.pid)


def test_turns_overlap_where_voices_do(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """Three voices with silence between, two of them at once for a second."""
    turns = [(1.0, 4.0, ANN), (5.0, 8.0, BEN), (9.0, 12.0, CLEO), (13.0, 16.0, ANN), (15.0, 18.0, BEN)]
    scene = tones([*turns, (31.0, 34.0, CLEO)], 37.0)

    assert diarizers.heard(tell(diarizer, scene, tmp_path), scene, 0.1)


def test_voices_are_told_apart_by_their_embeddings(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """Voices that are the same local speaker to the segmentation network are two people nevertheless."""
    (low, high), *_ = diarization_weights.VOICES_HZ
    scene = tones([(1, 4, f"{low} Hz"), (21, 24, f"{high} Hz"), (41, 44, f"{low} Hz")], 50.0)
    [sound] = scene.sounds(tmp_path)
    loud = dataclasses.replace(sound, speech=(Span(0, 50),))  # no window has two of them: nothing is removed

    turns = diarizer.diarize([loud], OPTIONS, lambda _: None, lambda: False)
    assert diarizers.heard(turns, scene, 0.1)


def test_silence_is_not_heard_and_times_are_those_of_the_recording(
    diarizer: SherpaOnnxDiarizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_s = []
    ask = SherpaOnnxDiarizer._ask

    def noted(self: Any, request: dict[str, Any], *rest: Any) -> Any:
        heard_s.append(request["count"] / SAMPLE_RATE)
        return ask(self, request, *rest)

    monkeypatch.setattr(SherpaOnnxDiarizer, "_ask", noted)
    scene = tones([(100, 103, ANN), (200, 203, BEN), (300, 303, ANN)], 400.0)

    assert diarizers.heard(tell(diarizer, scene, tmp_path), scene, 0.1)
    assert heard_s == [pytest.approx(12, abs=0.1)]


def test_noise_that_was_taken_for_speech_has_no_speaker(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """The network has its own opinion of what speech is."""
    noise = tones([], 12.0)
    [sound] = noise.sounds(tmp_path)

    sounds = [dataclasses.replace(sound, speech=(Span(0.0, 12.0),))]

    assert diarizer.diarize(sounds, OPTIONS, lambda _: None, lambda: False) == []


def test_a_voice_that_the_recording_cuts_off_at_once_is_no_accident(
    diarizer: SherpaOnnxDiarizer, tmp_path: Path
) -> None:
    """The library would end its process over less than 25 ms of a voice in a window that is not whole."""
    scene = tones([(1.0, 3.0, ANN), (9.99, 10.01, BEN)], 10.01)

    assert {turn.speaker for turn in tell(diarizer, scene, tmp_path)} == {"0"}


def test_without_networks_it_says_how_to_get_them(tmp_path: Path) -> None:
    """Both commands in one, or that for the one that is missing; no process is started for it."""
    scene = diarizers.two_tones()
    bare = SherpaOnnxDiarizer(diarizers.means(tmp_path / "bare"))

    assert str(bare.fault()).endswith("stenogram models pull pyannote-segmentation-3.0 wespeaker-resnet34")
    with pytest.raises(DiarizationError, match=r"\(sherpa-onnx\).*no networks yet"):
        tell(bare, scene, tmp_path)

    source = tmp_path / "one"
    diarization_weights.write(source)
    (source / "segmentation.onnx").unlink()
    means = diarizers.means(tmp_path / "half")
    model = transfer.describe("half", "sherpa-onnx", ("*",), source)
    transfer.import_model(model, source, means.settings, lambda *_: None, lambda: False)

    assert str(SherpaOnnxDiarizer(means).fault()).endswith("stenogram models pull pyannote-segmentation-3.0")


def test_the_version_is_that_of_the_networks_too(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """Other networks, another version; without them it has one as well."""
    bare = SherpaOnnxDiarizer(diarizers.means(tmp_path))

    assert bare.version.startswith("sherpa-onnx 2.")
    assert len(diarizer.version) > len(bare.version) + 64


def test_networks_of_another_kind_are_refused_in_the_librarys_words(tmp_path: Path) -> None:
    """It ends its process over them; ours lives, and says why."""
    source = tmp_path / "wrong"
    diarization_weights.write(source)
    (source / "segmentation.onnx").write_bytes((source / "embedding.onnx").read_bytes())
    means = diarizers.means(tmp_path / "home")
    model = transfer.describe("wrong", "sherpa-onnx", ("*",), source)
    transfer.import_model(model, source, means.settings, lambda *_: None, lambda: False)

    with pytest.raises(DiarizationError, match="'window_size' does not exist in the metadata"):
        tell(SherpaOnnxDiarizer(means), diarizers.two_tones(), tmp_path)


def test_a_process_that_dies_is_one_error(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """Killed while it waits or works: the recording fails or not, the next one is told."""
    scene = diarizers.two_tones()
    tell(diarizer, scene, tmp_path)
    process(diarizer).kill()
    process(diarizer).wait()
    assert diarizers.heard(tell(diarizer, scene, tmp_path), scene, 0.1)

    def kill(_through_s: float) -> None:
        process(diarizer).suspend()  # so that it cannot finish first
        process(diarizer).kill()

    with pytest.raises(DiarizationError, match=r"SIGKILL|status"):
        diarizer.diarize(long().sounds(tmp_path), OPTIONS, kill, lambda: False)

    assert diarizers.heard(tell(diarizer, scene, tmp_path), scene, 0.1)


def long() -> Scene:
    """Minutes of it."""
    scene = diarizers.two_tones()
    return Scene(np.tile(scene.samples, 30), scene.turns)


def test_closing_ends_work(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """A recording that another thread is at is given up."""
    begun = threading.Event()

    def told(_through_s: float) -> None:
        if not begun.is_set():
            process(diarizer).suspend()
            begun.set()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(diarizer.diarize, long().sounds(tmp_path), OPTIONS, told, lambda: False)
        assert begun.wait(60)
        diarizer.close()

        with pytest.raises(Cancelled):
            work.result(60)


def test_closing_between_two_replies_ends_work(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """Whoever asked learns of it from the next reply, not from an accident."""
    with pytest.raises(Cancelled):
        diarizer.diarize(long().sounds(tmp_path), OPTIONS, lambda _: diarizer.close(), lambda: False)

    scene = diarizers.two_tones()
    assert diarizers.heard(tell(diarizer, scene, tmp_path), scene, 0.1)


def test_who_waits_for_the_process_can_stop(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """One recording at a time; the second may give up."""
    [sound] = diarizers.two_tones().sounds(tmp_path)
    answers = iter([False] * 4)

    with diarizer._alone, pytest.raises(Cancelled):
        diarizer.diarize([sound], OPTIONS, lambda _: None, lambda: next(answers, True))


@pytest.mark.parametrize(
    ("numbers", "voices", "runs"),
    [
        ((None, None, None), 3, [None]),
        ((2, None, None), 3, [2]),
        ((8, None, None), 3, [8, None]),
        ((None, 1, 4), 3, [None]),
        ((None, None, 2), 3, [None, 2]),
        ((None, 4, None), 3, [None, 4]),
        ((None, 9, None), 3, [None, 6]),
        ((None, 2, None), 0, [None]),
    ],
)
def test_bounds_become_exact_numbers(
    numbers: tuple[int | None, int | None, int | None], voices: int, runs: list[int | None]
) -> None:
    """Of six embeddings it makes so many voices; it is run again only where a bound is broken."""
    asked: list[int | None] = []

    def run(count: int | None) -> tuple[list[Turn], int]:
        asked.append(count)
        return [(float(place), place + 0.5, place) for place in range(voices)], 6

    settle(run, *numbers)

    assert asked == runs


@pytest.mark.parametrize(("seconds", "padded"), [(0.5, 15), (10, 15), (14, 15), (15, 15), (15.5, 20), (61, 65)])
def test_every_window_is_whole(tmp_path: Path, seconds: float, padded: float) -> None:
    """10 s every 5 s, two of them at least; what was recorded comes first."""
    recorded = np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32)
    recorded.tofile(tmp_path / "samples.f32")

    samples = np.asarray(read(tmp_path / "samples.f32", len(recorded), 0.5))

    assert len(samples) == padded * SAMPLE_RATE
    assert np.array_equal(samples[: len(recorded)], recorded)
    assert not samples[len(recorded) :].any()


def test_a_model_of_ones_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before those of the catalogue, which go in its order; models of other engines do not count."""

    def files(name: str, engine: str = "sherpa-onnx") -> ModelFiles:
        return ModelFiles(name, engine, ("*",), {"embedding": tmp_path}, "digest")

    here = [files("wespeaker-resnet34"), files("titanet-small"), files("mine"), files("other", "pyannote")]
    monkeypatch.setattr(store, "installed", lambda *_: here)
    means: Means = diarizers.means(tmp_path)

    def chosen() -> str:
        found = outside.choose("sherpa-onnx", "embedding", means)
        return found.name if found else ""

    assert chosen() == "mine"
    here.remove(here[2])
    assert chosen() == "wespeaker-resnet34"
    assert outside.choose("sherpa-onnx", "segmentation", means) is None


def test_only_the_whole_recording_is_told(diarizer: SherpaOnnxDiarizer, tmp_path: Path) -> None:
    """Nothing is computed for parts: the process is asked once."""
    scene = diarizers.two_tones()
    seen: list[Sound] = []

    def watched() -> Iterator[Sound]:
        for sound in scene.sounds(tmp_path, steps=5):
            seen.append(sound)
            yield sound

    told: list[int] = []
    turns = diarizer.diarize(watched(), OPTIONS, lambda _: told.append(len(seen)), lambda: False)

    assert set(told) == {5}
    assert diarizers.heard(turns, scene, 0.1)
