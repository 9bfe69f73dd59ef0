"""``kill -9`` of anything at any time: nothing is lost, nothing is done twice."""

from __future__ import annotations

import http.server
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.job import Caller
from stenogram.store import jobs as job_rows
from stenogram.store import schema
from tests.service import fake, read_wav, recomputed, until, write_wav

pytestmark = pytest.mark.slow

JOBS, WORKERS, KILLS = 40, 3, 10


class Receiver:
    """Counts the callbacks that arrive; now and then it fails after having read one."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        received = self.bodies
        moments = random.Random(3)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if moments.random() < 0.2:
                    self.send_error(503)
                    return
                received.append((self.headers["webhook-id"], body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/done"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


def recordings(folder: Path, speech: Path) -> list[Path]:
    """As many as there are jobs, each with a sound of its own."""
    samples, rate = read_wav(speech)
    found = []
    for number in range(JOBS):
        length = rate * (8 + number % 12)
        begin = (number * rate) // 2 % (len(samples) - length)
        gain = 0.5 + number / (2 * JOBS)
        found.append(write_wav(folder / f"{number:02d}.wav", gain * samples[begin : begin + length], rate))
    return found


def test_forty_jobs_three_workers_ten_kills(
    tmp_path: Path, database_url: str, receiver: Receiver, two_cities: Path
) -> None:
    """40 right results, 40 callbacks with distinct ids, no chunk computed twice, counted over all processes."""
    log, moments = tmp_path / "log", random.Random(11)
    settings = Settings(home=str(tmp_path / "home"))
    # kills at random may meet one job again and again before it gets anywhere; what that means is tested elsewhere
    server = ServerSettings(database_url=database_url, lease_s=3.0, max_crashes=KILLS + 1, callback_allow="127.0.0.1")
    command = (sys.executable, str(Path(__file__).with_name("chaos_server.py")), *fake(log, 0.15))
    files = recordings(tmp_path, two_cities)
    with House.open(settings, server) as house:
        schema.upgrade(house.db)
        letter = json.dumps({"settings": _plain(settings), "server": _plain(server)})
        process = _start(command, letter)
        submitted = []
        for path in files:
            receiver_of = house.media.receive(path.name)
            receiver_of.write(path.read_bytes())
            order = jobs.Order("v1", callback_url=receiver.url)
            submitted += jobs.submit(house, Caller(), order, [receiver_of.close()])
        kills: list[str] = []
        while len(kills) < KILLS:
            time.sleep(moments.uniform(0.3, 1.5))
            alive = _workers(process.pid)
            if len(kills) in (3, 7):  # the supervisor and the sender of callbacks go too
                process.kill()
                _close(process)
                process = _start(command, letter)
                kills.append("server")
            elif alive:
                os.kill(moments.choice(alive), signal.SIGKILL)
                kills.append("worker")
        until(lambda: _all_over(house), 240.0, "for the jobs")
        until(lambda: len({key for key, _ in receiver.bodies}) == JOBS, 120.0, "for the callbacks")
        process.send_signal(signal.SIGTERM)
        _close(process)
        texts = {job.id: jobs.transcript(house, Caller(), job.id).text for job in submitted}

    assert not recomputed(log)
    bodies = {key: json.loads(body) for key, body in receiver.bodies}
    assert len({body["job_id"] for body in bodies.values()}) == JOBS
    for body in bodies.values():
        assert body["status"] == "completed"
        assert body["result"]["text"] == texts[body["job_id"]] != ""
    for key, body in receiver.bodies:  # a repeat is the same to the byte
        assert json.loads(body) == bodies[key]
    assert _expected(files, log) == list(texts.values())


def _expected(files: list[Path], log: Path) -> list[str]:
    """What the same recordings give when nothing is killed."""
    from stenogram.app.transcribe import Request, transcribe
    from stenogram.testing import make_app

    with make_app() as app:
        return [transcribe(app, Request(path, profile="auto")).text for path in files]


def _plain(value: object) -> object:
    import dataclasses

    return dataclasses.asdict(value)  # type: ignore[call-overload]


def _start(command: tuple[str, ...], letter: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(letter.encode() + b"\n")
    process.stdin.flush()
    return process


def _close(process: subprocess.Popen[bytes]) -> None:
    process.wait(20)
    assert process.stdin is not None
    process.stdin.close()


def _workers(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def _all_over(house: House) -> bool:
    with house.db.read() as connection:
        counts = job_rows.counts(connection)
    assert counts["failed"] == 0, counts
    return counts["succeeded"] == JOBS
