"""Users and their sessions as they are stored, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from stenogram.job import Media
from stenogram.store import audit, failures, idempotency, jobs, keys, sessions, speakers, users
from stenogram.store.database import Database
from stenogram.store.failures import Failures
from stenogram.store.idempotency import Remembered
from stenogram.store.jobs import NewJob
from stenogram.store.keys import ApiKey
from stenogram.store.sessions import Session
from stenogram.store.speakers import Voice
from stenogram.store.tables import shares
from stenogram.store.users import Known, User

NOW = 1_800_000_000.0
ANN = User(
    "a1", "ann@example.org", "Ann", "$hash", "admin", True, NOW, NOW, settings={"language": "ru", "n": [1, None]}
)
BOB = User("b1", "bob@example.org", "Bob", "$other", "user", True, NOW + 1, NOW + 1, must_change=True)
KEY = ApiKey("k1", "desk", "stn_k1", "hash", "b1", frozenset({"read"}), 0, NOW)
VOICE = Voice((0.5, 0.25), "v1", "aa" * 32, 3.0)


def session(name: str, user_id: str | None = "a1", key_id: str | None = None, ends: float = NOW + 100) -> Session:
    return Session(name, f"hash of {name}", user_id, key_id, NOW, ends, NOW, "192.0.2.7", "Firefox")


@pytest.fixture
def people(db: Database) -> Database:
    with db.write() as tx:
        assert users.put(tx, ANN)
        assert users.put(tx, BOB)
    return db


def known(db: Database) -> dict[str, Known]:
    with db.read() as connection:
        return {known.user.id: known for known in users.listing(connection)}


def left(db: Database) -> set[str]:
    with db.read() as connection:
        return {s.id for who in ("a1", "b1") for s in sessions.of(connection, 0.0, user_id=who)}


def test_a_user_comes_back_as_stored(people: Database) -> None:
    with people.read() as connection:
        assert users.find(connection, "a1") == ANN == users.find_by_email(connection, "ann@example.org")
        assert users.find(connection, "b1") == BOB
        assert users.find(connection, "absent") is None
        assert users.find_by_email(connection, "Ann@example.org") is None
        assert users.exist(connection)


def test_there_are_no_users_at_first(db: Database) -> None:
    with db.read() as connection:
        assert not users.exist(connection)
        assert users.listing(connection) == []


def test_an_address_is_one_user_s(people: Database) -> None:
    with people.write() as tx:
        assert not users.put(tx, replace(BOB, id="b2", email=ANN.email))
    assert list(known(people)) == ["a1", "b1"]


def test_a_change_is_kept_but_for_what_stays(people: Database) -> None:
    new = replace(ANN, name="Anna", role="user", is_active=False, password="$new", settings={}, must_change=True)  # noqa: S106 - not one
    with people.write() as tx:
        users.change(tx, replace(new, email="x", created_at=0.0))
        found = users.find(tx.connection, "a1", to_change=True)

    assert found == new


def test_a_hash_is_renewed_unless_the_password_was_changed_meanwhile(people: Database) -> None:
    with people.write() as tx:
        users.rehash(tx, ANN, "$renewed")
        users.rehash(tx, replace(BOB, password="$older"), "$renewed")  # noqa: S106 - not one
    assert [found.user.password for found in known(people).values()] == ["$renewed", "$other"]


def test_admins_count_who_can_sign_in(people: Database) -> None:
    with people.write() as tx:
        assert users.active_admins(tx) == ["a1"]
        users.change(tx, replace(BOB, role="admin"))
        assert users.active_admins(tx) == ["a1", "b1"]
        users.change(tx, replace(ANN, is_active=False))
        assert users.active_admins(tx) == ["b1"]


def test_users_are_listed_with_when_they_were_here_and_what_they_have(people: Database) -> None:
    with people.write() as tx:
        sessions.put(tx, replace(session("s1"), seen_at=NOW + 7))
        sessions.put(tx, replace(session("s2"), seen_at=NOW + 5))
        for owner in ("a1", "a1", None):
            jobs.put(tx, NewJob("v1", Media("file:///a", uuid.uuid4().hex, 1, "a"), "auto", {}, owner=owner))
    ann, bob = known(people).values()

    assert (ann.seen_at, ann.recordings) == (NOW + 7, 2)
    assert (bob.seen_at, bob.recordings) == (None, 0)
    with people.write() as tx:
        audit.put(tx, "b1", "sign_in", "s0", actor_name="Bob", address="", detail={})
    assert known(people)["b1"].seen_at is not None  # also when that session is over


def test_what_nobody_owned_is_adopted_and_nothing_else(people: Database) -> None:
    with people.write() as tx:
        made = {}
        for owner in (None, "desk"):
            new = NewJob("v1", Media("file:///a", uuid.uuid4().hex, 1, "a"), "auto", {}, owner=owner)
            made[owner] = jobs.put(tx, new)[0].id
            speakers.put(tx, owner, "Zoë", [VOICE])
            idempotency.put(tx, owner, "key", Remembered("print", ["1"]))
            row = {"id": str(owner), "token_hash": str(owner), "job_id": made[owner], "owner": owner, "media": True}
            tx.connection.execute(insert(shares).values(**row, created_at=NOW, expires_at=NOW))
        users.adopt(tx, "a1")
    with people.read() as connection:
        assert jobs.ids(connection, "queued", "a1", everybody=False) == [made[None]]
        assert jobs.ids(connection, "queued", "desk", everybody=False) == [made["desk"]]
        assert {speaker.owner for speaker in speakers.listing(connection, None, everybody=True)} == {"a1", "desk"}
        assert idempotency.find(connection, "a1", "key") is not None
        assert idempotency.find(connection, None, "key") is None
        assert set(connection.execute(select(shares.c.owner)).scalars()) == {"a1", "desk"}


def test_a_key_of_a_user_who_is_stopped_opens_nothing_until_they_may_enter_again(people: Database) -> None:
    with people.write() as tx:
        keys.put(tx, KEY)
        keys.put(tx, replace(KEY, id="k2", prefix="stn_k2", owner="desk"))
    for active in (False, True):
        with people.write() as tx:
            users.change(tx, replace(BOB, is_active=active))
        with people.read() as connection:
            found = [keys.find(connection, "stn_k1"), keys.of_id(connection, "k1"), *keys.listing(connection)]
        assert [key is not None and key.valid(NOW) for key in found] == [active, active, active, True]


def test_a_session_is_found_by_its_hash_alone(people: Database) -> None:
    with people.write() as tx:
        sessions.put(tx, session("s1"))
    with people.read() as connection:
        assert sessions.find(connection, "hash of s1") == session("s1")
        assert sessions.find(connection, "s1") is None


def test_a_use_is_noted_with_the_new_end(people: Database) -> None:
    with people.write() as tx:
        sessions.put(tx, session("s1"))
        sessions.note_use(tx, "s1", NOW + 50, NOW + 150)
        found = sessions.find(tx.connection, "hash of s1")

    assert found == replace(session("s1"), seen_at=NOW + 50, expires_at=NOW + 150)


def test_sessions_are_a_user_s_or_a_key_s_and_listed_while_they_last(people: Database) -> None:
    with people.write() as tx:
        keys.put(tx, KEY)
        for one in (
            session("s1"),
            replace(session("s2"), seen_at=NOW + 9),
            session("s3", ends=NOW),
            session("s4", "b1"),
        ):
            sessions.put(tx, one)
        sessions.put(tx, session("s5", None, "k1"))
    with people.read() as connection:
        assert [s.id for s in sessions.of(connection, NOW, user_id="a1")] == ["s2", "s1"]
        assert [s.id for s in sessions.of(connection, NOW, key_id="k1")] == ["s5"]


def test_sessions_end_one_by_one_or_all_but_one(people: Database) -> None:
    with people.write() as tx:
        for name, who in (("s1", "a1"), ("s2", "a1"), ("s3", "a1"), ("s4", "b1")):
            sessions.put(tx, session(name, who))
        assert sessions.remove(tx, ["s1", "absent"]) == 1
        assert sessions.remove(tx, []) == 0
    assert left(people) == {"s2", "s3", "s4"}
    with people.write() as tx:
        assert sessions.remove_of(tx, user_id="a1", but="s2") == 1
    assert left(people) == {"s2", "s4"}
    with people.write() as tx:
        assert sessions.remove_of(tx, user_id="b1") == 1
    assert left(people) == {"s2"}


def test_sessions_that_are_over_go_in_batches(people: Database) -> None:
    with people.write() as tx:
        for number in range(7):
            sessions.put(tx, session(f"old{number}", ends=NOW - number))
        sessions.put(tx, session("good", ends=NOW + 1))
        assert [sessions.expire(tx, NOW, 3) for _ in range(4)] == [3, 3, 1, 0]
    assert left(people) == {"good"}


def test_failures_are_counted_for_subjects(db: Database) -> None:
    with db.write() as tx:
        assert failures.find(tx.connection, "x") is None
        assert failures.take(tx, {"x", "y"}, NOW) == {"x": Failures(0, NOW), "y": Failures(0, NOW)}
        failures.put(tx, "x", Failures(3, NOW + 1))
        failures.put(tx, "z", Failures(1, NOW + 2))
        assert failures.take(tx, {"x", "z"}, NOW + 9) == {"x": Failures(3, NOW + 1), "z": Failures(1, NOW + 2)}
        assert failures.expire(tx, NOW + 2, 10, beginning="y") == 1
        assert [failures.expire(tx, NOW + 9, 1) for _ in range(3)] == [1, 1, 0]
