"""``kill -9`` at any moment: the same command goes on where it was, and no finished chunk is decoded twice.

Every process logs the key of a chunk when the engine takes it and when its result is in the cache. A chunk that was
stored must never be taken again, by any later process.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORKER = """
import json, sys, time
from pathlib import Path
from stenogram.app.transcribe import Request, transcribe
from stenogram.cache import open_cache
from stenogram.config import read, Settings
from stenogram.engines.options import settle
from stenogram.pipeline.keys import Model, of_chunk
from stenogram.testing import FAKE_FILES, FakeEngine, make_app
from stenogram.testing.fakes import spell
from stenogram.types import LoadOptions, TranscribeOptions

log = open(sys.argv[2], "a", buffering=1)

def say(chunk):
    model = Model(engine, FAKE_FILES, settle(engine, LoadOptions()))
    log.write(f"taken {of_chunk(chunk, TranscribeOptions(), model)}\\n")
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


def run(source: Path, log: Path, kill_after: int | None = None, linger_s: float = 0.0) -> str | None:
    """What the process printed; None when it was killed, once it had logged so many lines, and ``linger_s`` later."""
    before = len(lines(log))
    command = [sys.executable, "-c", WORKER, str(source), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while kill_after is not None and process.poll() is None:
            if len(lines(log)) >= before + kill_after:
                time.sleep(linger_s)
                process.kill()
                process.communicate()
                return None
            time.sleep(0.005)
        return process.communicate(timeout=120)[0]


def lines(log: Path) -> list[tuple[str, str]]:
    """What all processes logged, in order: ("taken" or "stored", key)."""
    written = log.read_text() if log.exists() else ""
    return [(what, key) for what, key in (line.split() for line in written.split("\n")[:-1])]


def test_a_killed_run_goes_on_and_decodes_no_finished_chunk_again(two_cities: Path, tmp_path: Path) -> None:
    """Killed while chunks are in work, while one is being stored, and right after: three chunks further each time."""
    log, moments, kills, output = tmp_path / "log", random.Random(7), 0, None
    while output is None:
        output = run(two_cities, log, 3 if kills < 3 else None, moments.uniform(0, 0.15))
        kills += output is None

    finished: set[str] = set()
    for what, key in lines(log):
        assert key not in finished, f"{what} again after it was stored"
        if what == "stored":
            finished.add(key)
    assert kills == 3
    assert len(finished) > 5


@pytest.mark.slow
def test_a_killed_and_resumed_run_gives_the_same_transcript(
    two_cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(two_cities, tmp_path / "log", kill_after=4) is None
    resumed = run(two_cities, tmp_path / "log")
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path / "another home"))
    undisturbed = run(two_cities, tmp_path / "another log")

    assert resumed is not None
    assert undisturbed is not None
    assert json.loads(resumed) == json.loads(undisturbed)
