"""Moments in the life of a service, written into its database as its processes would write them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from stenogram.accounts.set_up import SetUp
from stenogram.app import jobs as use_jobs
from stenogram.app import shares
from stenogram.app.enabled import HOST
from stenogram.app.house import House
from stenogram.job import Caller, Job, Media
from stenogram.server.asgi import build
from stenogram.store import claims, downloads, jobs, whisper_models, workers
from stenogram.store.database import Transaction
from stenogram.store.downloads import Download
from stenogram.store.tables import jobs as job_table
from stenogram.types import Segment, Transcript, Word
from tests.service import keep

SECRETS = ("quarterly-figures.wav", "https://client.example/callback", "the merger is off", "alice")
"""File name, callback, error and owner of every job here: what the dashboard must not tell."""
_FILENAME, _CALLBACK, _ERROR, _OWNER = SECRETS

_WORDS = tuple(
    Word(word, index, index + 0.8) for index, word in enumerate(["Ever", "tried.", "Ever", "failed.", "No", "matter."])
)
_TALK = Transcript(
    (Segment(0, 0.0, 4.0, "Ever tried. Ever failed.", _WORDS[:4], speaker="Ann"),
     Segment(1, 4.0, 6.0, "No matter.", _WORDS[4:], speaker="Ben")),
    duration=6.0, model="fake", language="en",
)  # fmt: skip
"""Two people, six words, a second each."""


def put_job(tx: Transaction, owner: str | None = _OWNER) -> str:
    """A job that waits."""
    media = Media("none/of/it.wav", "00" * 32, 1, _FILENAME)
    job, _ = jobs.put(tx, jobs.NewJob("service", media, "base", {}, owner=owner, callback_url=_CALLBACK))
    return job.id


def set_state(tx: Transaction, job_id: str, state: str) -> None:
    """As if a worker had taken it so far."""
    now = time.time()
    values = {"state": state, "started_at": now - 40, "error": _ERROR if state == "failed" else None}
    tx.connection.execute(job_table.update().where(job_table.c.id == job_id).values(**values))
    tx.wake("workers")


def add_worker(tx: Transaction, name: str, device: str, gpu: dict[str, object] | None = None) -> None:
    """A worker that is ready."""
    workers.register(tx, name, "studio", 1, device)
    workers.beat(tx, name, 1_610_612_736, gpu)
    workers.tell(tx, name, "idle", loaded=["moonshine-tiny-en"])


def idle(house: House) -> None:
    """One CPU worker, nothing to do, some work done."""
    with house.db.write() as tx:
        add_worker(tx, "w0", "cpu")
        for state, number in (("succeeded", 128), ("failed", 2)):
            for _ in range(number):
                set_state(tx, put_job(tx), state)


def busy(house: House) -> list[str]:
    """Four GPUs at work and thirty jobs behind them; gives the ids of the four that run."""
    running = []
    with house.db.write() as tx:
        for index, (use, used) in enumerate(((97.0, 9830), (88.0, 76410), (100.0, 12288), (None, 4096))):
            gpu = {
                "index": index,
                "name": "NVIDIA H100 80GB HBM3",
                "util_percent": use,
                "vram_used_mb": used,
                "vram_total_mb": 81559,
                "vram_percent": round(100 * used / 81559, 1),
            }
            add_worker(tx, f"w{index}", f"cuda:{index}", gpu)
            job_id = put_job(tx)
            set_state(tx, job_id, "running")
            loaded = ["large-v3", "moonshine-tiny-en"]
            workers.tell(tx, f"w{index}", "busy", job_id=job_id, model="large-v3", loaded=loaded)
            running.append(job_id)
        add_worker(tx, "old", "cuda:1")
        workers.end(tx, "old", "lost", "its process ended: killed by signal 9")
        for _ in range(30):
            put_job(tx)
        for _ in range(12):
            set_state(tx, put_job(tx), "succeeded")
    return running


def fetching(house: House) -> None:
    """A model on its way at 42 %, another one that could not be had."""
    with house.db.write() as tx:
        add_worker(tx, "w0", "cpu")
        whisper_models.switch(tx, "large-v3-turbo", enabled=True)
        whisper_models.switch(tx, "small", enabled=True)
        total = 1_617_884_929
        downloads.put(tx, Download("whisper-large-v3-turbo", HOST, "downloading", int(total * 0.42), total))
        downloads.put(tx, Download("whisper-small", HOST, "failed", error="the hub answered 503, five times"))


def broken(house: House) -> None:
    """The only GPU is lost."""
    with house.db.write() as tx:
        add_worker(tx, "w0", "cuda:0")
        fault = "the GPU cannot be used: CUDA error 46, all devices are busy or unavailable"
        workers.tell(tx, "w0", "starting", fault=fault, loaded=[])


def job_named(house: House, job_id: str) -> Job:
    """The job as the database has it."""
    with house.db.read() as connection:
        found = jobs.find(connection, job_id)
    assert found is not None
    return found


def share(house: House, beckett: Path, *, media: bool = True) -> tuple[str, str]:
    """A transcript and a link to it: the link's id, and its token."""
    owner = Caller("ann", admin=False)
    [job] = use_jobs.submit(house, owner, use_jobs.Order("v1"), [keep(house, beckett, "talk.wav")])
    with house.db.write() as tx:
        claimed = claims.claim(tx, job.id, "w")
        assert claimed is not None
        claims.succeed(tx, claimed[1], _TALK, None, cached=False)
    token, made = shares.create(house, owner, job.id, 7, media=media)
    return made.id, token


class _Server(uvicorn.Server):
    """Leaves no connection behind: browsers keep some open, and open new ones while the server is closing."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is left when all who wanted to had their time."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            transport: asyncio.Transport | None = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0.05)  # what is closed is gone a turn of the loop later


@contextmanager
def serving(house: House, port: int = 0, set_up: SetUp | None = None) -> Iterator[str]:
    """The service's HTTP side on a real socket, without workers; gives its address."""
    import threading

    config = uvicorn.Config(
        build(house, set_up),
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    for other in threading.enumerate():
        if other.name == "fetch_enabled":  # a model that a scene turns on later is not to be fetched
            other.join()
    number = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{number}"
    finally:
        server.should_exit = True
        thread.join()
