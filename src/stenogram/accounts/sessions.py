"""Sessions of browsers: a random token in a cookie, of which only the SHA-256 is stored.

256 random bits cannot be guessed, so that a slow hash would protect nothing more. A session ends when it was not used
for half of its days, and when they are over in any case: NIST SP 800-63B-4, section 2.1.3, has people sign in anew
after 30.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from cachetools import TTLCache

from stenogram.accounts.audit import note
from stenogram.accounts.errors import NoAccounts
from stenogram.accounts.keys import KNOWN_FOR_S, caller_of
from stenogram.errors import DatabaseError, NotAuthenticated, NotFound, StorageError
from stenogram.job import Caller
from stenogram.store import keys, sessions, users
from stenogram.store.database import Database, Transaction
from stenogram.store.keys import ApiKey
from stenogram.store.sessions import Session
from stenogram.store.users import Role, User

log = logging.getLogger(__name__)

ROLE_SCOPES: dict[Role, frozenset[str]] = {
    "user": frozenset({"transcribe", "read"}),
    "admin": frozenset({"transcribe", "read", "models", "users"}),
}
"""What users may. None of it is the recordings of others: also an admin reads only their own."""

IDLE_SHARE = 0.5
"""Of its days that a session may be unused."""
_USE_NOTED_EVERY_S = 60.0
_DAY_S = 86_400.0
_MOST_AGENT_CHARS = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from."""

    address: str
    agent: str = ""
    """The browser, in its own words."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A session, and who came with it: either a user or a key."""

    session: Session
    user: User | None = None
    key: ApiKey | None = None

    def valid(self, now: float) -> bool:
        """Whether it opens anything now."""
        if now >= self.session.expires_at:
            return False
        return self.user.is_active if self.user is not None else self.key is not None and self.key.valid(now)

    @property
    def expires_at(self) -> float:
        """When it ends, unless it is used before, Unix seconds."""
        ends = self.key.expires_at if self.key is not None else None
        return self.session.expires_at if ends is None else min(self.session.expires_at, ends)

    @property
    def caller(self) -> Caller:
        """Who asks with it."""
        if self.key is not None:
            return replace(caller_of(self.key), session_id=self.session.id)
        user = self.user
        if user is None:
            raise NotAuthenticated
        return Caller(
            owner=user.id,
            scopes=ROLE_SCOPES[user.role],
            admin=False,
            name=user.name,
            user_id=user.id,
            session_id=self.session.id,
        )


class Sessions:
    """The sessions of a server, which end ``days`` after they began; safe to use from several threads.

    ``clock`` gives Unix seconds, ``timer`` the seconds by which memory fades.
    """

    def __init__(
        self,
        db: Database,
        days: float,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._longest_s = days * _DAY_S
        self.clock = clock
        self._known: TTLCache[str, Visit] = TTLCache(maxsize=1024, ttl=KNOWN_FOR_S, timer=timer)
        self._lock = threading.Lock()

    def begin(self, tx: Transaction, who: User | ApiKey, origin: Origin) -> tuple[str, Visit]:
        """Begin a session; the token is told here and never again."""
        token, now = secrets.token_urlsafe(32), self.clock()
        session = Session(
            id=uuid.uuid4().hex,
            token_hash=_hash(token),
            user_id=who.id if isinstance(who, User) else None,
            key_id=who.id if isinstance(who, ApiKey) else None,
            created_at=now,
            expires_at=self._end(now, now),
            seen_at=now,
            address=origin.address,
            agent="".join(letter for letter in origin.agent if letter.isprintable())[:_MOST_AGENT_CHARS],
        )
        sessions.put(tx, session)
        return token, Visit(session, who, None) if isinstance(who, User) else Visit(session, None, who)

    def remembered(self, token: str) -> Visit | None:
        """A session that was good a moment ago, without asking the database."""
        with self._lock:
            visit = self._known.get(_hash(token))
        return visit if visit is not None and visit.valid(self.clock()) else None

    def verify(self, token: str) -> Visit:
        """The session of a token. Raises ``NotAuthenticated``, alike for an unknown and an ended one."""
        remembered = self.remembered(token)
        if remembered is not None:
            return remembered
        with self._db.read() as connection:
            session = sessions.find(connection, _hash(token))
            if session is None:
                raise NotAuthenticated
            user = users.find(connection, session.user_id) if session.user_id is not None else None
            key = keys.of_id(connection, session.key_id) if session.key_id is not None else None
        visit = Visit(session, user, key)
        if not visit.valid(self.clock()):
            raise NotAuthenticated
        visit = self._used(visit)
        with self._lock:
            self._known[session.token_hash] = visit
        return visit

    def forget(self) -> None:
        """Believe nothing any more that was read before: something has changed."""
        with self._lock:
            self._known.clear()

    def _end(self, began: float, now: float) -> float:
        return min(now + IDLE_SHARE * self._longest_s, began + self._longest_s)

    def _used(self, visit: Visit) -> Visit:
        """Put off the end of a session that is used, once a minute."""
        session, now = visit.session, self.clock()
        if now - session.seen_at < _USE_NOTED_EVERY_S:
            return visit
        session = replace(session, seen_at=now, expires_at=self._end(session.created_at, now))
        try:
            with self._db.write() as tx:
                sessions.note_use(tx, session.id, session.seen_at, session.expires_at)
        except (DatabaseError, StorageError) as error:  # a full disk must not sign anybody out
            log.warning("the use of a session could not be noted: %s", error)
        return replace(visit, session=session)


def csrf_of(token: str) -> str:
    """What a page must send along with each change: known to who has the session's token, and does not tell it."""
    return hmac.new(token.encode(errors="surrogatepass"), b"stenogram csrf", hashlib.sha256).hexdigest()


def listing(db: Database, caller: Caller) -> list[Session]:
    """The caller's own sessions that have not ended, the last used first. Raises ``NoAccounts`` for who has none."""
    user_id, key_id = _whose(caller)
    with db.read() as connection:
        return sessions.of(connection, time.time(), user_id=user_id, key_id=key_id)


def end(db: Database, caller: Caller, session_id: str) -> None:
    """End one of the caller's own sessions. Raises ``NotFound``."""
    if session_id not in {session.id for session in listing(db, caller)}:
        raise NotFound(what="session", id=session_id)
    with db.write() as tx:
        if sessions.remove(tx, [session_id]):
            note(tx, caller, "sign_out" if session_id == caller.session_id else "session_revoked", session_id)


def end_others(db: Database, caller: Caller) -> int:
    """End all of the caller's sessions but the current one; gives their number."""
    user_id, key_id = _whose(caller)
    with db.write() as tx:
        ended = sessions.remove_of(tx, user_id=user_id, key_id=key_id, but=caller.session_id)
        if ended:
            note(tx, caller, "session_revoked", "", sessions=ended)
    return ended


def _whose(caller: Caller) -> tuple[str | None, str | None]:
    if caller.user_id is None and caller.key_id is None:
        raise NoAccounts(cause="there are sessions only where people sign in")
    return caller.user_id, None if caller.user_id is not None else caller.key_id


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
