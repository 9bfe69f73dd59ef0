"""Failures to sign in, as they are stored: by subjects that are hashes, so that no address can be read here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from stenogram.store.database import Transaction
from stenogram.store.tables import sign_in_failures


@dataclass(frozen=True, slots=True)
class Failures:
    """How often it failed for a subject."""

    failures: int
    last_at: float
    """Unix seconds."""


def find(connection: Connection, subject: str) -> Failures | None:
    """What is known of a subject."""
    row = connection.execute(select(sign_in_failures).where(sign_in_failures.c.subject == subject)).first()
    return Failures(row.failures, row.last_at) if row is not None else None


def take(tx: Transaction, subjects: Collection[str], now: float) -> dict[str, Failures]:
    """What is known of each subject, which nobody else changes until the end of the transaction."""
    new = [{"subject": subject, "failures": 0, "last_at": now} for subject in sorted(subjects)]
    tx.connection.execute(_insert(tx).on_conflict_do_nothing(index_elements=["subject"]), new)
    query = select(sign_in_failures).where(sign_in_failures.c.subject.in_(subjects))
    rows = tx.connection.execute(query.order_by(sign_in_failures.c.subject).with_for_update())
    return {row.subject: Failures(row.failures, row.last_at) for row in rows}


def put(tx: Transaction, subject: str, found: Failures) -> None:
    """Keep what is known of a subject."""
    values = {"failures": found.failures, "last_at": found.last_at}
    new = _insert(tx).values(subject=subject, **values)
    tx.connection.execute(new.on_conflict_do_update(index_elements=["subject"], set_=values))


def expire(tx: Transaction, before: float, limit: int, *, beginning: str = "") -> int:
    """Forget subjects of a beginning that were last heard of before a time, so many at most; gives their number."""
    table = sign_in_failures
    old = select(table.c.subject).where(table.c.last_at < before, table.c.subject.startswith(beginning))
    old = old.order_by(table.c.last_at).limit(limit)
    return tx.connection.execute(delete(table).where(table.c.subject.in_(old))).rowcount


def _insert(tx: Transaction) -> postgresql.Insert | sqlite.Insert:
    insert_new = sqlite.insert if tx.connection.dialect.name == "sqlite" else postgresql.insert
    return insert_new(sign_in_failures)
