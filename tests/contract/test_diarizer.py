"""What every diarizer promises (``protocols.Diarizer``). A new one joins by one line in ``DIARIZERS``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stenogram import diarization
from stenogram.errors import Cancelled
from stenogram.protocols import Diarizer
from stenogram.testing import FakeDiarizer
from stenogram.types import SAMPLE_RATE, DiarizeOptions, Sound, SpeakerTurn
from tests import diarizers
from tests.diarizers import Scene

OPTIONS = DiarizeOptions(diarize=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A diarizer, and two voices in turns that it can tell apart."""

    make: Callable[[Path], Diarizer]
    """From a home folder, where it may put its models."""
    scene: Callable[[], Scene]
    error: float
    """Share of the speech that it may get wrong (``diarizers.error``); readers pause in their turns."""


def built_in(home: Path) -> Diarizer:
    return diarization.find("built-in", diarizers.means(home))


def sherpa_onnx(home: Path) -> Diarizer:
    return diarization.find("sherpa-onnx", diarizers.with_sherpa_networks(home))


def pyannote(home: Path) -> Diarizer:
    return diarization.find("pyannote", diarizers.with_pyannote_pipeline(home))


DIARIZERS = {
    "fake: tones": Row(lambda _home: FakeDiarizer(), diarizers.two_tones, 0),
    "fake: readers": Row(lambda _home: FakeDiarizer(), diarizers.readers, 0),
    "built-in": Row(built_in, diarizers.readers, 0.3),
    "sherpa-onnx": Row(sherpa_onnx, diarizers.two_tones, 0.1),
    "pyannote": Row(pyannote, diarizers.two_tones, 0.1),
}
NEEDS_TORCH = {"pyannote"}
"""Run by ``make test-engines``."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.engines if name in NEEDS_TORCH else ()) for name in DIARIZERS],
)
def row(request: pytest.FixtureRequest) -> Row:
    return DIARIZERS[request.param]


@pytest.fixture(scope="module")
def diarizer(row: Row, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diarizer]:
    made = row.make(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def scene(row: Row) -> Scene:
    return row.scene()


def never() -> bool:
    return False


def untold(_through_s: float) -> None:
    pass


def speakers(turns: list[SpeakerTurn]) -> set[str]:
    return {turn.speaker for turn in turns}


def test_it_can_be_used_and_has_a_name(diarizer: Diarizer) -> None:
    """No fault where its library and models are; its name is that of the table."""
    assert diarizer.fault() is None
    assert diarizer.name in {*diarization.DIARIZERS, "fake"}


def test_two_voices_are_told_apart(diarizer: Diarizer, row: Row, scene: Scene, tmp_path: Path) -> None:
    """Each turn is found, and turns have one name exactly where they have one voice."""
    turns = diarizer.diarize(scene.sounds(tmp_path), OPTIONS, untold, never)

    assert diarizers.error(turns, scene) <= row.error
    assert len(speakers(turns)) == 2


def test_turns_lie_in_the_recording(diarizer: Diarizer, scene: Scene, tmp_path: Path) -> None:
    """Also where it ends in the middle of a word."""
    cut = Scene(scene.samples[: int((scene.turns[0].end - 0.2) * SAMPLE_RATE)], scene.turns[:1])
    cut = Scene(cut.samples, (dataclasses.replace(cut.turns[0], end=cut.duration),))

    for turn in diarizer.diarize(cut.sounds(tmp_path), OPTIONS, untold, never):
        assert 0 <= turn.start < turn.end <= cut.duration


def test_nobody_speaks_in_silence(diarizer: Diarizer, tmp_path: Path) -> None:
    """No turns, and no error, for silence of any length, for nothing, and where there was no recording at all."""
    for samples in (12 * SAMPLE_RATE, SAMPLE_RATE, 1, 0):
        silence = Scene(np.zeros(samples, np.float32), ())

        assert diarizer.diarize(silence.sounds(tmp_path), OPTIONS, untold, never) == []
    assert diarizer.diarize(iter(()), OPTIONS, untold, never) == []


@pytest.mark.parametrize("number", [1, 2, 20])
def test_a_number_of_speakers_is_never_exceeded(diarizer: Diarizer, scene: Scene, tmp_path: Path, number: int) -> None:
    """Told the number, it finds as many speakers as there are voices, or fewer where it is smaller."""
    options = dataclasses.replace(OPTIONS, num_speakers=number)

    found = speakers(diarizer.diarize(scene.sounds(tmp_path), options, untold, never))

    assert min(number, 2) <= len(found) <= number


def test_bounds_are_kept(diarizer: Diarizer, scene: Scene, tmp_path: Path) -> None:
    """A bound that the two voices keep changes nothing; an upper one that they do not is obeyed."""
    for bounds, count in (({"max_speakers": 1}, 1), ({"min_speakers": 1, "max_speakers": 3}, 2)):
        options = dataclasses.replace(OPTIONS, **bounds)  # type: ignore[arg-type]

        assert len(speakers(diarizer.diarize(scene.sounds(tmp_path), options, untold, never))) == count
    options = dataclasses.replace(OPTIONS, min_speakers=2)
    assert len(speakers(diarizer.diarize(scene.sounds(tmp_path), options, untold, never))) >= 2


def test_a_recording_that_grows_gives_the_same(diarizer: Diarizer, scene: Scene, tmp_path: Path) -> None:
    """In many steps or at once: the same turns."""
    whole = diarizer.diarize(scene.sounds(tmp_path), OPTIONS, untold, never)

    assert diarizer.diarize(scene.sounds(tmp_path, steps=17), OPTIONS, untold, never) == whole


def test_progress_goes_forward(diarizer: Diarizer, scene: Scene, tmp_path: Path) -> None:
    """Seconds of the recording, told at least once, never back, never past its end."""
    told: list[float] = []

    diarizer.diarize(scene.sounds(tmp_path, steps=3), OPTIONS, told.append, never)

    assert told
    assert all(0 <= one <= other <= scene.duration + 1e-6 for one, other in pairwise([0.0, *told]))


def test_stop_raises_cancelled(diarizer: Diarizer, row: Row, scene: Scene, tmp_path: Path) -> None:
    """Asked to stop at any point, it gives up by raising; the next call works."""
    for patience in (0, 3, 8):
        answers = iter([False] * patience)
        with pytest.raises(Cancelled):
            diarizer.diarize(
                scene.sounds(tmp_path, steps=9),
                OPTIONS,
                untold,
                lambda answers=answers: next(answers, True),  # type: ignore[misc]
            )

    turns = diarizer.diarize(scene.sounds(tmp_path), OPTIONS, untold, never)
    assert diarizers.error(turns, scene) <= row.error


def test_threads_do_not_disturb_each_other(
    diarizer: Diarizer, row: Row, scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two recordings at once: each gets its own turns."""
    later = Scene(np.concatenate([np.zeros(SAMPLE_RATE, np.float32), scene.samples]), tuple(map(moved, scene.turns)))
    scenes = [scene, later]
    folders = [tmp_path_factory.mktemp("sound") for _ in scenes]

    def work(sounds: Iterator[Sound]) -> list[SpeakerTurn]:
        return diarizer.diarize(sounds, OPTIONS, untold, never)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, [one.sounds(folder) for one, folder in zip(scenes, folders, strict=True)]))

    for turns, one in zip(results, scenes, strict=True):
        assert diarizers.error(turns, one) <= row.error


def moved(turn: SpeakerTurn) -> SpeakerTurn:
    return dataclasses.replace(turn, start=turn.start + 1, end=turn.end + 1)


def test_the_version_stays(diarizer: Diarizer, row: Row, tmp_path: Path) -> None:
    """The same library and models: the same version, whoever asks."""
    other = row.make(tmp_path)

    assert diarizer.version == diarizer.version == other.version != ""
    other.close()


def test_closing_twice_is_closing(row: Row, scene: Scene, tmp_path: Path) -> None:
    """Also before and after work."""
    unused, used = (row.make(tmp_path / name) for name in ("unused", "used"))
    used.diarize(scene.sounds(tmp_path), OPTIONS, untold, never)
    for diarizer in (unused, used):
        diarizer.close()
        diarizer.close()
