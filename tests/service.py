"""What tests of the service share: a house, its workers, jobs put in and waited for."""

from __future__ import annotations

import sys
import time
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.app.letter import letter_of
from stenogram.job import CHAT_DEVICE, Caller, Job, Media
from stenogram.jobs.supervisor import Start, Supervisor

CALLER = Caller()
FAKE_WORKER = Path(__file__).with_name("fake_worker.py")
REAL = (sys.executable, "-m", "stenogram.app.worker")

T = TypeVar("T")


def fake(log: Path, delay_s: float) -> tuple[str, ...]:
    """The command of a worker with a fake engine, which takes so long for each chunk."""
    return (sys.executable, str(FAKE_WORKER), str(log), str(delay_s))


def supervise(
    house: House, command: Sequence[str] = REAL, workers: int = 1, host: str | None = None, chat_workers: int = 0
) -> Supervisor:
    """A supervisor, not started yet."""
    start = Start(command, letter_of(house.settings, house.server))
    supervisor = Supervisor(
        house.db,
        house.queue,
        start,
        ("cpu",) * workers + (CHAT_DEVICE,) * chat_workers,
        lease_s=house.server.lease_s,
        max_crashes=house.server.max_crashes,
    )
    if host is not None:
        supervisor.host = host
    return supervisor


def keep(house: House, path: Path, name: str | None = None) -> Media:
    """A recording in the house's media store."""
    receiver = house.media.receive(name or path.name)
    receiver.write(path.read_bytes())
    return receiver.close()


def kept(house: House) -> list[Path]:
    """The recordings in the house's folder, and whatever else was left there; a process's own lock may stay."""
    media = house.settings.data_dir / "media"
    return [path for path in media.rglob("*") if path.is_file() and path.suffix != ".lock"]


def submit(house: House, path: Path, order: jobs.Order | None = None) -> Job:
    """Put in a job for a file."""
    [job] = jobs.submit(house, CALLER, order or jobs.Order("v1"), [keep(house, path)])
    return job


def until(condition: Callable[[], T | None], timeout_s: float = 60.0, what: str = "") -> T:
    """The first true value of a condition."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"waited {timeout_s} s in vain {what}")


def wait_for(house: House, job: Job, *states: str, timeout_s: float = 60.0) -> Job:
    """The job once it is in one of the states (by default: over)."""

    def found() -> Job | None:
        now = jobs.find(house, CALLER, job.id)
        return now if now.state in (states or ("succeeded", "failed", "cancelled")) else None

    return until(found, timeout_s, f"for {job.id}")


def lines(log: Path) -> list[str]:
    """What the fake workers wrote."""
    return log.read_text().splitlines() if log.exists() else []


def recomputed(log: Path) -> list[str]:
    """Chunks that were taken once more although they had been stored."""
    stored: set[str] = set()
    again = []
    for line in lines(log):
        what, _, key = line.partition(" ")
        if what == "stored":
            stored.add(key)
        elif what == "taken" and key in stored:
            again.append(key)
    return again


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """A 16-bit file of float samples ``[n]`` or ``[n, channels]``."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    """Float samples of a mono 16-bit file, and their rate."""
    with wave.open(str(path), "rb") as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        return data, file.getframerate()
