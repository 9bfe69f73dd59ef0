"""Workers: who there is, what each does, and what they are told to do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, update

from stenogram.store.database import Transaction
from stenogram.store.tables import controls, workers

WorkerState = Literal["starting", "idle", "busy", "lost", "stopped"]
Gone = Literal["lost", "stopped"]
ALIVE: tuple[WorkerState, ...] = ("starting", "idle", "busy")
Command = Literal["load", "unload"]

_FORGOTTEN_AFTER_S = 3600.0
"""Rows of workers that are gone are kept so long, for the dashboard."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's row."""

    id: str
    host: str
    pid: int
    device: str
    state: WorkerState
    heartbeat_at: float
    started_at: float
    fault: str | None = None
    job_id: str | None = None
    model: str | None = None
    loaded: Sequence[str] = ()
    """Models in memory."""
    memory_bytes: int = 0
    gpu: Mapping[str, Any] | None = None
    totals: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Control:
    """Something a worker is told to do."""

    id: int
    command: Command
    argument: str


def register(tx: Transaction, worker_id: str, host: str, pid: int, device: str) -> None:
    """A worker begins."""
    now = tx.now()
    tx.connection.execute(
        insert(workers).values(
            id=worker_id,
            host=host,
            pid=pid,
            device=device,
            state="starting",
            loaded="[]",
            memory_bytes=0,
            totals="{}",
            started_at=now,
            heartbeat_at=now,
        )
    )
    gone = workers.c.state.in_(("lost", "stopped")) & (workers.c.heartbeat_at < now - _FORGOTTEN_AFTER_S)
    tx.connection.execute(delete(workers).where(gone))
    tx.wake("workers")


def beat(tx: Transaction, worker_id: str, memory_bytes: int, gpu: Mapping[str, Any] | None) -> bool:
    """The worker's process lives; False: it was given up for lost, so that it must end."""
    values = {"heartbeat_at": tx.now(), "memory_bytes": memory_bytes, "gpu": json.dumps(gpu) if gpu else None}
    condition = (workers.c.id == worker_id) & workers.c.state.in_(ALIVE)
    return bool(tx.connection.execute(update(workers).where(condition).values(**values)).rowcount)


def tell(tx: Transaction, worker_id: str, state: WorkerState, **facts: Any) -> None:
    """Note what a living worker does: ``job_id``, ``model``, ``loaded``, ``totals``, ``fault``."""
    for name in ("loaded", "totals"):
        if name in facts:
            facts[name] = json.dumps(facts[name])
    condition = (workers.c.id == worker_id) & workers.c.state.in_(ALIVE)
    tx.connection.execute(update(workers).where(condition).values(state=state, **facts))
    tx.wake("workers")


def note_loaded(tx: Transaction, worker_id: str, names: Sequence[str]) -> None:
    """Note which models a worker has in memory."""
    tx.connection.execute(update(workers).where(workers.c.id == worker_id).values(loaded=json.dumps(list(names))))
    tx.wake("workers")


def end(tx: Transaction, worker_id: str, state: Gone, fault: str | None = None) -> None:
    """The worker is gone."""
    values = {
        "state": state,
        "fault": fault,
        "job_id": None,
        "model": None,
        "loaded": "[]",
        "memory_bytes": 0,
        "gpu": None,
    }
    tx.connection.execute(update(workers).where(workers.c.id == worker_id).values(**values))
    tx.connection.execute(delete(controls).where(controls.c.worker_id == worker_id))
    tx.wake("workers")


def all_of(connection: Connection) -> list[Worker]:
    """Every worker, also those that ended lately."""
    query = select(workers).order_by(workers.c.host, workers.c.device, workers.c.started_at)
    return [_of_row(row) for row in connection.execute(query)]


def state_of(connection: Connection, worker_id: str) -> WorkerState | None:
    """What a worker does; None where there is no such one."""
    found: WorkerState | None = connection.execute(select(workers.c.state).where(workers.c.id == worker_id)).scalar()
    return found


def silent(connection: Connection, before: float) -> list[Worker]:
    """Workers that should live and were not heard of since a time."""
    query = select(workers).where(workers.c.state.in_(ALIVE), workers.c.heartbeat_at < before)
    return [_of_row(row) for row in connection.execute(query)]


def order(tx: Transaction, worker_id: str, command: Command, argument: str) -> int:
    """Tell a worker to do something; its number, for ``order_done``."""
    statement = insert(controls).values(worker_id=worker_id, command=command, argument=argument, created_at=time.time())
    tx.wake("control")
    number: int = tx.connection.execute(statement.returning(controls.c.id)).scalar_one()
    return number


def orders(connection: Connection, worker_id: str) -> list[Control]:
    """What a worker is yet to do."""
    query = select(controls).where(controls.c.worker_id == worker_id, controls.c.done_at.is_(None))
    return [Control(row.id, row.command, row.argument) for row in connection.execute(query.order_by(controls.c.id))]


def carry_out(tx: Transaction, number: int, error: str | None = None) -> None:
    """An order was carried out, or could not be."""
    tx.connection.execute(update(controls).where(controls.c.id == number).values(done_at=time.time(), error=error))
    tx.wake("control")


def order_done(connection: Connection, number: int) -> tuple[bool, str | None]:
    """Whether an order was carried out, and what went wrong; done also when the worker is gone."""
    row = connection.execute(select(controls).where(controls.c.id == number)).first()
    if row is None:
        return True, "the worker is gone"
    return row.done_at is not None, row.error


def _of_row(row: Row[Any]) -> Worker:
    return Worker(
        id=row.id,
        host=row.host,
        pid=row.pid,
        device=row.device,
        state=row.state,
        heartbeat_at=row.heartbeat_at,
        started_at=row.started_at,
        fault=row.fault,
        job_id=row.job_id,
        model=row.model,
        loaded=tuple(json.loads(row.loaded)),
        memory_bytes=row.memory_bytes,
        gpu=json.loads(row.gpu) if row.gpu else None,
        totals=json.loads(row.totals),
    )
