"""Uploads over real sockets to the real server: refusals reach the client, nothing waits for anything else."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import uvicorn

from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings, read
from stenogram.server.asgi import build
from stenogram.server.run import _bound
from stenogram.store import schema
from tests.service import until

MIB = 2**20
HEAD = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
TAIL = b"\r\n--cut--\r\n"
MULTIPART = {"content-type": "multipart/form-data; boundary=cut"}
SOUND = hashlib.shake_256(b"sound").digest(MIB)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    server = replace(read(ServerSettings), max_upload_mb=8, min_free_disk_mb=0)
    with House.open(Settings(home=str(tmp_path / "home")), server) as opened:
        schema.upgrade(opened.db)
        yield opened


@pytest.fixture
def address(house: House) -> Iterator[tuple[str, int]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        server = uvicorn.Server(uvicorn.Config(build(house), log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        until(lambda: server.started, what="for the server")
        yield listening.getsockname()
        server.should_exit = True
        thread.join()


def left(house: House) -> list[Path]:
    found = Path(house.media._root).rglob("*")
    return [path for path in found if path.is_file() and path.suffix != ".lock"]


@pytest.mark.slow
def test_200_uploads_at_once_leave_the_server_answering_and_all_arrive(house: House, address: tuple[str, int]) -> None:
    """Each client sends half of its recording and waits: the server answers others meanwhile."""
    url = "http://{}:{}".format(*address)

    async def run() -> list[httpx2.Response]:
        half, rest = asyncio.Semaphore(0), asyncio.Event()

        async def body(number: int) -> AsyncIterator[bytes]:
            yield HEAD + b"%06d" % number + SOUND[: MIB // 2]
            half.release()
            await rest.wait()
            yield SOUND[MIB // 2 :] + TAIL

        limits = httpx2.Limits(max_connections=300)
        async with httpx2.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
            posts = [
                asyncio.create_task(client.post("/api/v1/jobs", content=body(number), headers=MULTIPART))
                for number in range(200)
            ]
            for _ in range(200):
                await half.acquire()
            for path in ("/health", "/api/v1/jobs", "/queue"):
                assert (await client.get(path)).status_code == 200
            assert not any(post.done() for post in posts)
            rest.set()
            return list(await asyncio.gather(*posts))

    answers = asyncio.run(run())

    assert {answer.status_code for answer in answers} == {202}
    digests = {answer.json()["jobs"][0]["media"]["sha256"] for answer in answers}
    assert digests == {hashlib.sha256(b"%06d" % number + SOUND).hexdigest() for number in range(200)}
    assert len(left(house)) == 200


@pytest.mark.parametrize("told", [True, False], ids=["by its length", "while it streams"])
def test_a_client_that_sends_too_much_gets_the_refusal_and_not_a_broken_pipe(
    house: House, address: tuple[str, int], told: bool
) -> None:
    """It sends all of it before it looks for an answer, as most clients do."""
    size = 64 * MIB
    headers = {**MULTIPART, **({"content-length": str(len(HEAD) + size + len(TAIL))} if told else {})}

    def body() -> Iterator[bytes]:
        yield HEAD
        for _ in range(64):
            yield SOUND
        yield TAIL

    answer = httpx2.post("http://{}:{}/api/v1/jobs".format(*address), content=body(), headers=headers, timeout=60)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert "8 MiB" in answer.json()["error"]["message"]
    assert left(house) == []


def test_nothing_is_left_of_a_client_that_hangs_up(house: House, address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        head = "POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
        client.sendall(f"{head}Content-Length: 5000000\r\n\r\n".encode() + HEAD + SOUND)
        until(lambda: left(house), what="for the upload to begin")

    until(lambda: not left(house), what="for it to be removed")


def test_small_answers_are_sent_at_once() -> None:
    """Asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits some 40 ms."""
    with _bound(replace(read(ServerSettings), port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP
