"""Users: made, changed, and never deleted, so that nothing of theirs is lost.

The first one is an admin, and gets everything that was made before there were users.
"""

from __future__ import annotations

import json
import time
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stenogram.accounts.audit import COMMAND_LINE, note
from stenogram.accounts.errors import EmailTaken, LastAdmin, NoAccounts, SetUpRefused
from stenogram.accounts.passwords import Passwords, require_good
from stenogram.errors import Conflict, NotFound, OptionError, RequestError
from stenogram.job import Caller
from stenogram.store import sessions, users
from stenogram.store.database import Database, Transaction
from stenogram.store.users import Known, Role, User

MOST_EMAIL_CHARS = 254
"""RFC 5321, as erratum 1690 to RFC 3696 reads it."""
MOST_NAME_CHARS = 100
MOST_SETTINGS_BYTES = 16 * 2**10
_MOST_LEVELS = 16
"""Of the page's settings."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new user is to be."""

    email: str
    password: str
    name: str = ""
    """Empty: what stands before the ``@``."""
    role: Role = "user"
    must_change: bool = False
    """The password is somebody else's idea."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be otherwise; None: as it is."""

    name: str | None = None
    role: Role | None = None
    is_active: bool | None = None
    password: str | None = None
    must_change: bool = True
    """Counts where there is a password."""


def normal(email: str) -> str:
    """An address in the form in which addresses are compared."""
    return unicodedata.normalize("NFKC", email).strip().casefold()


def create(db: Database, passwords: Passwords, wish: Wish, by: Caller | None, *, only_first: bool = False) -> User:
    """Make a user; ``by``: who does it, None: a command on the server's machine.

    The first one must be an admin, and gets what nobody owned. With ``only_first`` there must be none before.
    Raises ``OptionError``, ``WeakPassword``, ``EmailTaken``, ``SetUpRefused``, ``NoAccounts`` for nobody in particular.
    """
    email = _email(wish.email)
    name = _name(wish.name) if wish.name.strip() else email.partition("@")[0]
    _require_good(wish.password, email, name)
    now = time.time()
    user = User(
        id=uuid.uuid4().hex,
        email=email,
        name=name,
        password=passwords.hash(wish.password),
        role=wish.role,
        is_active=True,
        created_at=now,
        password_at=now,
        must_change=wish.must_change,
    )
    with db.write() as tx:
        first = not users.exist(tx.connection)
        if only_first and not first:
            raise SetUpRefused(param="token")
        if first and not only_first and by is not None and by.owner is None:
            raise NoAccounts(cause="the first one comes in by the token that the server printed at its start")
        if first and user.role != "admin":
            raise OptionError(
                name="role", value=user.role, cause="the first user must be an admin, to manage the others"
            )
        if not users.put(tx, user):
            raise EmailTaken(email=email, param="email")
        if first:
            users.adopt(tx, user.id)
        _note(tx, by, "set_up" if first else "user_created", user, role=user.role)
    return user


def change(db: Database, passwords: Passwords, user_id: str, wanted: Change, by: Caller | None) -> User:
    """Change a user, as who manages users; who may not enter any more, or has another password, is signed out.

    Raises ``NotFound``, ``LastAdmin``, ``Conflict`` for one's own password, ``OptionError``, ``WeakPassword``.
    """
    if wanted.password is not None and by is not None and by.user_id == user_id:
        raise Conflict(what="your own password", cause="POST /api/v1/me/password changes it, and wants the current one")
    hashed = None
    if wanted.password is not None:
        user = find(db, user_id)
        _require_good(wanted.password, user.email, user.name)
        hashed = passwords.hash(wanted.password)
    with db.write() as tx:
        admins = users.active_admins(tx)
        old = users.find(tx.connection, user_id, to_change=True)
        if old is None:
            raise NotFound(what="user", id=user_id)
        new = _changed(old, wanted, hashed)
        if admins == [user_id] and not (new.role == "admin" and new.is_active):
            raise LastAdmin(email=old.email)
        users.change(tx, new)
        if hashed is not None or not new.is_active:
            sessions.remove_of(tx, user_id=user_id)
        _note_change(tx, by, old, new)
    return new


def _changed(old: User, wanted: Change, hashed: str | None) -> User:
    new = replace(
        old,
        name=old.name if wanted.name is None else _name(wanted.name),
        role=wanted.role or old.role,
        is_active=old.is_active if wanted.is_active is None else wanted.is_active,
    )
    if hashed is not None:
        new = replace(new, password=hashed, password_at=time.time(), must_change=wanted.must_change)
    return new


def _note_change(tx: Transaction, by: Caller | None, old: User, new: User) -> None:
    if (new.name, new.role) != (old.name, old.role):
        _note(tx, by, "user_changed", new, role=new.role, name_changed=new.name != old.name)
    if new.is_active != old.is_active:
        _note(tx, by, "user_reactivated" if new.is_active else "user_deactivated", new)
    if new.password != old.password:
        _note(tx, by, "password_reset", new)


def remember(db: Database, caller: Caller, name: str | None, settings: Mapping[str, Any] | None) -> User:
    """Change what a user says of themselves; of ``settings`` each key is taken over, and None removes it.

    Raises ``NoAccounts``, ``OptionError``, ``RequestError`` for settings that cannot be, or are more than 16 KiB.
    """
    with db.write() as tx:
        user = own(tx, caller)
        merged = {**user.settings, **(settings or {})}
        kept = {key: value for key, value in merged.items() if value is not None}
        _check_settings(kept)
        user = replace(user, name=user.name if name is None else _name(name), settings=kept)
        users.change(tx, user)
    return user


def _check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse what is too much, and what could be kept and then not be told: it would fail every answer."""
    if _is_deep(settings, _MOST_LEVELS):
        raise RequestError(cause=f"settings may be {_MOST_LEVELS} levels deep", param="settings")
    try:
        size = len(json.dumps(settings, ensure_ascii=False, allow_nan=False).encode())
    except ValueError as error:
        raise RequestError(cause="settings can hold no NaN, and no halves of characters", param="settings") from error
    if size > MOST_SETTINGS_BYTES:
        raise RequestError(cause=f"settings may have {MOST_SETTINGS_BYTES} bytes in all", param="settings")


def _is_deep(value: Any, levels: int) -> bool:
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deep(each, levels - 1) for each in inside)


def own(tx: Transaction, caller: Caller) -> User:
    """The user who asks, whom nobody else changes until the end of the transaction. Raises ``NoAccounts``."""
    found = users.find(tx.connection, caller.user_id, to_change=True) if caller.user_id is not None else None
    if found is None:
        raise NoAccounts(cause="this concerns a user's own account")
    return found


def find(db: Database, user_id: str) -> User:
    """The user of this id. Raises ``NotFound``."""
    with db.read() as connection:
        found = users.find(connection, user_id)
    if found is None:
        raise NotFound(what="user", id=user_id)
    return found


def find_by_email(db: Database, email: str) -> User:
    """The user of this address. Raises ``NotFound``."""
    with db.read() as connection:
        found = users.find_by_email(connection, normal(email))
    if found is None:
        raise NotFound(what="user", id=email)
    return found


def listing(db: Database) -> Sequence[Known]:
    """Every user, oldest first."""
    with db.read() as connection:
        return users.listing(connection)


def _note(tx: Transaction, by: Caller | None, action: Any, user: User, **detail: Any) -> None:
    note(tx, by, action, user.id, name="" if by is not None else COMMAND_LINE, **detail)


def _require_good(password: str, email: str, name: str) -> None:
    require_good(password, (email, email.partition("@")[0], name, "stenogram"))


def _email(text: str) -> str:
    email = normal(text)
    before, _, behind = email.rpartition("@")
    if not (before and behind and email.isprintable() and " " not in email and len(email) <= MOST_EMAIL_CHARS):
        raise OptionError(name="email", value=text, cause="must be an e-mail address", param="email")
    return email


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not (name and name.isprintable() and len(name) <= MOST_NAME_CHARS):
        raise OptionError(
            name="name", value=text, cause=f"must be text on one line of {MOST_NAME_CHARS} characters", param="name"
        )
    return name
