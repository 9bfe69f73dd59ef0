"""What the service is doing, as one snapshot in memory: health, dashboard and metrics only read it.

It is taken anew when another process told of a change, and every two seconds at most, in a thread. So ``/health``
answers in microseconds, whatever the database does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal

import psutil
from anyio import to_thread

from stenogram.app import enabled
from stenogram.app.enabled import ModelState
from stenogram.app.house import House
from stenogram.errors import StenogramError
from stenogram.server.hub import Hub, Watch
from stenogram.store import callbacks, jobs, workers
from stenogram.store.workers import Worker

log = logging.getLogger(__name__)

Health = Literal["starting", "ready", "error"]

_REFRESH_S = 2.0
_AT_MOST_EVERY_S = 0.25
_HISTORY = 60
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The service at one moment."""

    at: float = field(default_factory=time.time)
    health: Health = "starting"
    state: str | None = "starting"
    """What keeps it from being ready: ``starting``, ``no_worker``, ``database_unavailable``, ``storage_full`` ..."""
    reason: str | None = "the service is starting"
    counts: Mapping[str, int] = field(default_factory=dict)
    queued: Sequence[str] = ()
    running: Sequence[str] = ()
    workers: Sequence[Worker] = ()
    models: Sequence[ModelState] = ()
    callbacks: Mapping[str, int] = field(default_factory=dict)
    oldest_wait_s: float = 0.0
    cpu_percent: float = 0.0
    memory_used_mb: int = 0
    memory_total_mb: int = 0
    history: Sequence[tuple[int, int]] = ()
    """Queued and running, every two seconds."""


class Board:
    """Keeps the snapshot fresh between ``start`` and ``stop``."""

    def __init__(self, house: House, hub: Hub) -> None:
        self.snapshot = Snapshot()
        self._house = house
        self._hub = hub
        self._task: asyncio.Task[None] | None = None
        self._history: deque[tuple[int, int]] = deque(maxlen=_HISTORY)
        self._watches: set[Watch] = set()
        self._noted_at = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """Take the snapshot anew, now."""
        self.snapshot = await to_thread.run_sync(self._take)
        for watch in self._watches:
            watch.wake()

    def follow(self) -> Watch:
        """Is woken by each new snapshot, until ``unfollow``."""
        watch = Watch()
        self._watches.add(watch)
        return watch

    def unfollow(self, watch: Watch) -> None:
        """Wake no more."""
        self._watches.discard(watch)

    async def _run(self) -> None:
        with self._hub.watch("workers", "models", "callbacks") as watch:
            while not self._hub.closing:
                await self.refresh()
                await asyncio.sleep(_AT_MOST_EVERY_S)
                await watch.wait(_REFRESH_S - _AT_MOST_EVERY_S)

    def _take(self) -> Snapshot:
        memory = psutil.virtual_memory()
        machine: dict[str, Any] = {
            "cpu_percent": psutil.cpu_percent(),
            "memory_used_mb": (memory.total - memory.available) // _MIB,
            "memory_total_mb": memory.total // _MIB,
        }
        try:
            with self._house.db.read() as connection:
                counts = jobs.counts(connection)
                crew = workers.all_of(connection)
                facts: dict[str, Any] = {
                    "counts": counts,
                    "queued": jobs.ids(connection, "queued", None, everybody=True),
                    "running": jobs.ids(connection, "running", None, everybody=True),
                    "workers": crew,
                    "callbacks": callbacks.counts(connection),
                    "oldest_wait_s": jobs.oldest_wait_s(connection),
                    "models": enabled.states(self._house, connection),
                }
            health, state, reason = self._judge(crew, facts["models"])
        except StenogramError as error:
            return Snapshot(
                health="starting", state=error.code, reason=str(error), history=tuple(self._history), **machine
            )
        if time.monotonic() - self._noted_at >= _REFRESH_S:
            self._noted_at = time.monotonic()
            self._history.append((counts["queued"], counts["running"]))
        return Snapshot(health=health, state=state, reason=reason, history=tuple(self._history), **facts, **machine)

    def _judge(self, crew: Sequence[Worker], models: Sequence[ModelState]) -> tuple[Health, str | None, str | None]:
        """Ready only when a job would start."""
        free = self._house.media.free_bytes()
        least = self._house.server.min_free_disk_mb
        if free is not None and free < least * _MIB:
            reason = f"{free // _MIB} MiB are free where recordings go; {least} MiB are needed"
            return "starting", "storage_full", reason
        coming = [model.name for model in models if model.state == "downloading"]
        if any(worker.state in ("idle", "busy") for worker in crew):
            if coming:
                return "starting", "fetching_models", f"being fetched: {', '.join(coming)}"
            return "ready", None, None
        faults = [worker.fault for worker in crew if worker.fault and worker.state in ("starting", "lost")]
        if faults:
            return "starting", "no_worker", faults[-1]
        if any(worker.state == "starting" for worker in crew):
            return "starting", "starting", "the workers are starting"
        return "starting", "no_worker", "no worker is there; start one with: stenogram worker"


def as_json(snapshot: Snapshot, *, locked: bool) -> dict[str, Any]:
    """The state of the dashboard (R7): never what a job holds."""
    alive = [worker for worker in snapshot.workers if worker.state in workers.ALIVE]
    loaded = {name for worker in alive for name in worker.loaded}
    return {
        "version": version("stenogram"),
        "time": round(snapshot.at, 3),
        "auth": locked,
        "health": {"status": snapshot.health, "state": snapshot.state, "reason": snapshot.reason},
        "models": [
            {
                "name": model.name,
                "enabled": True,
                "state": model.state,
                "languages": list(model.languages),
                "bytes_done": model.bytes_done,
                "bytes_total": model.bytes_total,
                "progress": model.bytes_done / model.bytes_total if model.bytes_total else None,
                "error": model.error,
                "loaded": model.name in loaded,
            }
            for model in snapshot.models
        ],
        "workers": [_worker(worker) for worker in snapshot.workers],
        "gpus": [
            {**worker.gpu, "job_id": worker.job_id, "model": worker.model} for worker in alive if worker.gpu is not None
        ],
        "counters": dict(snapshot.counts),
        "callbacks": dict(snapshot.callbacks),
        "queued": list(snapshot.queued),
        "processing": list(snapshot.running),
        "cpu": {
            "percent": snapshot.cpu_percent,
            "memory_used_mb": snapshot.memory_used_mb,
            "memory_total_mb": snapshot.memory_total_mb,
        },
        "history": [list(pair) for pair in snapshot.history],
    }


def _worker(worker: Worker) -> dict[str, Any]:
    return {
        "id": worker.id,
        "host": worker.host,
        "device": worker.device,
        "state": worker.state,
        "fault": worker.fault,
        "job_id": worker.job_id,
        "model": worker.model,
        "loaded": list(worker.loaded),
        "memory_bytes": worker.memory_bytes,
    }
