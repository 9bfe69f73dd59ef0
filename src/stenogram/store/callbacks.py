"""Callbacks to be sent: put in by the transaction that ends the job, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

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
    state: CallbackState
    attempts: int
    """Since it was put in or replayed."""
    next_at: float
    created_at: float
    """When it was put in or replayed: from then on it is tried for a day."""
    delivered_at_ms: int | None
    """When it arrived; a replay that fails takes nothing back."""
    error: str | None
    """Of the last try."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A callback that this process, and no other, sends now."""

    id: str
    job_id: str
    url: str
    host: str
    body: bytes
    """The same on every try."""
    attempts: int
    """Before this one, since it was put in or replayed."""
    created_at: float
    claimed_at: float
    claimed_until: float


@dataclass(frozen=True, slots=True)
class CallbackAttempt:
    """One try to deliver."""

    at: float
    duration_s: float
    status: int | None
    """Of HTTP; None where there was no answer."""
    error: str | None
    number: int = 0
    """From 1, over all replays; given when it is recorded."""


def put(tx: Transaction, callback_id: str, job_id: str, url: str, body: bytes) -> None:
    """Add a callback, to be sent at once."""
    now = tx.now()
    tx.connection.execute(
        insert(callbacks).values(
            id=callback_id,
            job_id=job_id,
            url=url,
            host=urlsplit(url).netloc.lower(),
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


def claim(tx: Transaction, now: float, until: float, without: Collection[str] = ()) -> Claimed | None:
    """The callback that is due longest, claimed until a time: nobody else sends it before that.

    Those to the hosts ``without`` have to wait. None where there is no other.
    """
    due = (
        select(callbacks.c.id)
        .where(_pending(without), callbacks.c.next_at <= now, callbacks.c.claimed_until <= now)
        .order_by(callbacks.c.next_at, callbacks.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claimed = update(callbacks).where(callbacks.c.id == due.scalar_subquery()).values(claimed_until=until)
    row = tx.connection.execute(claimed.returning(callbacks)).first()
    if row is None:
        return None
    return Claimed(
        row.id, row.job_id, row.url, row.host, bytes(row.body), row.attempts, row.created_at, now, row.claimed_until
    )


def next_due(connection: Connection, without: Collection[str] = ()) -> float | None:
    """When the next callback is to be sent, or a claim on one ends, but for those to the hosts ``without``."""
    later = func.max if connection.dialect.name == "sqlite" else func.greatest
    query = select(func.min(later(callbacks.c.next_at, callbacks.c.claimed_until))).where(_pending(without))
    found: float | None = connection.execute(query).scalar()
    return found


def record(tx: Transaction, claimed: Claimed, attempt: CallbackAttempt, state: CallbackState, next_at: float) -> None:
    """Note a try and what follows from it; of a callback that was removed meanwhile: nothing.

    Where the claim ran out or the callback was replayed meanwhile, only a delivery changes its state.
    """
    found = select(callbacks.c.id).where(callbacks.c.id == claimed.id).with_for_update()
    if tx.connection.execute(found).first() is None:
        return
    tried = select(func.count()).where(callback_attempts.c.callback_id == claimed.id)
    tx.connection.execute(
        insert(callback_attempts).values(
            callback_id=claimed.id,
            number=tx.connection.execute(tried).scalar_one() + 1,
            at=attempt.at,
            duration_s=attempt.duration_s,
            status=attempt.status,
            error=attempt.error,
        )
    )
    values: dict[str, Any] = {"state": state, "attempts": callbacks.c.attempts + 1, "claimed_until": 0.0}
    values |= {"next_at": next_at, "error": attempt.error}
    condition = _held(claimed)
    if state == "delivered":
        values["delivered_at_ms"] = int((attempt.at + attempt.duration_s) * 1000)
        condition = callbacks.c.id == claimed.id
    tx.connection.execute(update(callbacks).where(condition).values(**values))
    tx.wake(f"job:{claimed.job_id}")
    tx.wake("callbacks")


def release(tx: Transaction, claimed: Claimed) -> None:
    """Give a claim back: the callback was not sent, or not to the end."""
    tx.connection.execute(update(callbacks).where(_held(claimed)).values(claimed_until=0.0))
    tx.wake("callbacks")


def replay(tx: Transaction, job_id: str) -> bool:
    """Send the callback of a job once more, for as long as a new one would be; False where it has none."""
    now = tx.now()
    values = {"state": "pending", "attempts": 0, "next_at": now, "claimed_until": 0.0, "created_at": now}
    found = tx.connection.execute(update(callbacks).where(callbacks.c.job_id == job_id).values(**values))
    tx.wake("callbacks")
    return bool(found.rowcount)


def of_job(connection: Connection, job_id: str) -> Callback | None:
    """The callback of a job, once it has ended."""
    columns = [callbacks.c[name] for name in Callback.__slots__]  # without the body, which may be large
    row = connection.execute(select(*columns).where(callbacks.c.job_id == job_id)).first()
    return Callback(*row) if row is not None else None


def report(callback: Callback) -> dict[str, Any]:
    """What R6 tells of a callback."""
    delivered = callback.delivered_at_ms is not None
    return {"delivered": delivered, "delivered_at_ms": callback.delivered_at_ms, "error": callback.error}


def attempts_of(connection: Connection, callback_id: str) -> Sequence[CallbackAttempt]:
    """Every try to deliver a callback, in order."""
    columns = [callback_attempts.c[name] for name in CallbackAttempt.__slots__]
    query = select(*columns).where(callback_attempts.c.callback_id == callback_id).order_by(callback_attempts.c.id)
    return [CallbackAttempt(*row) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[CallbackState, int]:
    """How many callbacks there are in each state."""
    rows = connection.execute(select(callbacks.c.state, func.count()).group_by(callbacks.c.state))
    found = {state: number for state, number in rows}  # noqa: C416 - rows are not pairs to mypy
    return {state: found.get(state, 0) for state in ("pending", "delivered", "failed", "disabled")}


def _pending(without: Collection[str]) -> ColumnElement[bool]:
    return and_(callbacks.c.state == "pending", callbacks.c.host.not_in(list(without)))


def _held(claimed: Claimed) -> ColumnElement[bool]:
    return and_(callbacks.c.id == claimed.id, callbacks.c.claimed_until == claimed.claimed_until)
