"""API keys, as they are stored: never the key itself."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from stenogram.store.database import Transaction
from stenogram.store.tables import api_keys, users

KeyState = Literal["good", "revoked", "expired", "stopped"]
"""``stopped``: the user whose key it is was deactivated."""
_USE_NOTED_EVERY_S = 60.0
_WITH_USER = select(api_keys, users.c.is_active, users.c.role).outerjoin(users, users.c.id == api_keys.c.owner)
"""Keys may belong to users, or to owners who are only a name."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's row. Times are Unix seconds."""

    id: str
    name: str
    prefix: str
    """The beginning of the key, by which it is found and shown."""
    hash: str
    owner: str
    scopes: frozenset[str]
    priority: int
    created_at: float
    requests_per_minute: int | None = None
    max_concurrent: int | None = None
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None
    stopped: bool = False
    """The user whose key it is was deactivated."""
    role: str | None = None
    """Of the user whose key it is; None: the owner is only a name."""

    def state(self, now: float) -> KeyState:
        """Whether it opens anything now, or why not."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        return "stopped" if self.stopped else "good"

    def valid(self, now: float) -> bool:
        """Whether it opens anything now."""
        return self.state(now) == "good"


def put(tx: Transaction, key: ApiKey) -> None:
    """Add a key."""
    tx.connection.execute(
        insert(api_keys).values(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            hash=key.hash,
            owner=key.owner,
            scopes=json.dumps(sorted(key.scopes)),
            priority=key.priority,
            requests_per_minute=key.requests_per_minute,
            max_concurrent=key.max_concurrent,
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


def find(connection: Connection, prefix: str) -> ApiKey | None:
    """The key that begins so."""
    row = connection.execute(_WITH_USER.where(api_keys.c.prefix == prefix)).first()
    return _of_row(row) if row is not None else None


def of_id(connection: Connection, key_id: str) -> ApiKey | None:
    """The key of this id."""
    row = connection.execute(_WITH_USER.where(api_keys.c.id == key_id)).first()
    return _of_row(row) if row is not None else None


def listing(connection: Connection, owner: str | None = None) -> Sequence[ApiKey]:
    """Every key, or an owner's, oldest first."""
    query = _WITH_USER.order_by(api_keys.c.created_at, api_keys.c.id)
    if owner is not None:
        query = query.where(api_keys.c.owner == owner)
    return [_of_row(row) for row in connection.execute(query)]


def exist(connection: Connection) -> bool:
    """Whether a key was ever made: from then on every request needs one, also when all were revoked."""
    return connection.execute(select(api_keys.c.id).limit(1)).first() is not None


def revoke(tx: Transaction, key_id: str) -> bool:
    """Make a key useless for good; whether it was not before."""
    unused = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
    return bool(tx.connection.execute(update(api_keys).where(unused).values(revoked_at=time.time())).rowcount)


def use_is_due(key: ApiKey, now: float) -> bool:
    """Whether a use now should be noted: to the minute is enough, and spares the database."""
    return key.last_used_at is None or now - key.last_used_at >= _USE_NOTED_EVERY_S


def note_use(tx: Transaction, key: ApiKey, now: float) -> None:
    """Remember that a key was used."""
    tx.connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now))


def _of_row(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        hash=row.hash,
        owner=row.owner,
        scopes=frozenset(json.loads(row.scopes)),
        priority=row.priority,
        created_at=row.created_at,
        requests_per_minute=row.requests_per_minute,
        max_concurrent=row.max_concurrent,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        stopped=row.is_active is False,
        role=row.role,
    )
