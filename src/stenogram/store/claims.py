"""What workers do with jobs. A lease is the right of one attempt: whoever lost it can write nothing more.

queued --claim--> running --succeed, fail--> succeeded, failed
   ^                 |
   +---- hand_back, take_back of a dead worker ----+        queued or running --cancel--> cancelled
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, select, update

from stenogram.errors import StenogramError, WorkerDied
from stenogram.formats import service
from stenogram.job import Job, Lane
from stenogram.store import callbacks, events, jobs, references, results, search
from stenogram.store.database import Transaction
from stenogram.store.events import Happening
from stenogram.store.tables import jobs as table
from stenogram.store.tables import workers
from stenogram.types import Transcript


class LeaseLost(Exception):
    """The job was given to another worker, or is over; what this one found is in the cache."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's attempt at a job."""

    job_id: str
    worker_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Released:
    """A job that waits again."""

    job_id: str
    rank: int
    lock: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is."""

    stage: str | None
    share: float
    """0..1"""
    duration: float | None
    """Length of the recording, seconds, where it is known."""
    advanced: bool
    """Whether it finished something that no attempt had finished before."""


def next_id(connection: Connection, lane: Lane = "speech") -> str | None:
    """The job of a lane to be taken up next, leaving out those whose twin is running."""
    query = (
        select(table.c.id)
        .where(table.c.state == "queued", table.c.lane == lane, ~_twin_runs())
        .order_by(table.c.rank.desc(), table.c.created_at, table.c.id)
        .limit(1)
    )
    found: str | None = connection.execute(query).scalar()
    return found


def claim(tx: Transaction, job_id: str, worker_id: str) -> tuple[Job, Lease] | None:
    """Take a job up; None where it does not wait (any more)."""
    row = tx.connection.execute(
        update(table)
        .where(table.c.id == job_id, table.c.state == "queued", ~_twin_runs())
        .values(
            state="running",
            attempt=table.c.attempt + 1,
            worker_id=worker_id,
            started_at=time.time(),
            stage=None,
            progress=0.0,
            advanced=False,
        )
        .returning(table)
    ).first()
    if row is None:
        return None
    doing = {"state": "busy", "job_id": job_id, "model": row.model}
    tx.connection.execute(update(workers).where(workers.c.id == worker_id).values(**doing))
    events.add(tx, job_id, row.attempt, [("state", {"state": "running", "attempt": row.attempt})])
    tx.wake("workers")
    return jobs.of_row(row), Lease(job_id, worker_id, row.attempt)


def record(tx: Transaction, lease: Lease, progress: Progress, happenings: Sequence[Happening]) -> bool:
    """Note how far an attempt is and what happened, also for the jobs that wait for the same; True: cancel it.

    Raises ``LeaseLost``.
    """
    told = {"stage": progress.stage, "progress": progress.share, "duration": progress.duration}
    row = tx.connection.execute(
        update(table)
        .where(_held(lease))
        .values(**told, **({"advanced": True} if progress.advanced else {}))
        .returning(table.c.cancel_requested, table.c.dedupe_key)
    ).first()
    if row is None:
        raise LeaseLost
    events.add(tx, lease.job_id, lease.attempt, happenings)
    for twin in _waiting_twins(tx.connection, row.dedupe_key):
        if _update_queued(tx, twin.id, told) is not None:  # it was not cancelled meanwhile
            events.add(tx, twin.id, 0, happenings)
    return bool(row.cancel_requested)


def cancel_requested(connection: Connection, lease: Lease) -> bool:
    """Whether the attempt is to be given up. Raises ``LeaseLost``."""
    row = connection.execute(select(table.c.cancel_requested).where(_held(lease))).first()
    if row is None:
        raise LeaseLost
    return bool(row.cancel_requested)


def succeed(
    tx: Transaction, lease: Lease, transcript: Transcript | None, gpu: Mapping[str, Any] | None, *, cached: bool
) -> list[Job]:
    """End an attempt with its transcript, and with it the jobs that wait for the same; gives all of them.

    None: the job was about something else. Raises ``LeaseLost``.
    """
    now = time.time()
    found: dict[str, Any] = {
        "state": "succeeded",
        "finished_at": now,
        "progress": 1.0,
        "stage": None,
        "error": None,
        "error_code": None,
    }
    if transcript is not None:
        found["duration"] = transcript.duration
        found["token_count"] = sum(len(segment.tokens) for segment in transcript.segments)
    row = tx.connection.execute(
        update(table)
        .where(_held(lease))
        .values(**found, gpu=json.dumps(gpu) if gpu else None, cached=cached)
        .returning(table)
    ).first()
    if row is None:
        raise LeaseLost
    stored = results.pack(transcript) if transcript is not None else None
    ended = [_end(tx, row, transcript, stored)]
    for twin in _waiting_twins(tx.connection, row.dedupe_key):
        waited = _update_queued(tx, twin.id, {**found, "started_at": now, "cached": True})
        if waited is not None:
            ended.append(_end(tx, waited, transcript, stored))
    return ended


def answer(tx: Transaction, job_id: str, transcript: Transcript, stored: bytes) -> list[Job]:
    """End a job that waits with what an identical one had found; gives it, or nothing where it did not wait."""
    now = time.time()
    tokens = sum(len(segment.tokens) for segment in transcript.segments)
    values = {"state": "succeeded", "started_at": now, "finished_at": now, "progress": 1.0, "cached": True}
    row = _update_queued(tx, job_id, {**values, "duration": transcript.duration, "token_count": tokens})
    if row is None:
        return []
    told: list[Happening] = [("segment", as_json(segment)) for segment in transcript.segments]
    if transcript.diarizer:
        told.append(("speakers", {"diarizer": transcript.diarizer, "turns": as_json(list(transcript.turns))}))
    events.add(tx, job_id, row.attempt, told)
    return [_end(tx, row, transcript, stored)]


def fail(tx: Transaction, lease: Lease, error: StenogramError, *, shared: bool) -> None:
    """End an attempt without success; ``shared``: and with it the jobs that wait for the same.

    Raises ``LeaseLost``.
    """
    ended = {
        "state": "failed",
        "finished_at": time.time(),
        "stage": None,
        "error_code": error.code,
        "error": _storable(str(error)),
    }
    row = tx.connection.execute(update(table).where(_held(lease)).values(**ended).returning(table)).first()
    if row is None:
        raise LeaseLost
    _end(tx, row)
    if shared:
        for twin in _waiting_twins(tx.connection, row.dedupe_key):
            failed = _update_queued(tx, twin.id, {**ended, "started_at": ended["finished_at"]})
            if failed is not None:
                _end(tx, failed)


def _storable(text: str) -> str:
    """Without what no database takes: NUL, and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def end_cancelled(tx: Transaction, lease: Lease) -> None:
    """The attempt was given up, as asked. Raises ``LeaseLost``."""
    values = {"state": "cancelled", "finished_at": time.time(), "stage": None}
    row = tx.connection.execute(update(table).where(_held(lease)).values(**values).returning(table)).first()
    if row is None:
        raise LeaseLost
    _end(tx, row)


def cancel(tx: Transaction, job_id: str) -> None:
    """End a job that waits; ask the worker of one that runs to give it up. Of one that is over: nothing."""
    values = {"state": "cancelled", "finished_at": time.time(), "cancel_requested": True}
    row = _update_queued(tx, job_id, values)
    if row is not None:
        _end(tx, row)
        return
    tx.connection.execute(
        update(table).where(table.c.id == job_id, table.c.state == "running").values(cancel_requested=True)
    )
    tx.wake("control")
    tx.wake(f"job:{job_id}")


def retry(tx: Transaction, job_id: str) -> Released | None:
    """Let a job that failed or was cancelled wait once more; None where it did not."""
    values = {
        "state": "queued",
        "queued_at": time.time(),
        "started_at": None,
        "finished_at": None,
        "progress": 0.0,
        "crashes": 0,
        "worker_id": None,
        "cancel_requested": False,
        "error": None,
        "error_code": None,
    }
    condition = and_(table.c.id == job_id, table.c.state.in_(("failed", "cancelled")), table.c.media_url.is_not(None))
    row = tx.connection.execute(update(table).where(condition).values(**values).returning(table)).first()
    if row is None:
        return None
    callbacks.remove(tx, job_id)  # it will end anew, and tell so anew
    return _waits(tx, row, "retried")


def hand_back(tx: Transaction, lease: Lease, reason: str) -> Released | None:
    """Let another worker go on where this one stops; None when the lease was lost, or the job is to be cancelled."""
    row = tx.connection.execute(select(table).where(_held(lease)).with_for_update()).first()
    if row is None:
        return None
    if row.cancel_requested:
        end_cancelled(tx, lease)
        return None
    values = {"state": "queued", "queued_at": time.time(), "worker_id": None, "stage": None}
    tx.connection.execute(update(table).where(_held(lease)).values(**values))
    return _waits(tx, row, reason)


def held_by(connection: Connection, worker_ids: Iterable[str]) -> list[Lease]:
    """The leases of workers."""
    query = select(table.c.id, table.c.worker_id, table.c.attempt).where(
        table.c.state == "running", table.c.worker_id.in_(list(worker_ids))
    )
    return [Lease(row.id, row.worker_id, row.attempt) for row in connection.execute(query)]


def take_back(tx: Transaction, lease: Lease, reason: str, max_crashes: int) -> Released | None:
    """Give the job of a dead worker to another, or end it when too many died over it without getting any further."""
    row = tx.connection.execute(select(table).where(_held(lease)).with_for_update()).first()
    if row is None:
        return None
    crashes = 1 if row.advanced else row.crashes + 1
    tx.connection.execute(update(table).where(table.c.id == row.id).values(crashes=crashes))
    if crashes >= max_crashes and not row.cancel_requested:
        fail(tx, lease, WorkerDied(crashes=crashes, cause=f"The last one: {reason}."), shared=True)
        return None
    return hand_back(tx, lease, reason)


def _waits(tx: Transaction, row: Row[Any], reason: str) -> Released:
    events.add(tx, row.id, row.attempt, [("state", {"state": "queued", "reason": reason})])
    tx.wake("workers")
    return Released(row.id, row.rank, row.dedupe_key)


def _end(tx: Transaction, row: Row[Any], transcript: Transcript | None = None, stored: bytes | None = None) -> Job:
    """What belongs to every end: the result, the last event, the callback to be sent. Gives the job as it ended."""
    job = jobs.of_row(row)
    if transcript is not None and stored is not None:
        results.put(tx, job.id, stored)
        search.index(tx, job.id, transcript)
        references.remove(tx, [job.id])  # one that failed may be tried again, as long as its recording is here
    error = {"code": job.error_code, "message": job.error} if job.error else None
    events.add(tx, job.id, job.attempt, [("state", {"state": job.state, "error": error, "cached": job.cached})])
    if job.callback_url is not None:
        callbacks.put(tx, f"msg_{uuid.uuid4().hex}", job.id, job.callback_url, service.body(job, transcript))
    tx.wake("workers")
    return job


def _update_queued(tx: Transaction, job_id: str, values: Mapping[str, Any]) -> Row[Any] | None:
    condition = and_(table.c.id == job_id, table.c.state == "queued")
    return tx.connection.execute(update(table).where(condition).values(**values).returning(table)).first()


def _held(lease: Lease) -> ColumnElement[bool]:
    return and_(
        table.c.id == lease.job_id,
        table.c.state == "running",
        table.c.attempt == lease.attempt,
        table.c.worker_id == lease.worker_id,
    )


def _twin_runs() -> ColumnElement[bool]:
    twin = table.alias("twin")
    return exists().where(twin.c.dedupe_key == table.c.dedupe_key, twin.c.state == "running")


def _waiting_twins(connection: Connection, dedupe_key: str | None) -> Sequence[Row[Any]]:
    if dedupe_key is None:
        return ()
    query = select(table.c.id).where(table.c.dedupe_key == dedupe_key, table.c.state == "queued")
    return connection.execute(query.order_by(table.c.id)).all()


def as_json(value: Any) -> Any:
    """A value of ours in plain dicts and lists, as the events carry it."""
    import msgspec

    return msgspec.to_builtins(value)
