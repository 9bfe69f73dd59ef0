"""What happened to jobs, in order: the truth behind every stream of events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select

from stenogram.job import JobEvent, JobEventKind
from stenogram.store.database import Transaction
from stenogram.store.tables import job_events

Happening = tuple[JobEventKind, Mapping[str, Any]]


def add(tx: Transaction, job_id: str, attempt: int, happenings: Iterable[Happening]) -> None:
    """Append to the events of a job. The caller has changed the job's row before, so that writers take turns."""
    seq = _last(tx.connection, job_id)
    now = time.time()
    rows = [
        {
            "job_id": job_id,
            "seq": number,
            "attempt": attempt,
            "kind": kind,
            "payload": json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
            "at": now,
        }
        for number, (kind, payload) in enumerate(happenings, start=seq + 1)
    ]
    if rows:
        tx.connection.execute(insert(job_events), rows)
        tx.wake(f"job:{job_id}")


def copy(tx: Transaction, source_id: str, job_id: str) -> None:
    """Tell of a job what was told of an identical one: all but changes of its state."""
    found = tx.connection.execute(
        select(job_events.c.kind, job_events.c.payload)
        .where(job_events.c.job_id == source_id, job_events.c.kind != "state")
        .order_by(job_events.c.seq)
    ).all()
    add(tx, job_id, 0, [(row.kind, json.loads(row.payload)) for row in found])


def after(connection: Connection, job_id: str, seq: int, limit: int = 1000) -> list[JobEvent]:
    """The events of a job that follow number ``seq`` (0: from the first)."""
    query = select(job_events).where(job_events.c.job_id == job_id, job_events.c.seq > seq)
    return [
        JobEvent(row.job_id, row.seq, row.attempt, row.kind, json.loads(row.payload), row.at)
        for row in connection.execute(query.order_by(job_events.c.seq).limit(limit))
    ]


def segments_told(connection: Connection, job_id: str) -> int:
    """How many segments of a job were told: the next attempt goes on after them."""
    query = select(func.count()).where(job_events.c.job_id == job_id, job_events.c.kind == "segment")
    return int(connection.execute(query).scalar_one())


def _last(connection: Connection, job_id: str) -> int:
    query = select(func.coalesce(func.max(job_events.c.seq), 0)).where(job_events.c.job_id == job_id)
    return int(connection.execute(query).scalar_one())
