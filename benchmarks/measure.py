"""Runs one job of one contestant in a fresh process, and watches its memory from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks import recordings
from benchmarks.contestants import Contestant, Job, Report

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one contestant."""

    contestant: str
    wall_s: float
    """Process start to exit."""
    peak_rss_bytes: int
    """Resident memory at its highest, sum over the process and those it started; shared pages count in each."""
    peak_anonymous_bytes: int | None
    """The same without pages of files (RssAnon on Linux); None where the system does not tell."""
    report: Report


class Memory(threading.Thread):
    """Looks at the memory of a tree of processes every ``SAMPLE_EVERY_S``."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_rss_bytes = 0
        self.peak_anonymous_bytes: int | None = None
        self.anonymous_bytes: list[tuple[float, int]] = []
        """Each look: ``time.perf_counter`` (on Linux the same clock in all processes), and what was used."""
        self._root = psutil.Process(pid)
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until ``stop``."""
        while not self._ended.wait(SAMPLE_EVERY_S):
            self._look()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join()

    def _look(self) -> None:
        used = []
        try:
            for process in (self._root, *self._root.children(recursive=True)):
                used.append(process.memory_info())  # noqa: PERF401 - what was read before a process went still counts
        except psutil.NoSuchProcess:
            pass
        self.peak_rss_bytes = max(self.peak_rss_bytes, sum(info.rss for info in used))
        if used and all(hasattr(info, "shared") for info in used):
            anonymous = sum(info.rss - info.shared for info in used)
            self.peak_anonymous_bytes = max(self.peak_anonymous_bytes or 0, anonymous)
            self.anonymous_bytes.append((time.perf_counter(), anonymous))


def run(contestant: Contestant, sources: Sequence[Path]) -> Measured:
    """Transcribe recordings in a fresh process; those who read samples get them decoded beforehand."""
    if contestant.reads == "samples":
        sources = [recordings.samples_of(source) for source in sources]
    with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as folder:
        job, report = Path(folder, "job.json"), Path(folder, "report.json")
        job.write_bytes(msgspec.json.encode(Job([str(source.resolve()) for source in sources])))
        command = [sys.executable, "-m", contestant.module, str(job), str(report)]
        began = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment()) as process:
            memory = Memory(process.pid)
            memory.start()
            status = process.wait()
            wall_s = time.perf_counter() - began
            memory.stop()
        if status:
            raise SystemExit(f"{contestant.name} ended with status {status}")
        found = msgspec.json.decode(report.read_bytes(), type=Report)
    return Measured(contestant.name, wall_s, memory.peak_rss_bytes, memory.peak_anonymous_bytes, found)


def process_s(command: Sequence[str], **environ: str) -> float:
    """Wall time of a command from start to exit."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment() | environ)
    return time.perf_counter() - began


def environment() -> dict[str, str]:
    """The environment without the user's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STENOGRAM_")}


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "cpus": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "python": sys.version.split()[0],
        "platform": sys.platform,
    }
