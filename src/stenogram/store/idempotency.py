"""Keys by which clients repeat a request without doing it twice (``Idempotency-Key``)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from stenogram.store.database import Transaction
from stenogram.store.tables import idempotency


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a key was used for."""

    fingerprint: str
    """Of the request."""
    job_ids: Sequence[str]


def find(connection: Connection, owner: str | None, key: str) -> Remembered | None:
    """What the owner used the key for."""
    condition = (idempotency.c.owner == (owner or "")) & (idempotency.c.key == key)
    row = connection.execute(select(idempotency).where(condition)).first()
    return Remembered(row.fingerprint, tuple(json.loads(row.job_ids))) if row is not None else None


def put(tx: Transaction, owner: str | None, key: str, remembered: Remembered) -> None:
    """Remember a key. Raises ``DatabaseError`` where another request used it meanwhile."""
    tx.connection.execute(
        insert(idempotency).values(
            owner=owner or "",
            key=key,
            fingerprint=remembered.fingerprint,
            job_ids=json.dumps(list(remembered.job_ids)),
            created_at=time.time(),
        )
    )


def expire(tx: Transaction, before: float) -> None:
    """Forget keys from before a time."""
    tx.connection.execute(delete(idempotency).where(idempotency.c.created_at < before))
