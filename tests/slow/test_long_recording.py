"""A ten-hour recording costs disk, not memory."""

from __future__ import annotations

import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import psutil
import pytest

WORKER = """
import sys
from pathlib import Path
from stenogram.app.transcribe import Request, transcribe
from stenogram.testing import FakeEngine, MemoryCache, make_app

class NoCache(MemoryCache):
    def put(self, kind, key, value):
        pass

with make_app(engine=FakeEngine(), cache=NoCache()) as app:
    transcript = transcribe(app, Request(Path(sys.argv[1])))
print(transcript.duration, len(transcript.segments))
"""
RATE = 8000


def build(path: Path, voice: Path, hours: float) -> None:
    """A telephone recording of so many hours: the voice again and again, never quite as loud as before."""
    with wave.open(str(voice)) as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), np.int16)[:: source.getframerate() // RATE]
    repeats = round(hours * 3600 * RATE / len(samples))
    with wave.open(str(path), "wb") as target:
        target.setparams((1, 1, RATE, 0, "NONE", ""))
        for gain in np.linspace(0.5, 1.0, repeats):
            target.writeframes(((samples * gain / 256) + 128).astype(np.uint8).tobytes())


def anonymous_bytes(process: psutil.Process) -> int:
    """RssAnon of a process and those below it: memory that is not a file's."""
    held = 0
    for member in (process, *process.children(recursive=True)):
        try:
            status = Path(f"/proc/{member.pid}/status").read_text()
        except OSError:  # it has ended
            continue
        held += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))
    return held


def peak_anonymous_bytes(recording: Path) -> tuple[int, str]:
    """Transcribe in a process of its own; the most that it and its decoder held, and what it printed."""
    command, peak = [sys.executable, "-c", WORKER, str(recording)], 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, anonymous_bytes(psutil.Process(process.pid)))
            time.sleep(0.2)
        assert process.stdout is not None
        return peak, process.stdout.read()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ten_hours_take_no_more_memory_than_ten_minutes(tmp_path: Path, two_cities: Path) -> None:
    build(tmp_path / "short.wav", two_cities, 1 / 6)
    build(tmp_path / "long.wav", two_cities, 10)

    short, _ = peak_anonymous_bytes(tmp_path / "short.wav")
    long, output = peak_anonymous_bytes(tmp_path / "long.wav")

    duration, segments = output.split()
    assert float(duration) == pytest.approx(36_000, rel=0.01)
    assert int(segments) > 5_000
    assert long - short < 300 * 2**20
