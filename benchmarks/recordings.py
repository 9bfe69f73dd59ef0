"""What is transcribed: recordings built from those in the wheel ``moonshine-voice``, and the clips of a speech folder.

Built files are kept in ``benchmarks/out/recordings`` and built again when they are gone.
"""

from __future__ import annotations

import random
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import numpy.typing as npt

from stenogram import bundled

OUT = Path(__file__).parent / "out"
BUILT = OUT / "recordings"
RATE = 48_000
PASSAGES = ("two_cities.wav", "beckett.wav", "endgame_nagg_nell.wav")
CODECS = {"wav": "pcm_s16le", "mp3": "libmp3lame", "ogg": "libopus"}

Floats = npt.NDArray[np.float32]


def passage(name: str) -> Path:
    """A recording inside the wheel."""
    return bundled.asset(f"assets/{name}")


def decode(path: Path, rate: int) -> Floats:
    """All of a file as mono float32."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]  # None: the resampler gives what it holds back
        parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def long_recording(seconds: int, suffix: str) -> Path:
    """A recording of ``seconds`` at 48 kHz: the wheel's passages in changing order, pauses and loudness.

    Every repeat has a loudness of its own, so that no chunk of sound comes twice and the cache has nothing to answer.
    """
    path = BUILT / f"passages-{seconds}s.{suffix}"
    if not path.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        _encode(path, suffix, _passages(seconds))
    return path


def _passages(seconds: int) -> Floats:
    order = random.Random(2026)
    sounds = [decode(passage(name), RATE) for name in PASSAGES]
    parts: list[Floats] = []
    while sum(map(len, parts)) < seconds * RATE:
        for sound in order.sample(sounds, len(sounds)):
            parts.append(sound * np.float32(order.uniform(0.4, 0.95)))
            parts.append(np.zeros(int(order.uniform(0.3, 1.2) * RATE), np.float32))
    return np.concatenate(parts)[: seconds * RATE]


def _encode(path: Path, suffix: str, samples: Floats) -> None:
    unfinished = path.with_name(f"unfinished.{suffix}")
    with av.open(str(unfinished), "w") as container:
        stream = container.add_stream(CODECS[suffix], rate=RATE)
        assert isinstance(stream, av.AudioStream)  # noqa: S101 - for the type checker
        stream.layout = "mono"
        pcm = (samples * 32767).astype(np.int16)
        for start in range(0, len(pcm), RATE):
            frame = av.AudioFrame.from_ndarray(pcm[None, start : start + RATE], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    unfinished.rename(path)


def first_seconds(name: str, seconds: int) -> Path:
    """The beginning of a passage of the wheel, as a file."""
    path = BUILT / f"{Path(name).stem}-{seconds}s.wav"
    if not path.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        _encode(path, "wav", decode(passage(name), RATE)[: seconds * RATE])
    return path


def hours(count: float, folder: Path) -> Path:
    """A 16 kHz, 16 bit WAV of so many hours (115 MB each): ten minutes over and over, each time as loud as no other."""
    sound = decode(long_recording(600, "wav"), 16_000)
    path = folder / f"{count:g}h.wav"
    repeats = max(round(count * 3600 / 600), 1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        for repeat in range(repeats):
            gain = 32767 * (1.0 - 0.6 * repeat / repeats)
            file.writeframes((sound * np.float32(gain)).astype("<i2").tobytes())
    return path


def samples_of(source: Path) -> Path:
    """The recording as 16 kHz samples in an ``.npy`` file."""
    path = BUILT / "samples" / f"{source.name}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, decode(source, 16_000))
    return path


# --- the speech folder -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of the speech folder; ``facts`` is its line of ``manifest.jsonl``."""

    path: Path
    facts: dict[str, Any]

    @property
    def language(self) -> str:
        """ISO 639-1 code, or ``und``."""
        return str(self.facts["language"])

    @property
    def reference(self) -> str:
        """What is said in it; empty where nobody knows."""
        return self.facts["text"] or ""

    @property
    def derived(self) -> bool:
        """Whether it is put together from other clips."""
        return bool(self.facts["derived"])

    @property
    def group(self) -> str:
        """How it is reported."""
        if self.derived:
            return "composite"
        return "LibriSpeech" if self.path.name.startswith("librispeech") else "others"


def clips(folder: Path) -> Iterator[Clip]:
    """Every clip of a speech folder."""
    with (folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            facts = msgspec.json.decode(line)
            yield Clip(folder / facts["file"], facts)
