"""``kill -9`` at any moment: the same command goes on where it was, and no finished chunk is decoded twice.

Every process logs the key of a chunk when the engine takes it and when its result is in the cache. A chunk that was
stored must never be taken again, by any later process.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = """
import json, sys, time
from pathlib import Path
from stenogram.app.transcribe import Request, transcribe
from stenogram.cache import open_cache
from stenogram.config import read, Settings
from stenogram.pipeline.keys import of_chunk
from stenogram.testing import FAKE_FILES, FakeEngine, make_app
from stenogram.testing.fakes import spell
from stenogram.types import TranscribeOptions

log = open(sys.argv[2], "a", buffering=1)

def say(chunk):
    log.write(f"taken {of_chunk(chunk, TranscribeOptions(), engine, FAKE_FILES)}\\n")
    time.sleep(0.1)
    return spell(chunk)

class LoggingCache:
    def __init__(self, cache):
        self.cache = cache
    def get(self, kind, key):
        return self.cache.get(kind, key)
    def put(self, kind, key, value):
        self.cache.put(kind, key, value)
        if kind == "chunk":
            log.write(f"stored {key}\\n")

engine = FakeEngine(say=say, batch_size=2, parallelism=2)
with make_app(engine=engine, cache=LoggingCache(open_cache(read(Settings)))) as app:
    transcript = transcribe(app, Request(Path(sys.argv[1])))
print(json.dumps([(segment.start, segment.text) for segment in transcript.segments]))
"""


def run(source: Path, log: Path, kill_after_s: float | None = None) -> str | None:
    """What the process printed, or None when it was killed first."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(source), str(log)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        return process.communicate(timeout=kill_after_s)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None


def lines(log: Path) -> list[tuple[str, str]]:
    """What all processes logged, in order: ("taken" or "stored", key)."""
    return [(what, key) for what, key in (line.split() for line in log.read_text().splitlines())]


def test_a_killed_run_goes_on_and_decodes_no_finished_chunk_again(two_cities: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    moments, kills, output = random.Random(7), 0, None
    while output is None:
        output = run(two_cities, log, kill_after_s=moments.uniform(0.9, 1.6) if kills < 8 else None)
        kills += output is None

    finished: set[str] = set()
    for what, key in lines(log):
        assert key not in finished, f"{what} again after it was stored"
        if what == "stored":
            finished.add(key)
    assert kills
    assert {key for _, key in lines(log)} == finished


def test_a_killed_and_resumed_run_gives_the_same_transcript(
    two_cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(two_cities, tmp_path / "log", kill_after_s=1.3)
    resumed = run(two_cities, tmp_path / "log")
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path / "another home"))
    undisturbed = run(two_cities, tmp_path / "another log")

    assert resumed is not None
    assert undisturbed is not None
    assert json.loads(resumed) == json.loads(undisturbed)
