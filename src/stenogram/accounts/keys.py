"""API keys: made, checked and revoked.

A key is ``stn_<id>_<secret>``; the part before the secret is no secret, it finds the key and names it in lists. Only
the SHA-256 of the whole is stored: the secret is 256 random bits, which nobody can guess, so that a slow hash, as
passwords need it, would protect nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import string
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cachetools import TTLCache

from stenogram.accounts import audit
from stenogram.accounts.audit import COMMAND_LINE
from stenogram.accounts.errors import NoAccounts
from stenogram.accounts.users import normal
from stenogram.errors import DatabaseError, NotAllowed, NotAuthenticated, NotFound, OptionError, StorageError
from stenogram.job import Caller
from stenogram.store import keys, users
from stenogram.store.database import Database, Transaction
from stenogram.store.keys import ApiKey

log = logging.getLogger(__name__)

SCOPES = {
    "transcribe": "submit jobs, follow and cancel them, read their transcripts",
    "read": "read jobs and transcripts, change nothing",
    "models": "fetch, load, unload and remove models",
    "users": "manage users, see and revoke the keys of all, and read the audit log",
    "admin": "all of these, and the jobs of all owners",
    "*": "the same as admin",
}
"""What a key may be for."""
USER_SCOPES = frozenset({"transcribe", "read"})
"""What a user may who is no admin: their keys can do no more, whatever scopes they were made with."""

Mode = Literal["open", "keys", "accounts"]
"""Who may enter: everybody, for there is neither key nor user; who has a key; users, and who has a key."""

KNOWN_FOR_S = 5.0
"""What was read of keys and users is believed for so long: a revocation, or the very first one, is felt after it."""
USE_AUDITED_EVERY_S = 3600.0
"""The use of a key goes into the audit log so often, for each address that it comes from."""
MOST_PRIORITY = 100
"""Of a key; what a job asks for is added."""
_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 8
_DAY_S = 86_400.0
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new key is to be."""

    name: str
    owner: str | None = None
    """None: the name."""
    scopes: Collection[str] = ("transcribe",)
    priority: int = 0
    requests_per_minute: int | None = None
    max_concurrent: int | None = None
    expires_days: float | None = None


def create(db: Database, wish: Wish, caller: Caller | None = None) -> tuple[str, ApiKey]:
    """Make a key; it is told here and never again. ``caller``: who wants it for themselves; None: the command line.

    The command line may name a user by their e-mail address as the owner: the key is theirs, and can do what they may.
    What a key makes has its limits and ends with it at the latest. Raises ``OptionError`` for a wish that cannot be,
    ``NotAllowed`` for one beyond the caller's own rights.
    """
    _check(wish)
    now = time.time()
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    secret = f"stn_{key_id}_{secrets.token_urlsafe(32)}"
    key = ApiKey(
        id=key_id,
        name=wish.name,
        prefix=f"stn_{key_id}",
        hash=_hash(secret),
        owner=wish.owner or wish.name,
        scopes=frozenset(wish.scopes),
        priority=wish.priority,
        created_at=now,
        requests_per_minute=wish.requests_per_minute,
        max_concurrent=wish.max_concurrent,
        expires_at=now + _DAY_S * wish.expires_days if wish.expires_days is not None else None,
    )
    with db.write() as tx:
        key = _granted(tx, caller, key) if caller is not None else _given(tx, key)
        keys.put(tx, key)
        name = COMMAND_LINE if caller is None else ""
        audit.note(tx, caller, "key_created", key.id, name=name, owner=key.owner, scopes=sorted(key.scopes))
    return secret, key


def _granted(tx: Transaction, caller: Caller, key: ApiKey) -> ApiKey:
    """The key as the caller may have it."""
    _may_manage(caller)
    beyond = sorted(key.scopes - covered(caller.scopes))
    if beyond:
        raise NotAllowed(cause=f"a key can have no scope beyond your own, such as {', '.join(beyond)}")
    key = replace(key, owner=caller.owner or "", priority=min(key.priority, caller.priority))
    parent = keys.of_id(tx.connection, caller.key_id) if caller.key_id is not None else None
    if parent is None:
        return key
    return replace(
        key,
        requests_per_minute=parent.requests_per_minute,
        max_concurrent=parent.max_concurrent,
        expires_at=min((at for at in (key.expires_at, parent.expires_at) if at is not None), default=None),
    )


def _given(tx: Transaction, key: ApiKey) -> ApiKey:
    """The key as that of the user whose address is given as its owner; else the owner is only a name."""
    user = users.find_by_email(tx.connection, normal(key.owner))
    if user is None:
        return key
    beyond = sorted(key.scopes - covered(USER_SCOPES))
    if user.role == "user" and beyond:
        raise OptionError(name="scope", value=", ".join(beyond), cause=f"is not for {user.email}, who is no admin")
    return replace(key, owner=user.id, role=user.role, stopped=not user.is_active)


def _may_manage(caller: Caller) -> None:
    if caller.owner is None:
        raise NoAccounts(cause="the first key is made by: stenogram keys create --name NAME")
    if caller.key_id is not None and not holds(caller, "users"):  # else one that leaked could live on in another
        raise NotAllowed(cause="a key without the scope users makes and revokes no others; sign in as a user")


def covered(scopes: Collection[str]) -> frozenset[str]:
    """All that somebody may who has these scopes."""
    if set(scopes) & {"*", "admin"}:
        return frozenset(SCOPES)
    return frozenset(scopes) | (frozenset({"read"}) if "transcribe" in scopes else frozenset())


def holds(caller: Caller, scope: str) -> bool:
    """Whether the caller has a scope; who may transcribe may read."""
    return scope in covered(caller.scopes)


def _check(wish: Wish) -> None:
    unknown = sorted(set(wish.scopes) - SCOPES.keys())
    if unknown or not wish.scopes:
        raise OptionError(name="scope", value=", ".join(unknown), cause=f"must be of {', '.join(SCOPES)}")
    for name, text in (("name", wish.name), ("owner", wish.owner)):
        if text is not None and not (text.strip() and text.isprintable()):
            raise OptionError(name=name, value=text, cause="must be text on one line")
    if abs(wish.priority) > MOST_PRIORITY:
        raise OptionError(name="priority", value=wish.priority, cause=f"must be within {MOST_PRIORITY} of 0")
    days = wish.expires_days
    if days is not None and not 0 < days <= _MOST_DAYS:  # nor nan, which a database may keep as "never"
        raise OptionError(name="expires_days", value=days, cause=f"must be above 0, and at most {_MOST_DAYS}")


def listing(db: Database, caller: Caller, *, everybody: bool = False) -> Sequence[ApiKey]:
    """The caller's keys, or those of all, oldest first. Raises ``NotAllowed``."""
    if everybody and not holds(caller, "users"):
        raise NotAllowed(cause="the keys of others are for the scope users")
    if caller.owner is None and not everybody:
        return []
    with db.read() as connection:
        return keys.listing(connection, None if everybody else caller.owner)


def revoke(db: Database, key_id: str, caller: Caller | None = None) -> str:
    """Make a key useless, by its id, its prefix or the key itself; gives the id. ``caller`` as in ``create``.

    Raises ``NotFound``, also for another's key unless the caller has the scope users, and ``NotAllowed``.
    """
    found = key_id.removeprefix("stn_").partition("_")[0]
    with db.write() as tx:
        key = keys.of_id(tx.connection, found)
        if key is None or (caller is not None and caller.owner != key.owner and not holds(caller, "users")):
            raise NotFound(what="API key", id=found)
        if caller is not None and caller.key_id != key.id:
            _may_manage(caller)
        if keys.revoke(tx, found):
            name = COMMAND_LINE if caller is None else ""
            audit.note(tx, caller, "key_revoked", found, name=name, owner=key.owner)
    return found


class Doorkeeper:
    """Tells who asks; safe to use from several threads.

    ``clock`` gives Unix seconds, ``timer`` the seconds by which memory fades.
    """

    def __init__(
        self, db: Database, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = db
        self._clock = clock
        self._known: TTLCache[str, ApiKey] = TTLCache(maxsize=1024, ttl=KNOWN_FOR_S, timer=timer)
        self._mode: TTLCache[str, Mode] = TTLCache(maxsize=1, ttl=KNOWN_FOR_S, timer=timer)
        self._audited: TTLCache[tuple[str, str], bool] = TTLCache(maxsize=4096, ttl=USE_AUDITED_EVERY_S, timer=timer)
        self._lock = threading.Lock()

    def remembered(self, secret: str | None) -> ApiKey | None:
        """A key that was good a moment ago, without asking the database."""
        with self._lock:
            key = self._known.get(_hash(secret)) if secret else None
        return key if key is not None and key.valid(self._clock()) else None

    def stands_open(self) -> bool | None:
        """Whether neither key nor user exists, so that everybody may enter; None: not known without the database."""
        with self._lock:
            mode = self._mode.get("")
        return None if mode is None else mode == "open"

    def open_now(self) -> bool:
        """Whether neither key nor user exists. Raises ``DatabaseUnavailable``."""
        return self.mode() == "open"

    def mode(self) -> Mode:
        """Who may enter. Raises ``DatabaseUnavailable``."""
        with self._lock:
            mode = self._mode.get("")
        if mode is not None:
            return mode
        with self._db.read() as connection:
            mode = "accounts" if users.exist(connection) else "keys" if keys.exist(connection) else "open"
        with self._lock:
            self._mode[""] = mode
        return mode

    def forget(self) -> None:
        """Believe nothing any more that was read before: something has changed."""
        with self._lock:
            self._known.clear()
            self._mode.clear()

    def verify(self, secret: str | None, address: str = "") -> ApiKey:
        """The key that opens; ``address``: where it came from, for the audit log.

        Raises ``NotAuthenticated``, alike for an unknown, a revoked and an expired one.
        """
        remembered = self.remembered(secret)
        if remembered is not None:
            return remembered
        given = _hash(secret or "")
        prefix = "_".join((secret or "").split("_")[:2])
        with self._db.read() as connection:
            key = keys.find(connection, prefix)
        same = hmac.compare_digest(key.hash if key is not None else _NO_KEY, given)
        if key is None or not same or not key.valid(self._clock()):
            raise NotAuthenticated
        with self._lock:
            self._known[given] = key
        self._note_use(key, address)
        return key

    def _note_use(self, key: ApiKey, address: str) -> None:
        now = self._clock()
        if not keys.use_is_due(key, now):
            return
        with self._lock:
            audited = (key.id, address) in self._audited
        try:
            with self._db.write() as tx:
                keys.note_use(tx, key, now)
                if not audited:
                    audit.note(tx, caller_of(key), "key_used", key.id, address=address)
            with self._lock:
                self._audited[key.id, address] = True
        except (DatabaseError, StorageError) as error:  # a full disk must not lock out who has a good key
            log.warning("the last use of key %s could not be noted: %s", key.id, error)


def caller_of(key: ApiKey) -> Caller:
    """Who asks with this key: one of a user who is no admin does what such a user may."""
    scopes = covered(key.scopes) & USER_SCOPES if key.role == "user" else key.scopes
    admin = bool(scopes & {"admin", "*"})
    return Caller(key.owner, key.id, scopes, key.priority, admin=admin, name=key.name)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


_NO_KEY = "-" * 64
"""Compared with where no key was found, so that this takes as long; no hash looks so."""
