"""API keys: made, checked and revoked.

A key is ``stn_<id>_<secret>``. Only its SHA-256 is stored: the secret is 256 random bits, which nobody can guess, so
that a slow hash, as passwords need it, would protect nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from cachetools import TTLCache

from stenogram.errors import NotAuthenticated, NotFound, OptionError
from stenogram.job import Caller
from stenogram.store import keys
from stenogram.store.database import Database
from stenogram.store.keys import ApiKey

SCOPES = {
    "transcribe": "submit jobs, follow and cancel them, read their transcripts",
    "read": "read jobs and transcripts, change nothing",
    "models": "fetch, load, unload and remove models",
    "admin": "all of it, and the jobs of all owners",
}
"""What a key may be for."""

KNOWN_FOR_S = 5.0
"""A key that was good is taken as good for so long without asking the database; a revocation is felt after it."""


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


def create(db: Database, wish: Wish) -> tuple[str, ApiKey]:
    """Make a key; it is told here and never again. Raises ``OptionError`` for an unknown scope."""
    unknown = sorted(set(wish.scopes) - SCOPES.keys())
    if unknown or not wish.scopes:
        raise OptionError(name="scope", value=", ".join(unknown), cause=f"must be of {', '.join(SCOPES)}")
    now = time.time()
    key_id = secrets.token_hex(6)
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
        expires_at=now + 86_400.0 * wish.expires_days if wish.expires_days is not None else None,
    )
    with db.write() as tx:
        keys.put(tx, key)
    return secret, key


def revoke(db: Database, key_id: str) -> None:
    """Raises ``NotFound``."""
    with db.write() as tx:
        if not keys.revoke(tx, key_id):
            raise NotFound(what="API key", id=key_id)


@dataclass(slots=True)
class Doorkeeper:
    """Tells who asks; safe to use from several threads."""

    db: Database
    clock: Callable[[], float] = time.time
    _known: TTLCache[str, ApiKey] = field(default_factory=lambda: TTLCache(maxsize=1024, ttl=KNOWN_FOR_S))
    _locked: TTLCache[str, bool] = field(default_factory=lambda: TTLCache(maxsize=1, ttl=KNOWN_FOR_S))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remembered(self, secret: str | None) -> ApiKey | None:
        """A key that was good a moment ago, without asking the database."""
        with self._lock:
            key = self._known.get(_hash(secret)) if secret else None
        return key if key is not None and key.valid(self.clock()) else None

    def stands_open(self) -> bool | None:
        """Whether no key exists, so that everybody may enter; None: not known without asking the database."""
        with self._lock:
            locked = self._locked.get("")
        return None if locked is None else not locked

    def open_now(self) -> bool:
        """Whether no key exists. Raises ``DatabaseUnavailable``."""
        known = self.stands_open()
        if known is not None:
            return known
        with self.db.read() as connection:
            locked = keys.exist(connection)
        with self._lock:
            self._locked[""] = locked
        return not locked

    def verify(self, secret: str | None) -> ApiKey:
        """The key that opens. Raises ``NotAuthenticated``, alike for an unknown, a revoked and an expired one."""
        remembered = self.remembered(secret)
        if remembered is not None:
            return remembered
        given = _hash(secret or "")
        prefix = "_".join((secret or "").split("_")[:2])
        with self.db.read() as connection:
            key = keys.find(connection, prefix)
        if not hmac.compare_digest(key.hash if key else _NO_KEY, given) or key is None or not key.valid(self.clock()):
            raise NotAuthenticated
        with self._lock:
            self._known[given] = key
        with self.db.write() as tx:
            keys.note_use(tx, key)
        return key


def caller_of(key: ApiKey) -> Caller:
    """Who asks with this key."""
    return Caller(key.owner, key.id, key.scopes, key.priority, admin="admin" in key.scopes)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_NO_KEY = _hash("")[::-1]
"""Compared with where no key was found, so that this takes as long."""
