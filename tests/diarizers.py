"""Sounds in which it is known who speaks when, and the diarizers that can tell."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from stenogram.audio.decode import decode
from stenogram.bundled import asset
from stenogram.config import Settings
from stenogram.diarization import Means
from stenogram.models import transfer
from stenogram.testing import MemoryCache
from stenogram.types import SAMPLE_RATE, Audio, Device, Sound, Span, SpeakerTurn
from tools import diarization_weights

Samples = npt.NDArray[np.float32]

ANN, BEN, CLEO = (f"{hz:.0f} Hz" for hz, _ in diarization_weights.VOICES_HZ)
"""Voices that are tones, for the networks of ``tools/*_weights.py``."""


_WRITTEN: dict[str, Path] = {}
"""Engine -> the folder of its weights, written once by each process."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording and its turns."""

    samples: Samples
    turns: tuple[SpeakerTurn, ...]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE

    def sounds(self, folder: Path, steps: int = 1) -> Iterator[Sound]:
        """The recording as it grows in so many steps."""
        path = folder / "samples.f32"
        with path.open("wb") as file:
            for step in range(1, steps + 1):
                count = len(self.samples) * step // steps
                file.write(self.samples[file.tell() // 4 : count].tobytes())
                file.flush()
                until_s = count / SAMPLE_RATE
                speech = tuple(Span(turn.start, turn.end) for turn in self.turns if turn.end <= until_s)
                open_s = [turn.start for turn in self.turns if turn.start < until_s < turn.end]
                yield Sound(Audio(path, count), speech, min([until_s, *open_s]), step == steps)


def tones(turns: Sequence[tuple[float, float, str]], length_s: float) -> Scene:
    """Voices that are tones, in a very quiet room."""
    samples = np.random.default_rng(0).standard_normal(int(length_s * SAMPLE_RATE), np.float32) * np.float32(1e-4)
    for start, end, voice in turns:
        span = slice(int(start * SAMPLE_RATE), int(end * SAMPLE_RATE))
        time = np.arange(span.stop - span.start) / SAMPLE_RATE
        samples[span] += (0.2 * np.sin(2 * np.pi * float(voice.split()[0]) * time)).astype(np.float32)
    return Scene(samples, tuple(SpeakerTurn(*turn) for turn in turns))


def two_tones() -> Scene:
    """Two of them in turns."""
    starts = (0.5, 2.5, 4.5, 6.5)
    return tones([(start, start + 1.4, (ANN, BEN)[place % 2]) for place, start in enumerate(starts)], 9.0)


@functools.cache
def readers() -> Scene:
    """Real speech: two voices in turns, with a second of silence after each.

    The readers sound much the same, so that one is played faster, and thereby higher.
    """
    with tempfile.TemporaryDirectory() as folder:
        one, other = (
            decode(asset(f"assets/{name}"), Path(folder)).audios[0].window(0, 30 * SAMPLE_RATE)
            for name in ("two_cities.wav", "beckett.wav")
        )
    other = np.interp(np.arange(0, len(other) - 1, 1.2), np.arange(len(other)), other).astype(np.float32)
    parts = [("one", one[: 8 * SAMPLE_RATE]), ("other", other), ("one", one[10 * SAMPLE_RATE : 18 * SAMPLE_RATE])]
    silence = np.zeros(SAMPLE_RATE, np.float32)
    turns, samples = [], np.empty(0, np.float32)
    for voice, part in parts:
        start_s = len(samples) / SAMPLE_RATE
        turns.append(SpeakerTurn(start_s, start_s + len(part) / SAMPLE_RATE, voice))
        samples = np.concatenate([samples, part, silence])
    return Scene(samples, tuple(turns))


def means(home: Path, device: Device = "cpu") -> Means:
    """What a diarizer may use here."""
    return Means(Settings(home=str(home)), MemoryCache(), device, threads=1)


def with_sherpa_networks(home: Path) -> Means:
    """A home where sherpa-onnx has networks that tell tones apart."""
    return _with_model("sherpa-onnx", home, diarization_weights.write)


def with_pyannote_pipeline(home: Path) -> Means:
    """A home where pyannote has a pipeline that tells tones apart (needs pyannote.audio to make it)."""

    def write(folder: Path) -> None:
        command = [sys.executable, "-m", "tools.pyannote_weights", str(folder)]  # here it would stay imported
        environment = {**os.environ, "PYANNOTE_METRICS_ENABLED": "0"}
        subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, check=True)

    return _with_model("pyannote", home, write)


def _with_model(engine: str, home: Path, write: Callable[[Path], None]) -> Means:
    found = means(home)
    if engine not in _WRITTEN:
        _WRITTEN[engine] = Path(tempfile.mkdtemp(prefix="stenogram-diarization-")) / engine
        atexit.register(shutil.rmtree, _WRITTEN[engine].parent)
        write(_WRITTEN[engine])
    source = _WRITTEN[engine]
    model = transfer.describe(f"tones-{engine}", engine, ("*",), source)
    transfer.import_model(model, source, found.settings, lambda *_: None, lambda: False)
    return found


def error(turns: Sequence[SpeakerTurn], scene: Scene) -> float:
    """Time in which somebody else is said to speak than does, by the time that somebody does; names do not matter."""
    true, found = _grid(scene.turns, scene.duration), _grid(turns, scene.duration)
    pairs, others = linear_sum_assignment(-(true.astype(int) @ found.astype(int).T))
    wrong = np.maximum(true.sum(0), found.sum(0)) - (true[pairs] & found[others]).sum(0)
    return float(wrong.sum() / true.sum())


def _grid(turns: Sequence[SpeakerTurn], duration: float) -> npt.NDArray[np.bool_]:
    """Who speaks in each hundredth of a second, a row for each voice."""
    names = sorted({turn.speaker for turn in turns})
    grid = np.zeros((len(names), round(duration * 100)), np.bool_)
    for turn in turns:
        grid[names.index(turn.speaker), round(turn.start * 100) : round(turn.end * 100)] = True
    return grid


def heard(turns: Sequence[SpeakerTurn], scene: Scene, slack_s: float) -> bool:
    """Whether these are the turns of the scene, whatever the speakers are called."""
    found = sorted(turns, key=lambda turn: (turn.start, turn.end))
    true = sorted(scene.turns, key=lambda turn: (turn.start, turn.end))
    if len(found) != len(true):
        return False
    close = all(
        abs(one.start - other.start) <= slack_s and abs(one.end - other.end) <= slack_s
        for one, other in zip(found, true, strict=True)
    )
    names = {(one.speaker, other.speaker) for one, other in zip(found, true, strict=True)}
    return close and len(names) == len({one for one, _ in names}) == len({other for _, other in names})
