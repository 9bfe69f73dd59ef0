"""API keys: made once, stored hashed, good until they are not."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from stenogram.accounts import keys
from stenogram.accounts.keys import Doorkeeper, Wish, caller_of, create, revoke
from stenogram.errors import NotAuthenticated, NotFound, OptionError
from stenogram.store import keys as rows
from stenogram.store.database import Database
from stenogram.store.tables import api_keys


def test_a_key_is_never_stored(db: Database) -> None:
    secret, key = create(db, Wish("laptop", owner="anna"))

    with db.read() as connection:
        [row] = connection.execute(select(api_keys)).all()
    assert secret.startswith(f"{key.prefix}_")
    assert len(secret) > 50
    assert secret not in str(row)
    assert secret.removeprefix(f"{key.prefix}_") not in str(row)


def test_who_has_the_key_is_its_owner(db: Database) -> None:
    secret, key = create(db, Wish("laptop", owner="anna", scopes=("transcribe", "models"), priority=3))
    caller = caller_of(Doorkeeper(db).verify(secret))

    assert (caller.owner, caller.key_id, caller.priority, caller.admin) == ("anna", key.id, 3, False)
    assert caller.scopes == {"transcribe", "models"}


def test_the_owner_is_the_name_unless_said(db: Database) -> None:
    assert create(db, Wish("laptop"))[1].owner == "laptop"


def test_what_is_no_good_key_is_refused_alike(db: Database) -> None:
    secret, key = create(db, Wish("a"))
    revoked, other = create(db, Wish("b"))
    expired, _ = create(db, Wish("c", expires_days=1))
    revoke(db, other.id)
    door = Doorkeeper(db, clock=lambda: time.time() + 2 * 86_400)
    for wrong in (None, "", "stn", "nonsense", f"{key.prefix}_guess", secret + "x", secret[:-1], revoked, expired):
        with pytest.raises(NotAuthenticated) as raised:
            door.verify(wrong)
        assert str(raised.value) == str(NotAuthenticated())
    assert door.verify(secret).id == key.id


def test_a_revocation_is_felt_when_what_is_remembered_is_forgotten(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "KNOWN_FOR_S", 5.0)
    secret, key = create(db, Wish("a"))
    door = Doorkeeper(db)
    door.verify(secret)
    revoke(db, key.id)

    assert door.verify(secret).id == key.id  # within seconds of it
    door._known.clear()
    with pytest.raises(NotAuthenticated):
        door.verify(secret)


def test_the_door_stands_open_until_there_is_a_key_and_never_again(db: Database) -> None:
    """Revoking the last key lets nobody in."""
    assert Doorkeeper(db).open_now()
    _, key = create(db, Wish("a"))
    assert not Doorkeeper(db).open_now()
    revoke(db, key.id)
    assert not Doorkeeper(db).open_now()


def test_use_is_noted(db: Database) -> None:
    secret, _ = create(db, Wish("a"))
    Doorkeeper(db).verify(secret)

    with db.read() as connection:
        [key] = rows.listing(connection)
    assert key.last_used_at == pytest.approx(time.time(), abs=60)


def test_mistakes_are_told(db: Database) -> None:
    with pytest.raises(OptionError, match="transcribe, read, models, admin"):
        create(db, Wish("a", scopes=("everything",)))
    with pytest.raises(NotFound):
        revoke(db, "none")
