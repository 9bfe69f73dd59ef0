"""Links by which a transcript can be read without an account, as they are stored: never what opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from stenogram.store.database import Transaction
from stenogram.store.tables import shares, users

_OPENING_NOTED_EVERY_S = 3600.0
_WITH_USER = select(shares, users.c.is_active).outerjoin(users, users.c.id == shares.c.owner)


@dataclass(frozen=True, slots=True)
class Share:
    """A link's row. Times are Unix seconds."""

    id: str
    token_hash: str
    job_id: str
    owner: str | None
    """Who made it; None: nobody in particular."""
    media: bool
    """The recording may be heard, too."""
    created_at: float
    expires_at: float
    revoked_at: float | None = None
    opened_at: float | None = None
    """When somebody last followed it, to the hour."""
    stopped: bool = False
    """The user who made it was deactivated."""

    def valid(self, now: float) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and now < self.expires_at and not self.stopped


def put(tx: Transaction, share: Share) -> None:
    """Add a link."""
    tx.connection.execute(
        insert(shares).values(
            id=share.id,
            token_hash=share.token_hash,
            job_id=share.job_id,
            owner=share.owner,
            media=share.media,
            created_at=share.created_at,
            expires_at=share.expires_at,
        )
    )


def find(connection: Connection, token_hash: str) -> Share | None:
    """The link of this token."""
    row = connection.execute(_WITH_USER.where(shares.c.token_hash == token_hash)).first()
    return _of_row(row) if row is not None else None


def of_id(connection: Connection, share_id: str) -> Share | None:
    """The link of this id."""
    row = connection.execute(_WITH_USER.where(shares.c.id == share_id)).first()
    return _of_row(row) if row is not None else None


def of_job(connection: Connection, job_id: str) -> Sequence[Share]:
    """The links to a transcript, newest first."""
    query = _WITH_USER.where(shares.c.job_id == job_id).order_by(shares.c.created_at.desc(), shares.c.id)
    return [_of_row(row) for row in connection.execute(query)]


def revoke(tx: Transaction, share_id: str) -> bool:
    """Make a link useless for good; whether it was not before."""
    unused = (shares.c.id == share_id) & shares.c.revoked_at.is_(None)
    return bool(tx.connection.execute(update(shares).where(unused).values(revoked_at=tx.now())).rowcount)


def opening_is_due(share: Share, now: float) -> bool:
    """Whether an opening now should be noted: to the hour is enough."""
    return share.opened_at is None or now - share.opened_at >= _OPENING_NOTED_EVERY_S


def note_opening(tx: Transaction, share: Share, now: float) -> bool:
    """Remember that a link was followed; whether nobody else noted it meanwhile."""
    long_ago = or_(shares.c.opened_at.is_(None), shares.c.opened_at <= now - _OPENING_NOTED_EVERY_S)
    done = tx.connection.execute(update(shares).where(shares.c.id == share.id, long_ago).values(opened_at=now))
    return bool(done.rowcount)


def expire(tx: Transaction, before: float, limit: int = 1000) -> int:
    """Forget links that expired before a time, so many at most; gives their number."""
    old = select(shares.c.id).where(shares.c.expires_at < before).limit(limit)
    return tx.connection.execute(delete(shares).where(shares.c.id.in_(old))).rowcount


def _of_row(row: Row[Any]) -> Share:
    return Share(
        id=row.id,
        token_hash=row.token_hash,
        job_id=row.job_id,
        owner=row.owner,
        media=row.media,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        opened_at=row.opened_at,
        stopped=row.is_active is False,
    )
