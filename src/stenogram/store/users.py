"""The users, as they are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from stenogram.store.database import Transaction
from stenogram.store.tables import audit, idempotency, jobs, sessions, shares, speakers, users

Role = Literal["admin", "user"]


@dataclass(frozen=True, slots=True)
class User:
    """A user's row. Times are Unix seconds."""

    id: str
    """Also the owner of what is theirs."""
    email: str
    """In the form in which addresses are compared."""
    name: str
    password: str = field(repr=False)
    """Hash, with its parameters."""
    role: Role
    is_active: bool
    created_at: float
    password_at: float
    must_change: bool = False
    """Somebody else set the password."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the page remembers for them."""


@dataclass(frozen=True, slots=True)
class Known:
    """A user, and what is told of them where users are managed."""

    user: User
    seen_at: float | None
    """When they were last here; None: never, or too long ago to be known."""
    recordings: int


def put(tx: Transaction, user: User) -> bool:
    """Add a user; False where another one has the address."""
    insert_new = sqlite_insert if tx.connection.dialect.name == "sqlite" else postgresql_insert
    new = insert_new(users).values(
        id=user.id,
        email=user.email,
        name=user.name,
        password=user.password,
        role=user.role,
        is_active=user.is_active,
        settings=_json(user.settings),
        created_at=user.created_at,
        password_at=user.password_at,
        must_change=user.must_change,
    )
    done = tx.connection.execute(new.on_conflict_do_nothing(index_elements=["email"]).returning(users.c.id))
    return done.first() is not None


def find(connection: Connection, user_id: str, *, to_change: bool = False) -> User | None:
    """The user of this id; ``to_change`` keeps others from changing them until the end of the transaction."""
    query = select(users).where(users.c.id == user_id)
    row = connection.execute(query.with_for_update() if to_change else query).first()
    return _of_row(row) if row is not None else None


def find_by_email(connection: Connection, email: str) -> User | None:
    """The user of this address, which is in the form in which addresses are compared."""
    row = connection.execute(select(users).where(users.c.email == email)).first()
    return _of_row(row) if row is not None else None


def exist(connection: Connection) -> bool:
    """Whether there is any user, active or not."""
    return connection.execute(select(users.c.id).limit(1)).first() is not None


def listing(connection: Connection) -> Sequence[Known]:
    """Every user, oldest first."""
    seen = select(func.max(sessions.c.seen_at)).where(sessions.c.user_id == users.c.id).scalar_subquery()
    acted = select(func.max(audit.c.at)).where(audit.c.actor == users.c.id).scalar_subquery()
    transcribes = jobs.c.kind == "transcribe"
    theirs = select(func.count()).where(jobs.c.owner == users.c.id, transcribes, jobs.c.deleted_at.is_(None))
    query = select(users, seen.label("seen"), acted.label("acted"), theirs.scalar_subquery().label("recordings"))
    return [
        Known(_of_row(row), max((at for at in (row.seen, row.acted) if at is not None), default=None), row.recordings)
        for row in connection.execute(query.order_by(users.c.created_at, users.c.id))
    ]


def active_admins(tx: Transaction) -> list[str]:
    """Ids of the admins who can sign in; nobody changes them until the end of the transaction."""
    active = (users.c.role == "admin") & users.c.is_active.is_(True)
    return list(
        tx.connection.execute(select(users.c.id).where(active).order_by(users.c.id).with_for_update()).scalars()
    )


def change(tx: Transaction, user: User) -> None:
    """Keep a user as they are now; id, address and the time they were made stay."""
    tx.connection.execute(
        update(users)
        .where(users.c.id == user.id)
        .values(
            name=user.name,
            password=user.password,
            role=user.role,
            is_active=user.is_active,
            settings=_json(user.settings),
            password_at=user.password_at,
            must_change=user.must_change,
        )
    )


def rehash(tx: Transaction, user: User, password: str) -> None:
    """Keep another hash of the same password, unless the password was changed meanwhile."""
    same = (users.c.id == user.id) & (users.c.password == user.password)
    tx.connection.execute(update(users).where(same).values(password=password))


def adopt(tx: Transaction, user_id: str) -> None:
    """Give a user everything that nobody in particular owned: jobs with all that hangs on them, voices, shares."""
    for table in (jobs, shares):
        tx.connection.execute(update(table).where(table.c.owner.is_(None)).values(owner=user_id))
    for table in (speakers, idempotency):
        tx.connection.execute(update(table).where(table.c.owner == "").values(owner=user_id))


def _json(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(settings), ensure_ascii=False, separators=(",", ":"))


def _of_row(row: Row[Any]) -> User:
    return User(
        id=row.id,
        email=row.email,
        name=row.name,
        password=row.password,
        role=row.role,
        is_active=row.is_active,
        created_at=row.created_at,
        password_at=row.password_at,
        must_change=row.must_change,
        settings=json.loads(row.settings),
    )
