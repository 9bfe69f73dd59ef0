"""``/api/v1/keys``: people make and revoke their own keys, and never one that may more than they."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from stenogram.accounts import audit
from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import KNOWN_FOR_S, Doorkeeper, Wish, caller_of, covered
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotAllowed, NotAuthenticated, OptionError
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.store import schema
from stenogram.store.database import Database
from stenogram.store.tables import users

ANN = Caller("u-ann", scopes=frozenset({"transcribe", "read"}), admin=False, name="Ann")
"""As one who is signed in."""
CHIEF = Caller("u-chief", scopes=frozenset({"transcribe", "read", "models", "users"}), admin=False, name="Chief")


@dataclass
class Site:
    """A server in this process."""

    http: TestClient
    house: House

    def ask(self, key: str, method: str, path: str = "", **given: Any) -> httpx2.Response:
        answer: httpx2.Response = self.http.request(method, f"/api/v1/keys{path}", headers={"x-api-key": key}, **given)
        return answer


@pytest.fixture
def site(tmp_path: Any) -> Iterator[Site]:
    with House.open(Settings(home=str(tmp_path)), ServerSettings()) as house:
        schema.upgrade(house.db)
        with TestClient(build(house), base_url="http://localhost:8000", raise_server_exceptions=False) as http:
            yield Site(http, house)


def user(db: Database, user_id: str, role: str = "user") -> None:
    """A user's row; nobody signs in with it here."""
    row: dict[str, Any] = {
        "id": user_id,
        "email": f"{user_id}@example.org",
        "name": user_id,
        "password": "-",
        "role": role,
    }
    row |= {"is_active": True, "settings": "{}", "created_at": 0.0, "password_at": 0.0, "must_change": False}
    with db.write() as tx:
        tx.connection.execute(insert(users).values(**row))


def noted(db: Database, action: audit.Action) -> list[tuple[str | None, str, dict[str, Any]]]:
    return [(each.actor, each.subject, dict(each.detail)) for each in audit.listing(db, action=action)]


def test_a_key_with_the_scope_users_makes_a_key_that_is_shown_once(site: Site) -> None:
    chief, _ = accounts.create(site.house.db, Wish("chief", scopes=("users", "transcribe")))
    answer = site.ask(chief, "POST", json={"name": "phone", "scopes": ["read"], "expires_days": 2})
    made = answer.json()
    listed = site.ask(chief, "GET")

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    key = made["key"]
    assert made["secret"].startswith(key["prefix"] + "_")
    assert (key["name"], key["owner"], key["scopes"], key["state"]) == ("phone", "chief", ["read"], "good")
    assert key["expires_at"] == pytest.approx(key["created_at"] + 2 * 86_400)
    assert [each["name"] for each in listed.json()["keys"]] == ["chief", "phone"]
    assert made["secret"] not in listed.text
    assert "hash" not in listed.text
    assert site.ask(made["secret"], "GET").status_code == 200


def test_a_revoked_key_opens_nothing_from_that_moment(site: Site) -> None:
    """The server that revokes it does not go on believing in it."""
    chief, key = accounts.create(site.house.db, Wish("chief", scopes=("users",)))
    spare, other = accounts.create(site.house.db, Wish("spare", owner="chief", scopes=("users",)))
    assert site.ask(spare, "GET").status_code == 200

    assert site.ask(chief, "DELETE", f"/{other.id}").status_code == 204
    assert site.ask(spare, "GET").status_code == 401
    assert site.ask(chief, "DELETE", f"/{key.id}").status_code == 204
    assert site.ask(chief, "GET").status_code == 401


def test_a_key_without_the_scope_makes_and_revokes_no_others(site: Site) -> None:
    """One that leaks shall not live on in another; but whoever has it may end it."""
    plain, mine = accounts.create(site.house.db, Wish("desk", owner="anna"))
    _, second = accounts.create(site.house.db, Wish("lab", owner="anna"))

    for answer in (site.ask(plain, "POST", json={"name": "x"}), site.ask(plain, "DELETE", f"/{second.id}")):
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "not_allowed"
    assert [each["name"] for each in site.ask(plain, "GET").json()["keys"]] == ["desk", "lab"]
    assert site.ask(plain, "GET", "?all=true").status_code == 403
    assert site.ask(plain, "DELETE", f"/{mine.id}").status_code == 204


def test_another_s_key_is_not_there_unless_one_manages_the_users(site: Site) -> None:
    plain, _ = accounts.create(site.house.db, Wish("anna"))
    chief, _ = accounts.create(site.house.db, Wish("chief", scopes=("users", "read")))
    _, theirs = accounts.create(site.house.db, Wish("bert"))
    refused, absent = site.ask(plain, "DELETE", f"/{theirs.id}"), site.ask(plain, "DELETE", "/absent")

    assert (refused.status_code, absent.status_code) == (404, 404)
    assert refused.text.replace(theirs.id, "absent") == absent.text
    assert [each["owner"] for each in site.ask(chief, "GET").json()["keys"]] == ["chief"]
    assert [each["owner"] for each in site.ask(chief, "GET", "?all=true").json()["keys"]] == ["anna", "chief", "bert"]
    assert site.ask(chief, "DELETE", f"/{theirs.id}").status_code == 204


def test_while_nobody_is_known_the_first_key_is_made_on_the_machine(site: Site) -> None:
    """Else whoever reaches an open server first could lock all others out."""
    answer = site.http.post("/api/v1/keys", json={"name": "mine"})

    assert answer.status_code == 409
    assert "stenogram keys create" in answer.json()["error"]["message"]
    assert site.http.get("/api/v1/keys").json() == {"keys": []}
    assert site.http.get("/api/v1/jobs").status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "x" * 101},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "expires_days": 0},
        {"name": "x", "expires_days": 1e9},
    ],
)
def test_a_wish_that_cannot_be_is_refused(site: Site, wish: dict[str, Any]) -> None:
    chief, _ = accounts.create(site.house.db, Wish("chief", scopes=("*",)))

    assert site.ask(chief, "POST", json=wish).status_code == 400
    assert len(site.ask(chief, "GET").json()["keys"]) == 1


@pytest.mark.parametrize(
    ("caller", "scopes", "allowed"),
    [
        (ANN, ("transcribe",), True),
        (ANN, ("read",), True),
        (ANN, ("transcribe", "models"), False),
        (ANN, ("users",), False),
        (ANN, ("admin",), False),
        (ANN, ("*",), False),
        (CHIEF, ("users", "models"), True),
        (CHIEF, ("admin",), False),
        (CHIEF, ("*",), False),
    ],
)
def test_who_is_signed_in_makes_keys_with_no_more_than_their_own_scopes(
    db: Database, caller: Caller, scopes: tuple[str, ...], allowed: bool
) -> None:
    """An admin's session does not see the jobs of others, so no key that it makes may."""
    wish = Wish("phone", owner="somebody else", scopes=scopes, priority=50)
    if not allowed:
        with pytest.raises(NotAllowed):
            accounts.create(db, wish, caller)
        assert accounts.listing(db, caller) == []
        return
    _, key = accounts.create(db, wish, caller)

    assert (key.owner, key.priority) == (caller.owner, 0)
    assert accounts.listing(db, caller) == [key]


def test_what_a_key_makes_has_its_limits_and_ends_with_it(db: Database) -> None:
    wish = Wish("chief", scopes=("users", "read"), priority=-5, requests_per_minute=6, max_concurrent=1, expires_days=3)
    _, parent = accounts.create(db, wish)
    _, key = accounts.create(db, Wish("spare", scopes=("read",), expires_days=30), caller_of(parent))

    assert (key.requests_per_minute, key.max_concurrent, key.priority) == (6, 1, -5)
    assert key.expires_at == parent.expires_at


def test_the_keys_of_a_user_who_was_deactivated_open_nothing(db: Database) -> None:
    user(db, "u-ann")
    secret, key = accounts.create(db, Wish("phone"), ANN)
    assert Doorkeeper(db).verify(secret).id == key.id
    with db.write() as tx:
        tx.connection.execute(update(users).values(is_active=False))

    with pytest.raises(NotAuthenticated):
        Doorkeeper(db).verify(secret)
    assert [each.state(0.0) for each in accounts.listing(db, ANN)] == ["stopped"]
    with db.write() as tx:
        tx.connection.execute(update(users).values(is_active=True))
    assert Doorkeeper(db).verify(secret).id == key.id


@pytest.mark.parametrize("scopes", [("admin",), ("*",), ("models", "users", "transcribe")])
def test_a_key_can_do_no_more_than_its_user_may_now(db: Database, scopes: tuple[str, ...]) -> None:
    """Who is an admin no longer is none by an old key either."""
    user(db, "u-chief", "admin")
    secret, _ = accounts.create(db, Wish("old", owner="u-chief", scopes=scopes))
    before = caller_of(Doorkeeper(db).verify(secret))
    with db.write() as tx:
        tx.connection.execute(update(users).values(role="user"))
    after = caller_of(Doorkeeper(db).verify(secret))

    assert "users" in covered(before.scopes)
    assert after.scopes == {"transcribe", "read"}
    assert not after.admin


def test_making_using_and_revoking_keys_is_noted(db: Database) -> None:
    class Timer:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock, timer = Timer(), Timer()
    secret, key = accounts.create(db, Wish("phone"), ANN)
    accounts.create(db, Wish("desk"))
    door = Doorkeeper(db, clock, timer)
    for at, address in ((0, "192.0.2.1"), (61, "192.0.2.1"), (122, "192.0.2.2"), (3700, "192.0.2.1")):
        clock.now, timer.now = key.created_at + at, float(at + KNOWN_FOR_S)
        door.verify(secret, address)
        door.verify(secret, "192.0.2.9")  # within seconds the key is remembered
    accounts.revoke(db, key.id, ANN)
    accounts.revoke(db, key.id, ANN)

    [desk, phone] = noted(db, "key_created")
    assert phone == ("u-ann", key.id, {"owner": "u-ann", "scopes": ["transcribe"]})
    assert (desk[0], desk[2]["owner"]) == (None, "desk")
    uses = audit.listing(db, action="key_used")
    assert [each.address for each in uses] == ["192.0.2.1", "192.0.2.2", "192.0.2.1"]
    assert {(each.actor, each.actor_name, each.subject) for each in uses} == {("u-ann", "phone", key.id)}
    assert noted(db, "key_revoked") == [("u-ann", key.id, {"owner": "u-ann"})]
    assert secret.removeprefix(f"stn_{key.id}_") not in repr(audit.listing(db))


def test_the_command_line_gives_a_key_to_the_user_of_an_address(db: Database) -> None:
    """In whatever way the address is written; any other owner is a name."""
    user(db, "u-ann")
    _, theirs = accounts.create(db, Wish("phone", owner="  U-ANN@Example.org"))
    _, named = accounts.create(db, Wish("desk", owner="nobody@example.org"))

    assert (theirs.owner, theirs.role) == ("u-ann", "user")
    assert (named.owner, named.role) == ("nobody@example.org", None)
    assert accounts.listing(db, ANN) == [theirs]


@pytest.mark.parametrize("scope", ["models", "users", "admin", "*"])
def test_a_user_who_is_no_admin_gets_no_key_that_may_more(db: Database, scope: str) -> None:
    user(db, "u-ann")
    user(db, "u-chief", "admin")

    with pytest.raises(OptionError, match="who is no admin"):
        accounts.create(db, Wish("phone", owner="u-ann@example.org", scopes=(scope,)))
    assert accounts.create(db, Wish("phone", owner="u-chief@example.org", scopes=(scope,)))[1].role == "admin"
