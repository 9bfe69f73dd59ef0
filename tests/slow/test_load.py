"""The server under load: it answers while it takes in much, and takes in much without holding it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from benchmarks.load import measure
from tests.integration.conftest import Server, serving

pytestmark = pytest.mark.slow

UPLOADS = 200
LARGE_BYTES = 2 * 2**30
BOUNDARY = "x" * 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "home", "--shutdown-grace-s", "0", "--min-free-disk-mb", "0") as started:
        yield started


def test_200_uploads_at_once_are_all_taken_in_while_health_answers(server: Server, two_cities: Path) -> None:
    """How quick it answers is in ``benchmarks``."""
    host = server.url.removeprefix("http://")
    statuses, took_ms = measure(host, two_cities.read_bytes()[:2_000_000], UPLOADS)

    assert statuses == [202] * UPLOADS
    assert len(took_ms) > 10


def test_an_upload_of_2_gb_is_taken_in_at_constant_memory(server: Server) -> None:
    """It is no sound; what counts is that the server never held it, and left nothing half done."""
    process = psutil.Process(server.process.pid)
    before, most, over = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    with server.client() as client:
        answer = client.post("/api/v1/jobs", content=large_form(), headers=headers, timeout=httpx2.Timeout(300))
    over.set()
    watcher.join()

    assert answer.status_code == 202
    assert answer.json()["jobs"][0]["media"]["bytes"] == LARGE_BYTES
    assert most - before < 64 * 2**20
    left = [path for path in (server.home / "media" / ".incoming").iterdir() if path.suffix != ".lock"]
    assert not left


def large_form() -> Iterator[bytes]:
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'.encode()
    piece = bytes(2**20)
    for _ in range(LARGE_BYTES // len(piece)):
        yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()
