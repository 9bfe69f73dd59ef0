"""The audit log: what is written, in what order it is read, and how it is forgotten."""

from __future__ import annotations

from typing import get_args

import pytest

from stenogram.accounts import audit
from stenogram.job import Caller
from stenogram.store import audit as rows
from stenogram.store.database import Database

ANN = Caller("u1", admin=False, name="Ann", address="192.0.2.7")


def test_every_action_is_explained() -> None:
    assert set(get_args(audit.Action)) == set(audit.ACTIONS)


def test_an_entry_tells_who_did_what_to_what_from_where(db: Database) -> None:
    with db.write() as tx:
        audit.note(tx, ANN, "job_deleted", "j1", reason="purge")
        audit.note(tx, Caller("desk"), "key_used", "k1", address="::1")
        audit.note(tx, None, "key_revoked", "k2", name=audit.COMMAND_LINE)
    last, used, first = audit.listing(db)

    assert (first.actor, first.actor_name, first.action, first.subject) == ("u1", "Ann", "job_deleted", "j1")
    assert (first.address, first.detail) == ("192.0.2.7", {"reason": "purge"})
    assert (used.actor, used.actor_name, used.address, used.detail) == ("desk", "desk", "::1", {})
    assert (last.actor, last.actor_name, last.address) == (None, "command line", "")
    assert first.id < used.id < last.id
    assert 0 < first.at <= last.at


def test_nothing_is_noted_of_what_was_not_done(db: Database) -> None:
    def fail() -> None:
        with db.write() as tx:
            audit.note(tx, ANN, "job_deleted", "j1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert audit.listing(db) == []


def test_pages_follow_on_one_another_and_may_be_of_one_actor(db: Database) -> None:
    with db.write() as tx:
        for number in range(5):
            audit.note(tx, ANN if number % 2 else None, "job_deleted", str(number))
    first = audit.listing(db, 2)
    second = audit.listing(db, 2, before=first[-1].id)
    rest = audit.listing(db, 2, before=second[-1].id)

    assert [entry.subject for page in (first, second, rest) for entry in page] == ["4", "3", "2", "1", "0"]
    assert [entry.subject for entry in audit.listing(db, actor="u1")] == ["3", "1"]


def test_the_oldest_are_forgotten_in_batches(db: Database) -> None:
    with db.write() as tx:
        for number in range(5):
            audit.note(tx, None, "job_deleted", str(number))
    newest = audit.listing(db, 1)[0]
    with db.write() as tx:
        assert rows.expire(tx, newest.at + 1, 3) == 3
    assert [entry.subject for entry in audit.listing(db)] == ["4", "3"]
    with db.write() as tx:
        assert rows.expire(tx, newest.at - 3600) == 0
