"""The sessions of browsers, as they are stored: never the token itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from stenogram.store.database import Transaction
from stenogram.store.tables import sessions


@dataclass(frozen=True, slots=True)
class Session:
    """A session's row: either a user's or a key's. Times are Unix seconds."""

    id: str
    token_hash: str
    user_id: str | None
    key_id: str | None
    created_at: float
    expires_at: float
    seen_at: float
    address: str
    agent: str
    """The browser, in its own words."""


def put(tx: Transaction, session: Session) -> None:
    """Add a session."""
    tx.connection.execute(
        insert(sessions).values(
            id=session.id,
            token_hash=session.token_hash,
            user_id=session.user_id,
            key_id=session.key_id,
            created_at=session.created_at,
            expires_at=session.expires_at,
            seen_at=session.seen_at,
            address=session.address,
            agent=session.agent,
        )
    )


def find(connection: Connection, token_hash: str) -> Session | None:
    """The session of this token."""
    row = connection.execute(select(sessions).where(sessions.c.token_hash == token_hash)).first()
    return _of_row(row) if row is not None else None


def note_use(tx: Transaction, session_id: str, seen_at: float, expires_at: float) -> None:
    """Remember that a session was used, and when it ends now."""
    used = update(sessions).where(sessions.c.id == session_id)
    tx.connection.execute(used.values(seen_at=seen_at, expires_at=expires_at))


def of(connection: Connection, now: float, *, user_id: str | None = None, key_id: str | None = None) -> list[Session]:
    """The sessions of a user, or of a key, that have not ended; the last used first."""
    query = select(sessions).where(_of_whom(user_id, key_id), sessions.c.expires_at > now)
    return [_of_row(row) for row in connection.execute(query.order_by(sessions.c.seen_at.desc(), sessions.c.id))]


def remove(tx: Transaction, ids: Sequence[str]) -> int:
    """End sessions; gives how many of them there were."""
    return tx.connection.execute(delete(sessions).where(sessions.c.id.in_(ids))).rowcount


def remove_of(tx: Transaction, *, user_id: str | None = None, key_id: str | None = None, but: str | None = None) -> int:
    """End the sessions of a user, or of a key, all but one of them; gives their number."""
    theirs = _of_whom(user_id, key_id)
    wanted = theirs if but is None else theirs & (sessions.c.id != but)
    return tx.connection.execute(delete(sessions).where(wanted)).rowcount


def expire(tx: Transaction, now: float, limit: int) -> int:
    """Remove sessions that have ended, so many at most, the oldest first; gives their number."""
    ended = select(sessions.c.id).where(sessions.c.expires_at <= now).order_by(sessions.c.expires_at).limit(limit)
    return tx.connection.execute(delete(sessions).where(sessions.c.id.in_(ended))).rowcount


def _of_whom(user_id: str | None, key_id: str | None) -> ColumnElement[bool]:
    return sessions.c.user_id == user_id if user_id is not None else sessions.c.key_id == key_id


def _of_row(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        token_hash=row.token_hash,
        user_id=row.user_id,
        key_id=row.key_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        seen_at=row.seen_at,
        address=row.address,
        agent=row.agent,
    )
