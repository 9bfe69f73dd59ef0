"""``stenogram keys``, on a database of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stenogram import config
from stenogram.accounts.keys import Doorkeeper
from stenogram.cli.keys import keys
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotAuthenticated, NotFound, OptionError, SchemaOutdated
from stenogram.store.database import Database, url_of
from stenogram.store.keys import ApiKey


def run(*arguments: str) -> Result:
    return CliRunner().invoke(keys, arguments)


def made(*arguments: str) -> str:
    """The key that was printed."""
    result = run("create", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def listed() -> dict[str, dict[str, str]]:
    """The lines of the list, by id; columns stand two spaces apart."""
    head, *lines = run("list").stdout.splitlines()
    names = re.split(r" {2,}", head.strip())
    found = [dict(zip(names, re.split(r" {2,}", line.strip()), strict=True)) for line in lines]
    return {row["id"]: row for row in found}


def opened_by(secret: str) -> ApiKey:
    """What the server would know of who comes with it."""
    database = Database.open(url_of(config.read(Settings), config.read(ServerSettings)))
    try:
        return Doorkeeper(database).verify(secret)
    finally:
        database.close()


def test_a_key_is_printed_once_alone_on_its_stream_and_opens() -> None:
    """``KEY=$(stenogram keys create --name desk)`` holds the key and nothing else."""
    result = run("create", "--name", "desk", "--owner", "anna", "--scope", "read", "--scope", "models")
    secret = result.stdout.removesuffix("\n")
    key = opened_by(secret)

    assert re.fullmatch(r"stn_[a-z0-9]{8}_[\w-]{43}", secret)
    assert (key.name, key.owner, sorted(key.scopes)) == ("desk", "anna", ["models", "read"])
    assert "not shown again" in result.stderr
    assert secret not in result.stderr
    assert secret.split("_", 2)[2] not in run("list").output


def test_every_wish_reaches_the_key() -> None:
    secret = made(
        *("--name", "night", "--priority", "-5", "--requests-per-minute", "30", "--max-concurrent", "2"),
        *("--expires-days", "10", "--scope", "*"),
    )
    key = opened_by(secret)

    assert (key.priority, key.requests_per_minute, key.max_concurrent, sorted(key.scopes)) == (-5, 30, 2, ["*"])
    assert key.expires_at is not None
    assert key.expires_at - time.time() == pytest.approx(10 * 86_400, abs=300)


def test_the_first_key_tells_what_it_changes() -> None:
    first, second = run("create", "--name", "a"), run("create", "--name", "b")

    assert "every request needs a key" in first.stderr
    assert "every request needs a key" not in second.stderr


def test_the_list_tells_of_each_key_all_but_what_opens() -> None:
    good = made("--name", "the desk", "--owner", "anna", "--expires-days", "400", "--priority", "3")
    gone = made("--name", "gone")
    opened_by(good)
    run("revoke", gone)
    rows = listed()
    desk, revoked = rows[good.split("_")[1]], rows[gone.split("_")[1]]

    assert (desk["state"], desk["owner"], desk["name"], desk["priority"]) == ("good", "anna", "the desk", "3")
    assert desk["scopes"] == "transcribe"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", desk["expires"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", desk["last used"])
    assert (revoked["state"], revoked["expires"], revoked["last used"]) == ("revoked", "never", "never")


def test_an_expired_key_is_listed_as_such() -> None:
    secret = made("--name", "short", "--expires-days", "0.0000001")
    time.sleep(0.02)

    assert listed()[secret.split("_")[1]]["state"] == "expired"


def test_without_keys_the_list_says_who_may_enter() -> None:
    result = run("list")

    assert result.stdout == ""
    assert "no keys" in result.stderr


def test_a_revoked_key_opens_no_more() -> None:
    secret = made("--name", "desk")
    result = run("revoke", secret.split("_")[1])

    assert "revoked" in result.stderr
    with pytest.raises(NotAuthenticated):
        opened_by(secret)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["create", "--name", "x", "--expires-days", "nan"], OptionError),
        (["create", "--name", "x", "--expires-days", "0"], OptionError),
        (["create", "--name", " "], OptionError),
        (["revoke", "absent"], NotFound),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], error: type[Exception]) -> None:
    assert isinstance(run(*arguments).exception, error)


@pytest.mark.parametrize(
    "arguments",
    [["create"], ["create", "--name", "x", "--scope", "all"], ["create", "--name", "x", "--priority", "101"]],
)
def test_wrong_usage_is_told_as_such(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_on_postgresql_the_tables_are_not_made_by_the_way(postgres_url: str) -> None:
    """Others may share that database: `stenogram db upgrade` is a step of its own."""
    assert isinstance(run("list", "--database-url", postgres_url).exception, SchemaOutdated)


def test_a_refusal_is_one_line_and_a_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stenogram.cli.main", "keys", "revoke", "absent", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert done.stderr == "stenogram: No API key absent.\n"
