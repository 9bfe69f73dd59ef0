"""Reference recordings of the known speakers of jobs. They are here as long as a worker may still ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select

from stenogram.job import Reference
from stenogram.store.database import Transaction
from stenogram.store.tables import job_voices as table


def put(tx: Transaction, job_id: str, references: Sequence[Reference]) -> None:
    """Keep the references of a new job."""
    rows = [
        {"job_id": job_id, "place": place, "name": each.name, "sha256": each.digest, "sound": each.sound}
        for place, each in enumerate(references)
    ]
    if rows:
        tx.connection.execute(insert(table), rows)


def of_job(connection: Connection, job_id: str) -> list[Reference]:
    """The references of a job, in the order of the request."""
    query = select(table).where(table.c.job_id == job_id).order_by(table.c.place)
    return [Reference(row.name, row.sha256, row.sound) for row in connection.execute(query)]


def remove(tx: Transaction, job_ids: Iterable[str]) -> None:
    """Delete the references of jobs that will not run any more."""
    tx.connection.execute(delete(table).where(table.c.job_id.in_(list(job_ids))))
