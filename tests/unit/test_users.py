"""Users: who can be one, who is the first, and that an admin is left; on both databases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.accounts import audit, users
from stenogram.accounts.errors import EmailTaken, LastAdmin, NoAccounts, SetUpRefused, WeakPassword
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.set_up import SetUp
from stenogram.accounts.users import Change, Wish, normal
from stenogram.errors import Conflict, NotFound, OptionError, RequestError
from stenogram.job import Caller
from stenogram.store.database import Database
from stenogram.store.users import User

CHEAP = Passwords(1, 8, 1)
PASSWORD = "correct horse"  # noqa: S105 - of a test


@pytest.fixture
def ann(db: Database) -> User:
    return users.create(db, CHEAP, Wish(" Ann@Example.ORG ", PASSWORD, role="admin"), None)


@pytest.fixture
def bob(db: Database, ann: User) -> User:
    return users.create(db, CHEAP, Wish("bob@example.org", PASSWORD, "Bob  B.", must_change=True), of(ann))


def of(user: User) -> Caller:
    return Caller(user.id, admin=False, user_id=user.id, name=user.name)


def noted(db: Database) -> list[tuple[str, str]]:
    return [(entry.action, entry.actor_name) for entry in audit.listing(db)][::-1]


def test_a_user_has_an_address_in_one_form_and_a_name(ann: User, bob: User) -> None:
    assert (ann.email, ann.name, ann.role, ann.must_change) == ("ann@example.org", "ann", "admin", False)
    assert (bob.email, bob.name, bob.role, bob.must_change) == ("bob@example.org", "Bob B.", "user", True)
    assert ann.is_active
    assert PASSWORD not in repr(ann)
    assert ann.password not in repr(ann)


@given(st.text())
def test_the_form_of_an_address_is_its_own_form(text: str) -> None:
    assert normal(f" {text}\n") == normal(text)
    assert normal("ANN@Example.org") == normal("ann@example.ORG")


@pytest.mark.parametrize("email", ["", "ann", "@example.org", "ann@", "a b@example.org", "a\n@b", "a" * 250 + "@b.de"])
def test_what_is_no_address_is_refused(db: Database, email: str) -> None:
    with pytest.raises(OptionError, match="e-mail"):
        users.create(db, CHEAP, Wish(email, PASSWORD, role="admin"), None)


@pytest.mark.parametrize("password", ["short", "ann@example.org", "Stenogram"])
def test_a_weak_password_is_refused_whoever_sets_it(db: Database, ann: User, password: str) -> None:
    with pytest.raises(WeakPassword):
        users.create(db, CHEAP, Wish("bob@example.org", password, "ann@example.org"), of(ann))
    with pytest.raises(WeakPassword):
        users.change(db, CHEAP, ann.id, Change(password=password), None)


def test_an_address_is_taken_also_in_another_form(db: Database, ann: User) -> None:
    with pytest.raises(EmailTaken):
        users.create(db, CHEAP, Wish("ANN@example.org", PASSWORD), of(ann))


def test_the_first_user_must_be_an_admin(db: Database) -> None:
    """Nobody could manage the others."""
    with pytest.raises(OptionError, match="admin"):
        users.create(db, CHEAP, Wish("ann@example.org", PASSWORD), None)
    assert users.listing(db) == []


def test_who_wants_to_be_the_first_and_is_not_is_refused(db: Database, ann: User) -> None:
    with pytest.raises(SetUpRefused):
        users.create(db, CHEAP, Wish("eve@example.org", PASSWORD, role="admin"), None, only_first=True)
    assert len(users.listing(db)) == 1


def test_what_is_done_to_users_is_written_down(db: Database, ann: User, bob: User) -> None:
    for change in (Change(name="B."), Change(role="admin"), Change(is_active=False), Change(is_active=True), Change()):
        users.change(db, CHEAP, bob.id, change, of(ann))
    users.change(db, CHEAP, bob.id, Change(password="another horse"), None)  # noqa: S106 - of a test

    assert noted(db) == [
        ("set_up", "command line"),
        ("user_created", "ann"),
        ("user_changed", "ann"),
        ("user_changed", "ann"),
        ("user_deactivated", "ann"),
        ("user_reactivated", "ann"),
        ("password_reset", "command line"),
    ]


def test_the_last_admin_who_can_sign_in_stays_one(db: Database, ann: User, bob: User) -> None:
    for change in (Change(role="user"), Change(is_active=False)):
        with pytest.raises(LastAdmin):
            users.change(db, CHEAP, ann.id, change, of(ann))
    users.change(db, CHEAP, bob.id, Change(role="admin"), of(ann))
    users.change(db, CHEAP, ann.id, Change(is_active=False), of(bob))

    with pytest.raises(LastAdmin):
        users.change(db, CHEAP, bob.id, Change(role="user"), of(bob))
    assert not users.find(db, ann.id).is_active


def test_a_password_that_somebody_else_set_is_to_be_changed(db: Database, ann: User, bob: User) -> None:
    changed = users.change(db, CHEAP, bob.id, Change(password="another horse"), of(ann))  # noqa: S106 - of a test

    assert changed.must_change
    assert CHEAP.check(changed.password, "another horse")
    assert changed.password_at >= bob.password_at


def test_one_s_own_password_needs_the_current_one(db: Database, ann: User) -> None:
    """Else whoever finds a browser open could take the account."""
    with pytest.raises(Conflict, match="me/password"):
        users.change(db, CHEAP, ann.id, Change(password="another horse"), of(ann))  # noqa: S106 - of a test


def test_settings_are_taken_over_key_by_key(db: Database, ann: User) -> None:
    users.remember(db, of(ann), None, {"theme": "dark", "language": "ru"})
    found = users.remember(db, of(ann), "Anna", {"theme": None, "deep": {"n": None}})

    assert (found.name, found.settings) == ("Anna", {"language": "ru", "deep": {"n": None}})
    assert users.find(db, ann.id) == found


def test_settings_are_bounded_in_all(db: Database, ann: User) -> None:
    users.remember(db, of(ann), None, {"a": "я" * 4000})
    with pytest.raises(RequestError, match="16384"):
        users.remember(db, of(ann), None, {"b": "я" * 4300})
    assert users.find(db, ann.id).settings.keys() == {"a"}


@pytest.mark.parametrize("caller", [Caller(), Caller("desk", "k1"), Caller("x", user_id="absent")])
def test_who_is_no_user_has_no_settings(db: Database, caller: Caller) -> None:
    with pytest.raises(NoAccounts):
        users.remember(db, caller, None, {"a": 1})


def test_who_is_not_there_is_not_found(db: Database, ann: User) -> None:
    with pytest.raises(NotFound):
        users.find(db, "absent")
    with pytest.raises(NotFound):
        users.find_by_email(db, "eve@example.org")
    for change in (Change(name="x"), Change(password=PASSWORD)):
        with pytest.raises(NotFound):
            users.change(db, CHEAP, "absent", change, None)


def test_the_printed_token_is_good_once_and_only_where_it_was_printed() -> None:
    token = SetUp.begin()
    printed = token.token
    assert printed is not None

    for given_ in ("", "x", printed[:-1], printed + "x", "\ud800"):
        with pytest.raises(SetUpRefused):
            token.use(given_, lambda: 1)
    assert token.use(printed, lambda: 1) == 1
    with pytest.raises(SetUpRefused):
        token.use(printed, lambda: 1)
    with pytest.raises(SetUpRefused):
        SetUp().use("", lambda: 1)
    assert token.token is None


def test_a_token_is_not_used_up_by_what_fails() -> None:
    token = SetUp("printed")

    def fail() -> None:
        raise WeakPassword(cause="it is short")

    with pytest.raises(WeakPassword):
        token.use("printed", fail)
    assert token.use("printed", lambda: 1) == 1
