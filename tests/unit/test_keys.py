"""API keys: what is stored of them, whom they let in, and what a request costs."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import KNOWN_FOR_S, Doorkeeper, Wish, caller_of
from stenogram.errors import NotAuthenticated, NotFound, OptionError, StorageFull
from stenogram.store import keys as rows
from stenogram.store.database import Database, Transaction
from stenogram.store.tables import api_keys

DAY_S = 86_400.0
NEVER_MADE = "stn_abcdefgh_" + "x" * 43


class Hand:
    """A clock that is set by hand."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """What is sent to the database in the block, but for the begin and end of transactions."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "INSERT")):
            sent.append(statement.split(maxsplit=1)[0])

    event.listen(db.engine, "before_cursor_execute", note)
    yield sent
    event.remove(db.engine, "before_cursor_execute", note)


def row_of(db: Database, key_id: str) -> rows.ApiKey:
    with db.read() as connection:
        return next(key for key in rows.listing(connection) if key.id == key_id)


def test_a_key_names_itself_and_then_holds_256_random_bits(db: Database) -> None:
    made = [accounts.create(db, Wish("desk")) for _ in range(20)]

    assert all(re.fullmatch(rf"stn_{key.id}_[\w-]{{43}}", secret, re.ASCII) for secret, key in made)
    assert all(re.fullmatch(r"[a-z0-9]{8}", key.id) for _, key in made)
    assert len({secret for secret, _ in made}) == 20


def test_only_the_hash_of_the_whole_key_is_stored(db: Database) -> None:
    secret, key = accounts.create(db, Wish("desk"))
    with db.read() as connection:
        stored = connection.execute(select(api_keys)).one()

    assert stored.hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.removeprefix(f"stn_{key.id}_") not in str(tuple(stored))


def test_a_key_keeps_what_was_wished(db: Database) -> None:
    wish = Wish("desk", "anna", ("read", "models"), -7, requests_per_minute=60, max_concurrent=0, expires_days=1.5)
    _, made = accounts.create(db, wish)
    key = row_of(db, made.id)

    assert key == made
    assert (key.owner, sorted(key.scopes), key.priority) == ("anna", ["models", "read"], -7)
    assert (key.requests_per_minute, key.max_concurrent) == (60, 0)
    assert key.expires_at == pytest.approx(key.created_at + 1.5 * DAY_S)


def test_who_names_no_owner_is_the_owner(db: Database) -> None:
    _, key = accounts.create(db, Wish("desk"))

    assert key.owner == "desk"
    assert (key.expires_at, key.requests_per_minute, key.max_concurrent) == (None, None, None)


@pytest.mark.parametrize(
    "wish",
    [
        Wish("desk", scopes=()),
        Wish("desk", scopes=("read", "everything")),
        Wish(""),
        Wish("  "),
        Wish("two\nlines"),
        Wish("desk", owner=""),
        Wish("desk", owner="\x1b[2J"),
        Wish("desk", priority=101),
        Wish("desk", priority=-101),
        Wish("desk", expires_days=0),
        Wish("desk", expires_days=-1),
        Wish("desk", expires_days=float("nan")),
        Wish("desk", expires_days=float("inf")),
    ],
)
def test_a_wish_that_cannot_be_makes_no_key(db: Database, wish: Wish) -> None:
    """Not a number of days above all: SQLite keeps it as NULL, which is a key without an end."""
    with pytest.raises(OptionError):
        accounts.create(db, wish)
    with db.read() as connection:
        assert not rows.exist(connection)


@pytest.mark.parametrize(
    ("scopes", "admin"), [(("transcribe",), False), (("read", "models"), False), (("admin",), True), (("*",), True)]
)
def test_a_good_key_tells_who_asks(db: Database, scopes: tuple[str, ...], admin: bool) -> None:
    secret, key = accounts.create(db, Wish("desk", "anna", scopes, 3))
    caller = caller_of(Doorkeeper(db).verify(secret))

    assert (caller.owner, caller.key_id, caller.priority) == ("anna", key.id, 3)
    assert caller.scopes == frozenset(scopes)
    assert caller.admin is admin
    assert caller.owns("anna")
    assert caller.owns("bert") is admin


def test_whatever_is_wrong_with_a_key_the_refusal_and_its_work_are_the_same(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody learns by answer or effort whether a key once was good."""
    clock = Hand(1e9)
    good, _ = accounts.create(db, Wish("desk"))
    other, _ = accounts.create(db, Wish("lab"))
    revoked, key = accounts.create(db, Wish("gone"))
    accounts.revoke(db, key.id)
    expired, key = accounts.create(db, Wish("old", expires_days=1))
    clock.now = (key.expires_at or 0.0) + 1
    mixed = "_".join((*good.split("_", 2)[:2], other.split("_", 2)[2]))
    compared: list[object] = []
    compare = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    seen = set()
    for wrong in (
        None,
        "",
        "stn_",
        "_",
        "sk-other",
        "ключ",
        good[:-1],
        good + "x",
        mixed,
        NEVER_MADE,
        revoked,
        expired,
    ):
        door = Doorkeeper(db, clock)
        compared.clear()
        with statements(db) as sent, pytest.raises(NotAuthenticated) as refused:
            door.verify(wrong)
        seen.add((str(refused.value), tuple(sent), len(compared)))

    assert seen == {(str(NotAuthenticated()), ("SELECT",), 1)}


@given(st.text())
def test_no_text_opens_or_breaks_the_door(text: str) -> None:
    class Empty:
        @contextmanager
        def read(self) -> Iterator[Any]:
            yield self

        def execute(self, _query: object) -> Any:
            return self

        def first(self) -> None:
            return None

    with pytest.raises(NotAuthenticated):
        Doorkeeper(cast("Database", Empty())).verify(text.encode("latin-1", "replace").decode("latin-1"))


def test_a_request_with_a_known_key_asks_the_database_nothing(db: Database) -> None:
    timer = Hand()
    secret, _ = accounts.create(db, Wish("desk"))
    door = Doorkeeper(db, timer=timer)
    door.open_now()
    door.verify(secret)
    timer.now = KNOWN_FOR_S - 0.01
    with statements(db) as sent:
        assert door.stands_open() is False
        assert door.remembered(secret) is not None
        door.open_now()
        door.verify(secret)
    assert sent == []
    timer.now = KNOWN_FOR_S + 0.01

    assert door.remembered(secret) is None
    assert door.stands_open() is None


def test_a_revocation_is_felt_when_memory_fades(db: Database) -> None:
    timer = Hand()
    secret, key = accounts.create(db, Wish("desk"))
    door = Doorkeeper(db, timer=timer)
    door.verify(secret)
    accounts.revoke(db, key.id)
    timer.now = KNOWN_FOR_S + 0.01

    with pytest.raises(NotAuthenticated):
        door.verify(secret)


def test_a_key_that_expires_while_it_is_remembered_opens_no_more(db: Database) -> None:
    secret, key = accounts.create(db, Wish("desk", expires_days=1))
    clock = Hand(key.created_at + DAY_S - 1)
    door = Doorkeeper(db, clock)
    door.verify(secret)
    clock.now += 1

    assert door.remembered(secret) is None
    with pytest.raises(NotAuthenticated):
        door.verify(secret)


def test_the_door_closes_with_the_first_key_and_stays_closed_without_any_good_one(db: Database) -> None:
    """Who revokes the last key wants nobody in, not everybody."""
    timer = Hand()
    door = Doorkeeper(db, timer=timer)
    assert door.open_now()
    _, key = accounts.create(db, Wish("desk"))
    timer.now = KNOWN_FOR_S + 0.01
    assert not door.open_now()
    accounts.revoke(db, key.id)
    timer.now *= 3

    assert not door.open_now()


def test_the_last_use_is_noted_once_a_minute(db: Database) -> None:
    clock, timer = Hand(1_800_000_000.0), Hand()
    secret, key = accounts.create(db, Wish("desk"))
    door = Doorkeeper(db, clock, timer)
    updates = []
    for _ in range(14):  # every ten seconds
        with statements(db) as sent:
            door.verify(secret)
        updates.append(sent.count("UPDATE"))
        clock.now += 10
        timer.now += 10

    assert [at for at, count in enumerate(updates) if count] == [0, 6, 12]
    assert row_of(db, key.id).last_used_at == 1_800_000_120.0


def test_a_full_disk_locks_nobody_out(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        read = db.read

        @contextmanager
        def write(self) -> Iterator[Transaction]:
            with db.write() as tx:
                yield tx
                raise StorageFull(path="/srv", cause="no space")

    secret, key = accounts.create(db, Wish("desk"))

    assert Doorkeeper(cast("Database", Full())).verify(secret).id == key.id
    assert "could not be noted" in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize("how", ["id", "prefix", "key"])
def test_a_key_is_revoked_by_whatever_is_known_of_it(db: Database, how: str) -> None:
    secret, key = accounts.create(db, Wish("desk"))
    given_ = {"id": key.id, "prefix": key.prefix, "key": secret}[how]

    assert accounts.revoke(db, given_) == key.id
    first = row_of(db, key.id).revoked_at
    assert first is not None
    accounts.revoke(db, given_)
    assert row_of(db, key.id).revoked_at == first


def test_a_key_that_is_not_there_cannot_be_revoked(db: Database) -> None:
    with pytest.raises(NotFound):
        accounts.revoke(db, "abcdefgh")
