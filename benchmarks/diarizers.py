"""Who is measured at telling speakers apart: whatever makes turns from a ``Sound``."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import measure, recordings
from stenogram import diarization
from stenogram.audio.silero import SpeechNetwork
from stenogram.audio.vad import detect
from stenogram.config import Settings
from stenogram.diarization.turns import smooth
from stenogram.protocols import Diarizer
from stenogram.types import SAMPLE_RATE, Audio, DiarizeOptions, Sound, SpeakerTurn, VadOptions

Function = Callable[[Sound], Iterable[SpeakerTurn]]

LIBRARY = "moonshine-voice"
BOUNDS = {"bound: local speakers": False, "bound: their runs": True}
"""What ``benchmarks.bound`` makes of the reference and the masks of the network."""
KEPT = recordings.OUT / "speakers"
"""What the library said, by recording: it is slow, and says the same again."""


class Told(msgspec.Struct):
    """What somebody made of one recording."""

    turns: list[SpeakerTurn]
    wall_s: float
    cpu_s: float
    said: list[tuple[str, str]] = []
    """Speaker and words, in order, where words are told."""


def audio_of(path: Path) -> Audio:
    """A recording, decoded to the raw samples that the pipeline reads."""
    raw = recordings.BUILT / "samples" / f"{path.name}.f32"
    if not raw.exists():
        raw.parent.mkdir(parents=True, exist_ok=True)
        unfinished = raw.with_suffix(".unfinished")
        recordings.decode(path, SAMPLE_RATE).tofile(unfinished)
        unfinished.rename(raw)
    return Audio(raw, raw.stat().st_size // 4)


def sound_of(path: Path, network: SpeechNetwork) -> Sound:
    """A whole recording, with the speech in it as the pipeline finds it."""
    audio = audio_of(path)
    return Sound(audio, tuple(detect(audio, VadOptions(), network)), audio.duration, finished=True)


def tell(function: Function, sound: Sound) -> Told:
    """Ask a function of this process, and look at the clock."""
    began, cpu_began = time.perf_counter(), time.process_time()
    turns = [SpeakerTurn(float(turn.start), float(turn.end), turn.speaker) for turn in function(sound)]
    return Told(turns, time.perf_counter() - began, time.process_time() - cpu_began)


def function_named(place: str) -> Function:
    """``module:function`` of ``Sound``; a bare name is a diarizer of the product's table.

    A diarizer gets a thread per core that this process may use, and a cache that keeps nothing.
    """
    if ":" in place:
        module, attribute = place.split(":")
        found: Function = getattr(importlib.import_module(module), attribute)
        return found
    diarizer, options = diarizer_named(place), DiarizeOptions(diarize=True)
    return lambda sound: smooth(diarizer.diarize([sound], options, lambda _seconds: None, lambda: False))


def diarizer_named(name: str) -> Diarizer:
    """One of the product's."""
    return diarization.find(name, diarization.Means(Settings(), NoCache(), threads=int(measure.machine()["cpus"])))


class NoCache:
    """Keeps nothing."""

    def get(self, kind: str, key: str) -> None:
        """Nothing is there."""

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Forget it."""


def library(path: Path) -> Told:
    """What the library ``moonshine-voice`` says by default, in a process of its own; kept once it is known."""
    kept = KEPT / f"{path.name}.json"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        samples = KEPT / f"{path.name}.npy"
        np.save(samples, audio_of(path).window(0, sys.maxsize))
        command = [sys.executable, "-m", "benchmarks.contestants.library_speakers", str(samples), str(kept)]
        try:
            subprocess.run(command, cwd=measure.ROOT, check=True, stdout=subprocess.DEVNULL, env=environment())
        finally:
            samples.unlink()
    return msgspec.json.decode(kept.read_bytes(), type=Told)


def environment() -> dict[str, str]:
    """The environment of a process that finds this repository, and none of the user's settings."""
    return measure.environment() | {"PYTHONPATH": f"{measure.ROOT}{os.pathsep}{measure.ROOT / 'src'}"}
