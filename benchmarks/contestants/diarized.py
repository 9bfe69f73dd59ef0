"""One recording through the product in a process of its own: its words, its speakers, or both.

``python -m benchmarks.contestants.diarized JOB REPORT`` (both JSON, below). A few seconds of another recording go
through first, so that all weights are in memory.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.contestants import cpu_s
from stenogram import bundled
from stenogram.types import SAMPLE_RATE, Audio, DiarizeOptions, DiarizerName, Sound, Span, SpeakerTurn

Mode = Literal["speakers", "words", "both"]
STEP_S = 30
"""The recording of ``speakers`` grows by so much at a time, as while it is decoded."""
WARM_UP = "assets/beckett.wav"


class Job(msgspec.Struct):
    """What to do with which recording."""

    source: str
    mode: Mode
    diarizer: DiarizerName
    threads: int


class Report(msgspec.Struct):
    """What came of it; times of ``heard`` and ``ended`` are ``time.perf_counter``'s."""

    wall_s: float
    cpu_s: float
    """User and system time, of all processes."""
    ended: float
    turns: list[SpeakerTurn]
    said: list[tuple[str, str]] = []
    """Speaker (empty: nobody) and words, in order."""
    text: str = ""
    text_s: float = 0.0
    """When the text was complete."""
    heard: list[tuple[float, float]] = []
    """When, and how many seconds of the recording were through by then."""


def main() -> None:
    """Do the job."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as home:
        report = speakers(job, home) if job.mode == "speakers" else words(job, home)
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(report))


def speakers(job: Job, home: str) -> Report:
    """The diarizer alone, on samples and speech that are there already."""
    from benchmarks import diarizers
    from stenogram import diarization
    from stenogram.audio.silero import SpeechNetwork
    from stenogram.cache import open_cache
    from stenogram.config import Settings

    settings = Settings(home=home)
    means = diarization.Means(settings, open_cache(settings), threads=job.threads)
    network = SpeechNetwork()
    options, heard = DiarizeOptions(diarize=True), list[tuple[float, float]]()
    warm_up, sound = (diarizers.sound_of(Path(path), network) for path in (bundled.asset(WARM_UP), job.source))
    with closing(diarization.find(job.diarizer, means)) as diarizer:
        diarizer.diarize([warm_up], options, lambda _seconds: None, lambda: False)
        began, cpu_began = time.perf_counter(), cpu_s()
        turns = diarizer.diarize(
            growing(sound), options, lambda seconds: heard.append((time.perf_counter(), seconds)), lambda: False
        )
        ended = time.perf_counter()
    return Report(ended - began, cpu_s() - cpu_began, ended, turns, heard=heard)


def growing(sound: Sound) -> Iterator[Sound]:
    """A recording as it comes in, last of all the whole."""
    for end_s in range(STEP_S, int(sound.heard_s), STEP_S):
        speech = tuple(Span(span.start, span.end) for span in sound.speech if span.end <= end_s)
        heard_s = next((span.start for span in sound.speech if span.end > end_s), float(end_s))
        audio = Audio(sound.audio.path, end_s * SAMPLE_RATE)
        yield Sound(audio, speech, min(heard_s, float(end_s)), finished=False)
    yield sound


def words(job: Job, home: str) -> Report:
    """The whole chain from the file, with or without speakers."""
    from stenogram import App, Settings, events
    from stenogram.app.transcribe import Request, transcribe
    from stenogram.pipeline.parts import Watch

    options = DiarizeOptions(diarize=job.mode == "both", diarization=job.diarizer)
    with App.open(Settings(home=home)) as app:
        transcribe(app, Request(bundled.asset(WARM_UP), diarize=options))
        began, cpu_began = time.perf_counter(), cpu_s()
        written = [began]

        def listen(event: events.Event) -> None:
            if isinstance(event, events.StageFinished) and event.stage == "transcribe":
                written.append(time.perf_counter())

        transcript = transcribe(app, Request(Path(job.source), diarize=options), Watch(listen))
        ended = time.perf_counter()
    # The decoder's process has ended with the app, so its time is in.
    cpu = cpu_s() - cpu_began
    said = [(segment.speaker or "", segment.text) for segment in transcript.segments]
    return Report(ended - began, cpu, ended, list(transcript.turns), said, transcript.text, written[-1] - began)


if __name__ == "__main__":
    main()
