"""Callbacks to be sent: put in by the transaction that ends the job, so that none is forgotten."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from stenogram.store.database import Transaction
from stenogram.store.tables import callback_attempts, callbacks

CallbackState = Literal["pending", "delivered", "failed", "disabled"]


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback of a job that has ended. Times are Unix seconds."""

    id: str
    """The ``webhook-id``: the same on every try, so that receivers can tell a repeat."""
    job_id: str
    url: str
    body: bytes
    """The same on every try."""
    state: CallbackState
    attempts: int
    next_at: float
    created_at: float
    delivered_at_ms: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class CallbackAttempt:
    """One try to deliver."""

    number: int
    at: float
    duration_s: float
    status: int | None
    error: str | None


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


def claim(tx: Transaction, now: float, until: float, limit: int) -> list[Callback]:
    """Callbacks that are due, claimed until a time: nobody else sends them before it."""
    due = (
        select(callbacks.c.id)
        .where(callbacks.c.state == "pending", callbacks.c.next_at <= now, callbacks.c.claimed_until <= now)
        .order_by(callbacks.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = update(callbacks).where(callbacks.c.id.in_(due)).values(claimed_until=until).returning(callbacks)
    return [_of_row(row) for row in tx.connection.execute(claimed)]


def next_due(connection: Connection) -> float | None:
    """When the next callback is to be sent, or a claim on it ends; None where there is none."""
    later = func.max if connection.dialect.name == "sqlite" else func.greatest
    query = select(func.min(later(callbacks.c.next_at, callbacks.c.claimed_until))).where(
        callbacks.c.state == "pending"
    )
    found: float | None = connection.execute(query).scalar()
    return found


def record(
    tx: Transaction, callback: Callback, attempt: CallbackAttempt, state: CallbackState, next_at: float | None
) -> None:
    """Note a try and what follows from it."""
    delivered_at_ms = int((attempt.at + attempt.duration_s) * 1000) if state == "delivered" else None
    tx.connection.execute(
        update(callbacks)
        .where(callbacks.c.id == callback.id)
        .values(
            state=state,
            attempts=attempt.number,
            next_at=next_at if next_at is not None else callback.next_at,
            claimed_until=0.0,
            delivered_at_ms=delivered_at_ms,
            error=attempt.error,
        )
    )
    tx.connection.execute(
        insert(callback_attempts).values(
            callback_id=callback.id,
            number=attempt.number,
            at=attempt.at,
            duration_s=attempt.duration_s,
            status=attempt.status,
            error=attempt.error,
        )
    )
    tx.wake(f"job:{callback.job_id}")


def postpone(tx: Transaction, callback_id: str, next_at: float) -> None:
    """Give a claim back, and try later."""
    tx.connection.execute(
        update(callbacks).where(callbacks.c.id == callback_id).values(claimed_until=0.0, next_at=next_at)
    )


def replay(tx: Transaction, job_id: str) -> bool:
    """Send the callback of a job once more, for as long as a new one would be; False where it has none."""
    now = time.time()
    values = {"state": "pending", "next_at": now, "claimed_until": 0.0, "created_at": now}
    found = tx.connection.execute(update(callbacks).where(callbacks.c.job_id == job_id).values(**values))
    tx.wake("callbacks")
    return bool(found.rowcount)


def of_job(connection: Connection, job_id: str) -> Callback | None:
    """The callback of a job, once it has ended."""
    row = connection.execute(select(callbacks).where(callbacks.c.job_id == job_id)).first()
    return _of_row(row) if row is not None else None


def attempts_of(connection: Connection, callback_id: str) -> Sequence[CallbackAttempt]:
    """Every try to deliver a callback, in order."""
    query = select(callback_attempts).where(callback_attempts.c.callback_id == callback_id)
    return [
        CallbackAttempt(row.number, row.at, row.duration_s, row.status, row.error)
        for row in connection.execute(query.order_by(callback_attempts.c.id))
    ]


def counts(connection: Connection) -> dict[CallbackState, int]:
    """How many callbacks there are in each state."""
    rows = connection.execute(select(callbacks.c.state, func.count()).group_by(callbacks.c.state))
    found = {state: number for state, number in rows}  # noqa: C416 - rows are not pairs to mypy
    return {state: found.get(state, 0) for state in ("pending", "delivered", "failed", "disabled")}


def _of_row(row: Row[Any]) -> Callback:
    return Callback(
        id=row.id,
        job_id=row.job_id,
        url=row.url,
        body=row.body,
        state=row.state,
        attempts=row.attempts,
        next_at=row.next_at,
        created_at=row.created_at,
        delivered_at_ms=row.delivered_at_ms,
        error=row.error,
    )
