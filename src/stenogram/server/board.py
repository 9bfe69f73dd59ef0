"""What the service is doing, as one snapshot in memory: health, dashboard and metrics only read it.

It is taken anew when another process told of a change, and every two seconds at least, in a thread. So ``/health``
answers in microseconds, whatever the database does; and where the database hangs, the age of the snapshot tells.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, Literal

import psutil
from anyio import to_thread

from stenogram.app import enabled
from stenogram.app.enabled import ModelState
from stenogram.app.house import House
from stenogram.errors import SchemaOutdated, StenogramError
from stenogram.hardware import read_memory
from stenogram.job import Caller, lane_of
from stenogram.server.hub import Hub, Watch
from stenogram.store import callbacks, jobs, workers
from stenogram.store.workers import Worker

log = logging.getLogger(__name__)

Health = Literal["starting", "ready", "error"]
Judgement = tuple[Health, str | None, str | None]
"""Health, its state, and the reason in words."""

_REFRESH_S = 2.0
_AT_MOST_EVERY_S = 0.25
_STALE_S = 12.0
"""A snapshot older than this tells of a database that hangs: healthy ones answer in milliseconds."""
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
    queued: Mapping[str, str | None] = field(default_factory=dict)
    """Id of a job -> its owner, in the order in which they start; the first thousand."""
    running: Mapping[str, str | None] = field(default_factory=dict)
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
        self._snapshot = Snapshot()
        self._house = house
        self._hub = hub
        self._task: asyncio.Task[None] | None = None
        self._history: deque[tuple[int, int]] = deque(maxlen=_HISTORY)
        self._watches: set[Watch] = set()
        self._noted_at = 0.0

    @property
    def snapshot(self) -> Snapshot:
        """The service as it was last seen; where that is too long ago, it is not called healthy."""
        age_s = time.time() - self._snapshot.at
        if age_s <= _STALE_S:
            return self._snapshot
        reason = f"nothing was heard of the database for {age_s:.0f} s"
        return replace(self._snapshot, health="starting", state="database_silent", reason=reason)

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._wake()

    async def refresh(self) -> None:
        """Take the snapshot anew, now."""
        cpu_percent = psutil.cpu_percent()  # since the last call of the same thread: so not in the pool's threads
        self._snapshot = await to_thread.run_sync(self._take, cpu_percent)
        self._wake()

    def follow(self) -> Watch:
        """Is woken by each new snapshot, until ``unfollow``."""
        watch = Watch()
        self._watches.add(watch)
        return watch

    def unfollow(self, watch: Watch) -> None:
        """Wake no more."""
        self._watches.discard(watch)

    def _wake(self) -> None:
        for watch in self._watches:
            watch.wake()

    async def _run(self) -> None:
        with self._hub.watch("workers", "models", "callbacks") as watch:
            while not self._hub.closing:
                try:
                    await self.refresh()
                except Exception:  # whatever it is: without this loop the service would be blind until a restart
                    log.exception("the state of the service could not be told; trying again")
                await asyncio.sleep(_AT_MOST_EVERY_S)
                await watch.wait(_REFRESH_S - _AT_MOST_EVERY_S)

    def _take(self, cpu_percent: float) -> Snapshot:
        memory = read_memory()
        machine: dict[str, Any] = {
            "at": time.time(),
            "cpu_percent": cpu_percent,
            "memory_used_mb": (memory.total_bytes - memory.available_bytes) // _MIB,
            "memory_total_mb": memory.total_bytes // _MIB,
        }
        try:
            with self._house.db.read() as connection:
                counts = jobs.counts(connection)
                crew = workers.all_of(connection)
                facts: dict[str, Any] = {
                    "counts": counts,
                    "queued": jobs.owners(connection, "queued"),
                    "running": jobs.owners(connection, "running"),
                    "workers": crew,
                    "callbacks": callbacks.counts(connection),
                    "oldest_wait_s": jobs.oldest_wait_s(connection),
                    "models": enabled.states(self._house, connection),
                }
            health, state, reason = self._judge(crew, facts["models"])
        except StenogramError as error:
            health = "error" if isinstance(error, SchemaOutdated) else "starting"
            return replace(self._snapshot, health=health, state=error.code, reason=str(error), **machine)
        if time.monotonic() - self._noted_at >= _REFRESH_S:
            self._noted_at = time.monotonic()
            self._history.append((counts["queued"], counts["running"]))
        return Snapshot(health=health, state=state, reason=reason, history=tuple(self._history), **facts, **machine)

    def _judge(self, crew: Sequence[Worker], models: Sequence[ModelState]) -> Judgement:
        """Ready only when a job would start."""
        free = self._house.media.free_bytes()
        least = self._house.server.min_free_disk_mb
        if free is not None and free < least * _MIB:
            reason = f"{free // _MIB} MiB are free where recordings go; {least} MiB are needed"
            return "starting", "storage_full", reason
        if models and all(model.state == "failed" for model in models):
            return "error", "no_model", f"no enabled model can be had: {models[0].error}"
        able = [worker for worker in crew if lane_of(worker.device) == "speech"]
        if not any(worker.state in ("idle", "busy") for worker in able):
            return _judge_idle(able)
        coming = [model.name for model in models if model.state == "downloading"]
        if coming:
            return "starting", "fetching_models", f"being fetched: {', '.join(coming)}"
        return "ready", None, None


def _judge_idle(crew: Sequence[Worker]) -> Judgement:
    """Why no worker takes jobs."""
    faults = [worker.fault for worker in crew if worker.fault and worker.state in ("starting", "lost")]
    if faults:
        return "starting", "no_worker", faults[-1]
    if any(worker.state == "starting" for worker in crew):
        return "starting", "starting", "the workers are starting"
    return "starting", "no_worker", "no worker is there; start one with: stenogram worker"


def as_json(snapshot: Snapshot, caller: Caller) -> dict[str, Any]:
    """The state of the dashboard (R7): never what a job holds, and ids only of jobs that the caller may see."""
    alive = [worker for worker in snapshot.workers if worker.state in workers.ALIVE]
    loaded = {name for worker in alive for name in worker.loaded}
    queued = [job_id for job_id, owner in snapshot.queued.items() if caller.owns(owner)]
    processing = [job_id for job_id, owner in snapshot.running.items() if caller.owns(owner)]
    return {
        "version": version("stenogram"),
        "time": round(snapshot.at, 3),
        "auth": caller.key_id is not None or caller.user_id is not None,
        "health": {"status": snapshot.health, "state": snapshot.state, "reason": snapshot.reason},
        "models": [_model(model, loaded) for model in snapshot.models],
        "workers": [_worker(each, processing, caller) for each in snapshot.workers if lane_of(each.device) == "speech"],
        "chat_workers": [
            _worker(each, processing, caller) for each in snapshot.workers if lane_of(each.device) == "chat"
        ],
        "gpus": [
            {**worker.gpu, "host": worker.host, **_work(worker, processing, caller)}
            for worker in alive
            if worker.gpu is not None
        ],
        "counters": dict(snapshot.counts),
        "callbacks": dict(snapshot.callbacks),
        "queued": queued,
        "processing": processing,
        "cpu": {
            "percent": snapshot.cpu_percent,
            "memory_used_mb": snapshot.memory_used_mb,
            "memory_total_mb": snapshot.memory_total_mb,
        },
        "history": [list(pair) for pair in snapshot.history],
    }


def _model(model: ModelState, loaded: Collection[str]) -> dict[str, Any]:
    here = 1.0 if model.state == "installed" else None
    return {
        "name": model.name,
        "enabled": True,
        "state": model.state,
        "languages": list(model.languages),
        "bytes_done": model.bytes_done,
        "bytes_total": model.bytes_total,
        "progress": min(model.bytes_done / model.bytes_total, 1.0) if model.bytes_total and not here else here,
        "error": model.error,
        "loaded": bool({model.name, model.canonical} & set(loaded)),
    }


def _worker(worker: Worker, visible: Collection[str], caller: Caller) -> dict[str, Any]:
    return {
        "id": worker.id,
        "host": worker.host,
        "device": worker.device,
        "state": worker.state,
        "fault": worker.fault,
        **_work(worker, visible, caller),
        "loaded": list(worker.loaded),
        "memory_bytes": worker.memory_bytes,
    }


def _work(worker: Worker, visible: Collection[str], caller: Caller) -> dict[str, Any]:
    """What a worker has in hand, where the caller may know."""
    if caller.admin or worker.job_id in visible:
        return {"job_id": worker.job_id, "model": worker.model}
    return {"job_id": None, "model": None}
