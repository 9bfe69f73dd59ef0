"""Callbacks to be sent: put in by the transaction that ends the job, so that none is forgotten."""

from __future__ import annotations

import time

from sqlalchemy import delete, insert

from stenogram.store.database import Transaction
from stenogram.store.tables import callbacks


def put(tx: Transaction, callback_id: str, job_id: str, url: str, body: bytes) -> None:
    """Add a callback, to be sent at once."""
    now = time.time()
    tx.connection.execute(
        insert(callbacks).values(
            id=callback_id,
            job_id=job_id,
            url=url,
            body=body,
            state="pending",
            attempts=0,
            next_at=now,
            claimed_until=0.0,
            created_at=now,
        )
    )
    tx.wake("callbacks")


def remove(tx: Transaction, job_id: str) -> None:
    """Forget the callback of a job that will end once more."""
    tx.connection.execute(delete(callbacks).where(callbacks.c.job_id == job_id))
