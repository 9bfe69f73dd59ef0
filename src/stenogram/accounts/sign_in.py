"""How people come in: by e-mail address and password, or by an API key; each attempt is counted first."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from stenogram.accounts import throttle
from stenogram.accounts.audit import note
from stenogram.accounts.errors import SignInFailed, WeakPassword, WrongPassword
from stenogram.accounts.keys import Doorkeeper
from stenogram.accounts.passwords import Passwords, require_good
from stenogram.accounts.sessions import Origin, Sessions, Visit
from stenogram.accounts.throttle import Attempt
from stenogram.accounts.users import normal, own
from stenogram.errors import Conflict, NotAuthenticated
from stenogram.job import Caller
from stenogram.store import sessions as session_rows
from stenogram.store import users
from stenogram.store.database import Database
from stenogram.store.keys import ApiKey
from stenogram.store.users import User


@dataclass(frozen=True, slots=True)
class SignIn:
    """Begins sessions for who may; safe to use from several threads."""

    db: Database
    passwords: Passwords
    sessions: Sessions
    door: Doorkeeper

    def by_password(
        self, email: str, password: str, origin: Origin, instead_of: str | None = None
    ) -> tuple[str, Visit]:
        """Token and session of a user; ``instead_of``: id of the session that the browser had before.

        Raises ``SignInSlowed``, and ``SignInFailed`` alike whatever is wrong: then the work done is the same, too.
        """
        account = normal(email)
        with self.db.write() as tx:
            attempt = throttle.begin(tx, account, origin.address, self.sessions.clock())
            user = users.find_by_email(tx.connection, account)
        good = self.passwords.check(user.password if user is not None else None, password)
        if user is None or not good or not user.is_active:
            self._failed(user, origin)
            raise SignInFailed
        if self.passwords.is_outdated(user.password):
            renewed = self.passwords.hash(password)
            with self.db.write() as tx:
                users.rehash(tx, user, renewed)
            user = replace(user, password=renewed)
        return self.enter(user, origin, attempt, instead_of)

    def by_key(self, secret: str, origin: Origin, instead_of: str | None = None) -> tuple[str, Visit]:
        """Token and session of an API key, which ends with the key. Raises ``SignInSlowed``, ``SignInFailed``."""
        with self.db.write() as tx:
            attempt = throttle.begin(tx, None, origin.address, self.sessions.clock())
        try:
            key = self.door.verify(secret, origin.address)
        except NotAuthenticated as error:
            self._failed(None, origin)
            raise SignInFailed from error
        return self.enter(key, origin, attempt, instead_of)

    def enter(
        self, who: User | ApiKey, origin: Origin, attempt: Attempt | None = None, instead_of: str | None = None
    ) -> tuple[str, Visit]:
        """Begin a session for who has been let in.

        Raises ``SignInFailed`` for a user who was changed since: that ended all sessions, and must end this one.
        """
        with self.db.write() as tx:
            if isinstance(who, User):
                now = users.find(tx.connection, who.id, to_change=True)
                if now is None or not now.is_active or now.password != who.password:
                    raise SignInFailed
                who = now
            if attempt is not None:
                throttle.succeed(tx, attempt, self.sessions.clock())
            if instead_of is not None:
                session_rows.remove(tx, [instead_of])
            token, visit = self.sessions.begin(tx, who, origin)
            how = "key" if isinstance(who, ApiKey) else "password"
            note(tx, visit.caller, "sign_in", visit.session.id, address=origin.address, by=how)
        return token, visit

    def change_password(self, caller: Caller, current: str, new: str) -> None:
        """Change the caller's own password, and end their other sessions.

        Raises ``NoAccounts``, ``SignInSlowed``, ``WrongPassword``, ``WeakPassword``.
        """
        with self.db.write() as tx:
            user = own(tx, caller)
            attempt = throttle.begin(tx, user.email, caller.address, self.sessions.clock())
        if not self.passwords.check(user.password, current):
            raise WrongPassword(param="current")
        require_good(new, (user.email, user.email.partition("@")[0], user.name, "stenogram"))
        if new == current:
            raise WeakPassword(cause="it is the one you have", param="new")
        hashed = self.passwords.hash(new)
        with self.db.write() as tx:
            same = own(tx, caller)
            if same.password != user.password:
                raise Conflict(what="the password", cause="it was changed meanwhile")
            users.change(tx, replace(same, password=hashed, password_at=time.time(), must_change=False))
            ended = session_rows.remove_of(tx, user_id=user.id, but=caller.session_id)
            throttle.succeed(tx, attempt, self.sessions.clock())
            note(tx, caller, "password_changed", user.id, sessions_ended=ended)

    def _failed(self, user: User | None, origin: Origin) -> None:
        """Note a failure; never what was typed, which may be a password in the wrong field."""
        with self.db.write() as tx:
            name = user.email if user is not None else ""
            note(tx, None, "sign_in_failed", user.id if user is not None else "", address=origin.address, name=name)
