"""Sessions: what is stored of them, how long they last, what a request with one costs; on both databases."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from stenogram.accounts import keys as key_accounts
from stenogram.accounts import sessions as accounts
from stenogram.accounts import users
from stenogram.accounts.errors import NoAccounts
from stenogram.accounts.keys import KNOWN_FOR_S
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.sessions import Origin, Sessions, Visit, csrf_of
from stenogram.accounts.users import Change, Wish
from stenogram.errors import NotAuthenticated, NotFound, StorageFull
from stenogram.job import Caller
from stenogram.store import sessions as rows
from stenogram.store.database import Database, Transaction
from stenogram.store.tables import sessions as table
from stenogram.store.users import User

DAY_S = 86_400.0
FIREFOX = Origin("192.0.2.7", "Firefox\x1b[31m" + "x" * 1000)
CHEAP = Passwords(1, 8, 1)
DAYS = 30.0


class Hand:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def ann(db: Database) -> User:
    return users.create(db, CHEAP, Wish("ann@example.org", "correct horse", role="admin"), None)


@pytest.fixture
def ours(db: Database, clock: Hand) -> Sessions:
    return Sessions(db, DAYS, clock, clock)


def begin(db: Database, ours: Sessions, who: User) -> tuple[str, Visit]:
    with db.write() as tx:
        return ours.begin(tx, who, FIREFOX)


def test_a_token_is_256_random_bits_and_only_its_hash_is_stored(db: Database, ours: Sessions, ann: User) -> None:
    tokens = [begin(db, ours, ann)[0] for _ in range(10)]
    with db.read() as connection:
        stored = connection.execute(select(table)).all()

    assert all(re.fullmatch(r"[\w-]{43}", token, re.ASCII) for token in tokens)
    assert {row.token_hash for row in stored} == {hashlib.sha256(token.encode()).hexdigest() for token in tokens}
    assert not any(token in str(stored) for token in tokens)


def test_what_a_browser_says_of_itself_is_kept_short_and_printable(db: Database, ours: Sessions, ann: User) -> None:
    """It is shown in terminals."""
    _, visit = begin(db, ours, ann)

    assert visit.session.agent.startswith("Firefox[31mxxx")
    assert len(visit.session.agent) == 300


def test_a_token_opens_and_says_who_came(db: Database, ours: Sessions, ann: User) -> None:
    token, begun = begin(db, ours, ann)
    visit = ours.verify(token)

    assert visit == begun
    assert visit.caller == Caller(
        ann.id,
        None,
        frozenset({"transcribe", "read", "models", "users"}),
        admin=False,
        name="ann",
        user_id=ann.id,
        session_id=begun.session.id,
    )


def test_an_admin_manages_and_sees_nobody_s_recordings_but_their_own(db: Database, ours: Sessions, ann: User) -> None:
    token, _ = begin(db, ours, ann)
    caller = ours.verify(token).caller

    assert caller.owns(ann.id)
    assert not caller.owns("another")
    assert not caller.owns(None)


def test_a_user_may_transcribe_and_read(db: Database, ours: Sessions, ann: User) -> None:
    bob = users.create(db, CHEAP, Wish("bob@example.org", "correct horse"), None)
    token, _ = begin(db, ours, bob)

    assert ours.verify(token).caller.scopes == {"transcribe", "read"}


@given(st.text())
def test_no_text_opens_or_breaks_anything(text: str) -> None:
    class Empty:
        @contextmanager
        def read(self) -> Iterator[Empty]:
            yield self

        def execute(self, _query: object) -> Empty:
            return self

        def first(self) -> None:
            return None

    with pytest.raises(NotAuthenticated):
        Sessions(Empty(), DAYS).verify(text)  # type: ignore[arg-type]
    assert re.fullmatch("[0-9a-f]{64}", csrf_of(text))


def test_a_session_ends_after_half_its_days_without_use(db: Database, ours: Sessions, ann: User, clock: Hand) -> None:
    token, _ = begin(db, ours, ann)
    clock.now += DAYS / 2 * DAY_S - 1
    ours.verify(token)
    clock.now += DAYS / 2 * DAY_S - 1
    ours.verify(token)
    clock.now += 3  # and after all its days in any case

    with pytest.raises(NotAuthenticated):
        ours.verify(token)


def test_a_session_that_is_not_used_ends_sooner(db: Database, ours: Sessions, ann: User, clock: Hand) -> None:
    token, _ = begin(db, ours, ann)
    clock.now += DAYS / 2 * DAY_S

    assert ours.remembered(token) is None
    with pytest.raises(NotAuthenticated):
        ours.verify(token)


def test_a_session_that_ends_while_it_is_remembered_opens_no_more(db: Database, ann: User, clock: Hand) -> None:
    ours = Sessions(db, DAYS, clock, timer=lambda: 0.0)
    token, _ = begin(db, ours, ann)
    ours.verify(token)
    clock.now += DAYS * DAY_S

    assert ours.remembered(token) is None


def test_the_use_is_noted_once_a_minute(db: Database, ours: Sessions, ann: User, clock: Hand) -> None:
    token, visit = begin(db, ours, ann)
    began, noted = clock.now, []
    for _ in range(14):  # every ten seconds
        clock.now += 10
        ours.verify(token)
        with db.read() as connection:
            found = rows.find(connection, visit.session.token_hash)
        assert found is not None
        noted.append(found.seen_at - began)

    assert noted == [0.0] * 5 + [60.0] * 6 + [120.0] * 3


def test_a_use_that_cannot_be_noted_signs_nobody_out(
    db: Database, ours: Sessions, ann: User, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, _ = begin(db, ours, ann)
    clock.now += 100

    def full(_tx: Transaction, *_: object) -> None:
        raise StorageFull(path="x", cause="full")

    monkeypatch.setattr(rows, "note_use", full)

    assert ours.verify(token).user == ann


def test_a_session_that_is_known_asks_the_database_nothing(
    db: Database, ours: Sessions, ann: User, clock: Hand
) -> None:
    token, _ = begin(db, ours, ann)
    visit = ours.verify(token)
    with db.write() as tx:
        rows.remove(tx, [visit.session.id])
    clock.now += KNOWN_FOR_S - 0.01
    assert ours.remembered(token) == visit == ours.verify(token)
    clock.now += 0.02

    with pytest.raises(NotAuthenticated):
        ours.verify(token)


def test_what_changes_in_this_process_is_felt_at_once(db: Database, ours: Sessions, ann: User) -> None:
    token, visit = begin(db, ours, ann)
    ours.verify(token)
    accounts.end(db, visit.caller, visit.session.id)
    ours.forget()

    with pytest.raises(NotAuthenticated):
        ours.verify(token)


def test_a_session_of_a_user_who_is_stopped_opens_nothing(db: Database, ours: Sessions, ann: User) -> None:
    """Also one that was begun at that very moment."""
    bob = users.create(db, CHEAP, Wish("bob@example.org", "correct horse"), None)
    users.change(db, CHEAP, bob.id, Change(is_active=False), None)
    token, _ = begin(db, ours, bob)

    with pytest.raises(NotAuthenticated):
        ours.verify(token)


@pytest.mark.parametrize("end", ["revoked", "expired", "owner stopped"])
def test_a_key_s_session_has_its_rights_and_ends_with_it(
    db: Database, ours: Sessions, ann: User, clock: Hand, end: str
) -> None:
    bob = users.create(db, CHEAP, Wish("bob@example.org", "correct horse"), None)
    secret, key = key_accounts.create(db, key_accounts.Wish("desk", bob.id, ("read",), 3, expires_days=5))
    key = key_accounts.Doorkeeper(db).verify(secret)
    clock.now = key.created_at
    with db.write() as tx:
        token, _ = ours.begin(tx, key, FIREFOX)
    visit = ours.verify(token)

    assert replace(visit.caller, session_id=None) == key_accounts.caller_of(key)
    assert visit.expires_at == key.expires_at
    if end == "revoked":
        key_accounts.revoke(db, key.id)
    elif end == "expired":
        clock.now += 5 * DAY_S + 1
    else:
        users.change(db, CHEAP, bob.id, Change(is_active=False), None)
    ours.forget()
    with pytest.raises(NotAuthenticated):
        ours.verify(token)


def test_one_s_own_sessions_are_listed_and_ended_and_no_others(db: Database, ann: User) -> None:
    ours = Sessions(db, DAYS)
    bob = users.create(db, CHEAP, Wish("bob@example.org", "correct horse"), None)
    (_, here), (_, there), (_, bobs) = begin(db, ours, ann), begin(db, ours, ann), begin(db, ours, bob)

    assert {session.id for session in accounts.listing(db, here.caller)} == {here.session.id, there.session.id}
    with pytest.raises(NotFound):
        accounts.end(db, here.caller, bobs.session.id)
    assert accounts.end_others(db, here.caller) == 1
    assert [session.id for session in accounts.listing(db, here.caller)] == [here.session.id]
    assert [session.id for session in accounts.listing(db, bobs.caller)] == [bobs.session.id]


def test_who_is_nobody_has_no_sessions(db: Database) -> None:
    with pytest.raises(NoAccounts):
        accounts.listing(db, Caller())


def test_the_csrf_token_goes_with_one_session_and_does_not_tell_its_token() -> None:
    assert csrf_of("a") == csrf_of("a") != csrf_of("b")
    assert "secret" not in csrf_of("secret")
