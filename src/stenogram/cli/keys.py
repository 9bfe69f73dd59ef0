"""``stenogram keys``: who may use the server."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

import click

from stenogram import config
from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import KNOWN_FOR_S, MOST_PRIORITY, SCOPES, Wish
from stenogram.cli.options import options_of
from stenogram.config import ServerSettings, Settings
from stenogram.store import keys as rows
from stenogram.store import schema
from stenogram.store.database import Database
from stenogram.store.keys import ApiKey

NAMES = frozenset({"home", "database_url", "db_host", "db_port", "db_name", "db_user", "db_pass", "db_schema"})
"""The options that say where the database is."""
_COLUMNS = ("id", "state", "owner", "scopes", "priority", "expires", "last used", "name")


@click.group()
def keys() -> None:
    """Make, list and revoke API keys. Once there is a key, every request needs one."""


@keys.command()
@click.option("--name", required=True, help="What the key is called in lists.")
@click.option(
    "--owner", help="Whose jobs are made with it: the e-mail address of a user, or any name. [default: the name]"
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(list(SCOPES)),
    help="What it is for; may be given several times. [default: transcribe]",
)
@click.option(
    "--priority",
    type=click.IntRange(-MOST_PRIORITY, MOST_PRIORITY),
    default=0,
    help="Added to the priority of its jobs. [default: 0]",
)
@click.option("--requests-per-minute", type=click.IntRange(0), help="0: no limit. [default: the server's setting]")
@click.option("--max-concurrent", type=click.IntRange(0), help="Requests at once; 0: no limit. [default: as above]")
@click.option("--expires-days", type=float, help="Days until it opens nothing more. [default: never]")
@options_of(Settings, ServerSettings, names=NAMES)
def create(**given: Any) -> None:
    """Make a key and print it: it is shown only now."""
    wish = Wish(
        name=given["name"],
        owner=given["owner"],
        scopes=given["scopes"] or ("transcribe",),
        priority=given["priority"],
        requests_per_minute=given["requests_per_minute"],
        max_concurrent=given["max_concurrent"],
        expires_days=given["expires_days"],
    )
    with _database(given) as database:
        with database.read() as connection:
            first = not rows.exist(connection)
        secret, key = accounts.create(database, wish)
    click.echo(secret)
    scopes = ", ".join(sorted(key.scopes))
    whose = given["owner"] if key.role is not None else key.owner
    click.echo(f"Key {key.id} for {whose}: {scopes}. Keep it; it is not shown again.", err=True)
    if key.role is None and "@" in key.owner:
        click.echo(f"No user has the address {key.owner}: the owner is only a name.", err=True)
    if first:
        click.echo(f"It is the first: within {KNOWN_FOR_S:.0f} s every request needs a key.", err=True)


@keys.command("list")
@options_of(Settings, ServerSettings, names=NAMES)
def listing(**given: Any) -> None:
    """List the keys, without what opens."""
    with _database(given) as database, database.read() as connection:
        found = rows.listing(connection)
    if not found:
        click.echo("There are no keys: the server lets this machine in, and nobody else.", err=True)
        return
    table = [_COLUMNS, *(_row(key, time.time()) for key in found)]
    widths = [max(len(row[at]) for row in table) for at in range(len(_COLUMNS))]
    for row in table:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@keys.command()
@click.argument("key_id")
@options_of(Settings, ServerSettings, names=NAMES)
def revoke(key_id: str, **given: Any) -> None:
    """Make a key useless for good, within seconds. KEY_ID is as in the list, or the key itself."""
    with _database(given) as database:
        revoked = accounts.revoke(database, key_id)
    click.echo(f"Key {revoked} is revoked; within {KNOWN_FOR_S:.0f} s it opens nothing more.", err=True)


def _row(key: ApiKey, now: float) -> tuple[str, ...]:
    scopes = ", ".join(sorted(key.scopes))
    expires, used = _day(key.expires_at), _day(key.last_used_at)
    return key.id, key.state(now), key.owner, scopes, str(key.priority), expires, used, key.name


def _day(moment: float | None) -> str:
    return "never" if moment is None else time.strftime("%Y-%m-%d", time.gmtime(moment))


def _database(given: dict[str, Any]) -> AbstractContextManager[Database]:
    return schema.opened(config.read(Settings, given), config.read(ServerSettings, given))
