"""Use case: how fast, how large and how right is a way of transcribing, beside another one (R15).

Every run is a process of its own (``python -m stenogram.app.bench``, a job on standard input, a report on standard
output), so that memory is that of one configuration and nothing is warm. Configurations take turns in each round, so
that what else the machine does falls on both. No cache answers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stenogram import events
from stenogram.app import api
from stenogram.app.root import App
from stenogram.app.transcribe import resolve, stream
from stenogram.audio.decode import Decoder
from stenogram.errors import EngineError, StenogramError
from stenogram.hardware import free_memory, peak_memory_bytes
from stenogram.pipeline.parts import Watch
from stenogram.scoring import error_rate


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one configuration."""

    model: str
    engine: str
    language: str | None
    duration_s: float
    load_s: float
    """Imports and weights."""
    work_s: float
    """From the request to the whole text, weights in memory."""
    first_s: float | None
    """From the request to the first segment; None: there was none."""
    cpu_s: float
    """Processor time of that work, the decoder's too."""
    peak_bytes: int
    """Most memory the process held."""
    text: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some values."""
        return cls(statistics.median(values), min(values), max(values))

    def __format__(self, spec: str) -> str:
        middle, least, greatest = (format(value, spec) for value in (self.median, self.least, self.greatest))
        return middle if least == greatest else f"{middle} [{least}-{greatest}]"


@dataclass(frozen=True, slots=True)
class Result:
    """What one configuration came to."""

    name: str
    model: str
    engine: str
    rtfx: Spread
    """Seconds of recording per second of work."""
    first_s: Spread | None
    load_s: Spread
    cpu_ms_per_s: Spread
    """Milliseconds of processor time per second of recording."""
    peak_mb: Spread
    error_rate: float | None
    """Word error rate (character error rate where that is the custom); None without a reference."""
    text: str


def compare(
    source: Path,
    configurations: Mapping[str, Mapping[str, Any]],
    rounds: int,
    reference: str | None = None,
    told: Callable[[str, int], None] = lambda _name, _round: None,
) -> tuple[list[Result], list[Spread]]:
    """Measure configurations (name -> options by name) on a recording, ``rounds`` times in turn.

    The second value: for each further configuration, how many times as fast as the first it is, round by round.
    ``told`` hears which run begins. Raises ``EngineError`` for a run that failed, with its message.
    """
    runs: dict[str, list[Run]] = {name: [] for name in configurations}
    for number in range(rounds):
        for name, options in configurations.items():
            told(name, number)
            runs[name].append(_in_child(name, source, options))
    results = [_result(name, of_one, reference) for name, of_one in runs.items()]
    first, *others = runs.values()
    ratios = [Spread.of([base.work_s / run.work_s for base, run in zip(first, other, strict=True)]) for other in others]
    return results, ratios


def _result(name: str, runs: Sequence[Run], reference: str | None) -> Result:
    last = runs[-1]
    firsts = [run.first_s for run in runs if run.first_s is not None]
    rate = None if reference is None else error_rate(reference, last.text, last.language or "en").rate
    return Result(
        name=name,
        model=last.model,
        engine=last.engine,
        rtfx=Spread.of([run.duration_s / run.work_s for run in runs]),
        first_s=Spread.of(firsts) if firsts else None,
        load_s=Spread.of([run.load_s for run in runs]),
        cpu_ms_per_s=Spread.of([1000 * run.cpu_s / run.duration_s for run in runs]),
        peak_mb=Spread.of([run.peak_bytes / 1e6 for run in runs]),
        error_rate=rate,
        text=last.text,
    )


def _in_child(name: str, source: Path, options: Mapping[str, Any]) -> Run:
    job = json.dumps({"source": str(source.absolute()), "options": dict(options)})
    command = [sys.executable, "-m", "stenogram.app.bench"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as child:
        answer, _ = child.communicate(job)
    if child.returncode or not answer:
        raise EngineError(engine=name, cause=f"its process ended with status {child.returncode}")
    report = json.loads(answer)
    if "error" in report:
        raise EngineError(f"{name}: {report['error']}")
    return Run(**report)


class _NoCache:
    """Forgets everything, so that all work is done."""

    def get(self, kind: str, key: str) -> bytes | None:  # noqa: ARG002 - part of the Protocol
        """Nothing."""
        return None

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Nothing."""


def measure(source: Path, options: Mapping[str, Any]) -> Run:
    """Transcribe a recording in this process, once the weights are in memory."""
    began = time.perf_counter()
    settings, request = api.read(source, options)
    decoding_s: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.StageFinished) and event.stage == "decode":
            decoding_s.append(event.busy_s)

    with App(settings, _NoCache(), Decoder(), free_bytes=free_memory) as app:
        resolved = resolve(app, request)
        with app.models.lend(resolved.files, resolved.load):
            pass
        loaded = time.perf_counter()
        cpu_began = time.process_time()
        first_s: float | None = None
        segments = stream(app, request, Watch(note))
        while True:
            try:
                next(segments)
            except StopIteration as finished:
                transcript = finished.value
                break
            first_s = first_s or time.perf_counter() - loaded
        done = time.perf_counter()
        cpu_s = time.process_time() - cpu_began + sum(decoding_s)
    return Run(
        model=transcript.model,
        engine=transcript.engine,
        language=transcript.language,
        duration_s=transcript.duration,
        load_s=loaded - began,
        work_s=done - loaded,
        first_s=first_s,
        cpu_s=cpu_s,
        peak_bytes=peak_memory_bytes(),
        text=transcript.text,
    )


def main() -> None:
    """Serve one job: options and source as JSON in, a report as JSON out."""
    job = json.load(sys.stdin)
    try:
        report = asdict(measure(Path(job["source"]), job["options"]))
    except StenogramError as error:
        report = {"error": str(error)}
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
