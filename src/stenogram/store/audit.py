"""The audit log, as it is stored: who did what to whose things, and from where."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from stenogram.store.database import Transaction
from stenogram.store.tables import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done."""

    id: int
    """A later entry has a higher one."""
    at: float
    """Unix seconds."""
    actor: str | None
    """Owner who did it; None: nobody known."""
    actor_name: str
    """As they were called then."""
    action: str
    subject: str
    """Id of what it was done to."""
    address: str
    """Where it came from; empty: not by the network."""
    detail: Mapping[str, Any]


def put(  # noqa: PLR0913 - the columns
    tx: Transaction,
    actor: str | None,
    action: str,
    subject: str,
    *,
    actor_name: str,
    address: str,
    detail: Mapping[str, Any],
) -> None:
    """Add an entry, of now."""
    tx.connection.execute(
        insert(audit).values(
            at=tx.now(),
            actor=actor,
            actor_name=actor_name,
            action=action,
            subject=subject,
            address=address,
            detail=json.dumps(detail, ensure_ascii=False),
        )
    )


def listing(
    connection: Connection,
    limit: int = 100,
    before: int | None = None,
    actor: str | None = None,
    action: str | None = None,
) -> Sequence[Entry]:
    """Entries, newest first; ``before``: id of the last one of the page before; only of one actor, or one action."""
    wanted = {audit.c.actor: actor, audit.c.action: action}
    query = select(audit).where(*(column == value for column, value in wanted.items() if value is not None))
    if before is not None:
        query = query.where(audit.c.id < before)
    return [_of_row(row) for row in connection.execute(query.order_by(audit.c.id.desc()).limit(limit))]


def expire(tx: Transaction, before: float, limit: int = 1000) -> int:
    """Forget the oldest entries from before a time, so many at most; gives their number."""
    old = select(audit.c.id).where(audit.c.at < before).order_by(audit.c.at).limit(limit)
    return tx.connection.execute(delete(audit).where(audit.c.id.in_(old))).rowcount


def _of_row(row: Row[Any]) -> Entry:
    return Entry(
        row.id, row.at, row.actor, row.actor_name, row.action, row.subject, row.address, json.loads(row.detail)
    )
