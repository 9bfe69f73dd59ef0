"""Who is compared: one row each, and one module that does a job in a process of its own.

A module is run as ``python -m MODULE JOB REPORT``: it reads ``Job`` and writes ``Report`` (both JSON, below).
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec


@dataclass(frozen=True, slots=True)
class Contestant:
    """An engine under measurement."""

    name: str
    module: str
    needs: str
    """The package that must be installed for it."""
    reads: Literal["file", "samples"]
    """``file``: it starts from the recording. ``samples``: it is given 16 kHz float32 samples in memory, for free."""

    @property
    def installed(self) -> bool:
        """Whether it can take part here."""
        return importlib.util.find_spec(self.needs) is not None


CONTESTANTS = (
    Contestant("stenogram", "benchmarks.contestants.chain", "stenogram", "file"),
    Contestant("moonshine-voice", "benchmarks.contestants.library", "moonshine_voice", "samples"),
)


class Job(msgspec.Struct):
    """What to transcribe, one recording after the other."""

    sources: list[str]


class Done(msgspec.Struct):
    """One recording, transcribed with the weights in memory."""

    work_s: float
    """Wall time."""
    work_cpu_s: float
    """User and system time of the process and of those it started."""
    text: str
    stages: dict[str, float] = {}
    """CPU seconds by stage, where the contestant tells."""


class Report(msgspec.Struct):
    """What a process brought home."""

    load_s: float
    """Imports and weights, wall, all loads together."""
    done: list[Done]
    cpu_s: float
    """User and system time of the whole process and of those it started."""


def cpu_s() -> float:
    """User and system seconds so far, of this process and of its children that have ended."""
    import psutil

    times = psutil.Process().cpu_times()
    children: float = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + children)


def read_job() -> Job:
    """The job named on the command line."""
    return msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)


def write_report(report: Report) -> None:
    """To the file named on the command line."""
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(report))
