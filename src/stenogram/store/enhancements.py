"""What language models made of transcripts, as compressed JSON, and the jobs that make it.

An enhancement stays as it was made; which of its changes the owner took back stands beside it.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from stenogram.enhancement import Enhancement, Line
from stenogram.job import Job
from stenogram.store import jobs
from stenogram.store.database import Transaction
from stenogram.store.tables import enhancements as table
from stenogram.store.tables import job_events
from stenogram.store.tables import jobs as jobs_table

KIND = "enhance"
"""The kind of the jobs."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An enhancement as the table has it."""

    job_id: str
    """The job that made it."""
    parent: str
    """The job whose transcript it is about."""
    enhancement: Enhancement
    reverted: frozenset[int]
    """Ids of the changes that the owner took back."""
    created_at: float


def put(tx: Transaction, job_id: str, parent: str, made: Enhancement) -> None:
    """Keep what a job made."""
    tx.connection.execute(delete(table).where(table.c.job_id == job_id))
    tx.connection.execute(
        insert(table).values(
            job_id=job_id,
            parent=parent,
            kind=made.kind,
            language=made.language,
            result=zlib.compress(msgspec.json.encode(made), level=6),
            reverted="[]",
            created_at=time.time(),
        )
    )


def find(connection: Connection, job_id: str) -> Stored | None:
    """What a job made."""
    row = connection.execute(select(table).where(table.c.job_id == job_id)).first()
    return _of_row(row) if row is not None else None


def latest(connection: Connection, job_ids: Collection[str]) -> Stored | None:
    """The last thing that one of these jobs made."""
    query = select(table).where(table.c.job_id.in_(list(job_ids))).order_by(table.c.created_at.desc()).limit(1)
    row = connection.execute(query).first()
    return _of_row(row) if row is not None else None


def all_of(connection: Connection, parent: str) -> list[Stored]:
    """Everything that was made of a transcript, oldest first."""
    query = select(table).where(table.c.parent == parent).order_by(table.c.created_at)
    return [_of_row(row) for row in connection.execute(query)]


def revert(tx: Transaction, job_id: str, reverted: Collection[int]) -> None:
    """Keep which changes of an enhancement the owner took back."""
    tx.connection.execute(update(table).where(table.c.job_id == job_id).values(reverted=json.dumps(sorted(reverted))))


def lock(tx: Transaction, job_id: str) -> None:
    """Let nobody else change what is reverted of an enhancement before this transaction ends."""
    tx.connection.execute(select(table.c.job_id).where(table.c.job_id == job_id).with_for_update())


def jobs_about(connection: Connection, parents: Sequence[str]) -> list[Job]:
    """The jobs that went, or are to go, over these transcripts, oldest first."""
    query = select(jobs_table).where(jobs_table.c.parent.in_(list(parents)), jobs_table.c.kind == KIND)
    rows = connection.execute(query.order_by(jobs_table.c.created_at, jobs_table.c.id))
    return [jobs.of_row(row) for row in rows]


def share(tx: Transaction, job: Job) -> None:
    """Somebody else wants what this job makes: it goes on when who began it is gone."""
    options = json.dumps({**job.options, "shared": True}, ensure_ascii=False)
    tx.connection.execute(update(jobs_table).where(jobs_table.c.id == job.id).values(options=options))


def lines_told(connection: Connection, job_id: str) -> dict[int, Line]:
    """Id of a segment -> its line, as earlier attempts told them."""
    query = select(job_events.c.payload).where(job_events.c.job_id == job_id, job_events.c.kind == "line")
    lines = [
        msgspec.json.decode(row.payload, type=Line) for row in connection.execute(query.order_by(job_events.c.seq))
    ]
    return {line.segment: line for line in lines}


def _of_row(row: Row[Any]) -> Stored:
    made = msgspec.json.decode(zlib.decompress(row.result), type=Enhancement)
    return Stored(row.job_id, row.parent, made, frozenset(json.loads(row.reverted)), row.created_at)
