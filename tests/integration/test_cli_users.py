"""``stenogram users``, on a database of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stenogram import config
from stenogram.accounts import audit
from stenogram.accounts.errors import EmailTaken, LastAdmin, SignInFailed, WeakPassword
from stenogram.accounts.keys import Doorkeeper
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.sessions import Origin, Sessions
from stenogram.accounts.sign_in import SignIn
from stenogram.cli.users import users
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotFound, OptionError, SchemaOutdated
from stenogram.store import sessions as rows
from stenogram.store.database import Database, url_of

PASSWORD = "correct horse"  # noqa: S105 - of a test


def run(*arguments: str, say: str = "") -> Result:
    return CliRunner().invoke(users, arguments, input=say)


def make(email: str, *arguments: str) -> Result:
    result = run("create", "--email", email, "--password-stdin", *arguments, say=PASSWORD + "\n")
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stenogram.cli.users.Passwords", lambda: Passwords(1, 8, 1))


@pytest.fixture
def database() -> Iterator[Database]:
    """What the server would see."""
    opened = Database.open(url_of(config.read(Settings), config.read(ServerSettings)))
    yield opened
    opened.close()


def enter(database: Database, email: str, password: str = PASSWORD) -> str:
    """Sign in as the server would; gives the id of the session."""
    sign_in = SignIn(database, Passwords(1, 8, 1), Sessions(database, 30), Doorkeeper(database))
    return sign_in.by_password(email, password, Origin("192.0.2.7", "Firefox"))[1].session.id


def listed() -> dict[str, dict[str, str]]:
    """The lines of the list, by address; columns stand two spaces apart."""
    head, *lines = run("list").stdout.splitlines()
    names = re.split(r" {2,}", head.strip())
    found = [dict(zip(names, re.split(r" {2,}", line.strip()), strict=True)) for line in lines]
    return {row["email"]: row for row in found}


def test_a_user_whose_password_comes_by_a_pipe_may_sign_in(database: Database) -> None:
    result = make("Ann@example.org", "--admin", "--name", "Ann")

    assert "may sign in, as admin" in result.stderr
    assert PASSWORD not in result.output
    assert enter(database, "ann@example.org")
    [entry] = [entry for entry in audit.listing(database) if entry.action == "set_up"]
    assert entry.actor_name == "command line"


def test_a_password_that_is_asked_for_is_asked_twice_and_not_shown(database: Database) -> None:
    result = run("create", "--admin", "--email", "ann@example.org", say=f"{PASSWORD}\n{PASSWORD}\n")
    other = run("create", "--email", "bob@example.org", say=f"{PASSWORD}\nanother horse\n")

    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert result.stdout == ""
    assert enter(database, "ann@example.org")
    assert other.exit_code == 1
    assert list(listed()) == ["ann@example.org"]


def test_the_first_user_tells_what_it_changes_and_must_be_an_admin() -> None:
    refused = run("create", "--email", "ann@example.org", "--password-stdin", say=PASSWORD)
    first, second = make("ann@example.org", "--admin"), make("bob@example.org")

    assert isinstance(refused.exception, OptionError)
    assert "everybody has to sign in" in first.stderr
    assert "everybody has to sign in" not in second.stderr


def test_the_list_tells_of_each_user_what_there_is_and_no_password(database: Database) -> None:
    make("ann@example.org", "--admin", "--name", "Ann A.")
    make("bob@example.org")
    run("deactivate", "bob@example.org")
    enter(database, "ann@example.org")
    ann, bob = listed().values()

    assert (ann["role"], ann["state"], ann["recordings"], ann["name"]) == ("admin", "active", "0", "Ann A.")
    assert (bob["role"], bob["state"], bob["last here"]) == ("user", "stopped", "never")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", ann["last here"])
    assert "argon2" not in run("list").output


def test_without_users_the_list_says_how_to_begin() -> None:
    assert "stenogram users create --admin" in run("list").stderr


def test_a_user_is_kept_out_and_let_in_again(database: Database) -> None:
    make("ann@example.org", "--admin")
    make("bob@example.org")
    enter(database, "bob@example.org")
    run("deactivate", "BOB@example.org")
    with pytest.raises(SignInFailed):
        enter(database, "bob@example.org")
    assert "signed in nowhere" in run("sessions", "bob@example.org").stderr
    run("activate", "bob@example.org")

    assert enter(database, "bob@example.org")


def test_another_password_ends_the_sessions(database: Database) -> None:
    make("ann@example.org", "--admin")
    enter(database, "ann@example.org")
    run("password", "ann@example.org", "--password-stdin", say="another horse\r\n")

    assert "signed in nowhere" in run("sessions", "ann@example.org").stderr
    assert enter(database, "ann@example.org", "another horse")


def test_roles_change_but_for_the_last_admin_s() -> None:
    make("ann@example.org", "--admin")
    make("bob@example.org")
    assert isinstance(run("role", "ann@example.org", "user").exception, LastAdmin)
    assert isinstance(run("deactivate", "ann@example.org").exception, LastAdmin)
    run("role", "bob@example.org", "admin")
    run("role", "ann@example.org", "user")

    assert {email: row["role"] for email, row in listed().items()} == {
        "ann@example.org": "user",
        "bob@example.org": "admin",
    }


def test_sessions_are_listed_and_ended(database: Database) -> None:
    make("ann@example.org", "--admin")
    made = [enter(database, "ann@example.org") for _ in range(3)]
    shown = run("sessions", "ann@example.org").stdout
    assert all(session in shown for session in made)
    assert shown.count("192.0.2.7  Firefox") == 3
    run("sessions", "ann@example.org", "--end", made[0])
    assert isinstance(run("sessions", "ann@example.org", "--end", made[0]).exception, NotFound)
    with database.read() as connection:
        assert len(rows.of(connection, time.time(), user_id=audit.listing(database)[0].subject)) == 2
    run("sessions", "ann@example.org", "--end-all")

    assert "signed in nowhere" in run("sessions", "ann@example.org").stderr


@pytest.mark.parametrize(
    ("arguments", "say", "error"),
    [
        (["create", "--email", "ann@example.org", "--password-stdin"], PASSWORD, EmailTaken),
        (["create", "--email", "nobody", "--password-stdin"], PASSWORD, OptionError),
        (["create", "--email", "bob@example.org", "--password-stdin"], "", WeakPassword),
        (["password", "ann@example.org", "--password-stdin"], "short", WeakPassword),
        (["deactivate", "eve@example.org"], "", NotFound),
        (["sessions", "eve@example.org"], "", NotFound),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], say: str, error: type[Exception]) -> None:
    make("ann@example.org", "--admin")
    assert isinstance(run(*arguments, say=say).exception, error)


def test_on_postgresql_the_tables_are_not_made_by_the_way(postgres_url: str) -> None:
    """Others may share that database: `stenogram db upgrade` is a step of its own."""
    assert isinstance(run("list", "--database-url", postgres_url).exception, SchemaOutdated)


def test_a_refusal_is_one_line_and_a_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stenogram.cli.main", "users", "activate", "eve@x.org", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert done.stderr == "stenogram: No user eve@x.org.\n"
