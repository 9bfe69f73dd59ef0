"""``stenogram keys``: who may use the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from stenogram import config
from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import SCOPES, Wish
from stenogram.cli.options import options_of
from stenogram.config import ServerSettings, Settings
from stenogram.store import keys as rows
from stenogram.store import schema
from stenogram.store.database import Database, url_of

_NAMES = frozenset({"home", "database_url", "db_host", "db_port", "db_name", "db_user", "db_pass", "db_schema"})


@click.group()
def keys() -> None:
    """Make, list and revoke API keys. Once there is a key, every request needs one."""


@keys.command()
@click.option("--name", required=True, help="What the key is called in lists.")
@click.option("--owner", help="Whose jobs are made with it. [default: the name]")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(list(SCOPES)),
    help="What it is for; may be given several times. [default: transcribe]",
)
@click.option("--priority", type=int, default=0, help="Added to the priority of its jobs. [default: 0]")
@click.option("--per-minute", type=click.IntRange(0), help="Requests a minute; 0: no limit.")
@click.option("--concurrent", type=click.IntRange(0), help="Requests at once; 0: no limit.")
@click.option("--expires-days", type=click.FloatRange(0, min_open=True), help="Days until it opens nothing more.")
@options_of(Settings, ServerSettings, names=_NAMES)
def create(**given: Any) -> None:
    """Make a key and print it: it is shown only now."""
    wish = Wish(
        name=given["name"],
        owner=given["owner"],
        scopes=given["scopes"] or ("transcribe",),
        priority=given["priority"],
        requests_per_minute=given["per_minute"],
        max_concurrent=given["concurrent"],
        expires_days=given["expires_days"],
    )
    with _database(given) as database:
        secret, key = accounts.create(database, wish)
    click.echo(secret)
    scopes = ", ".join(sorted(key.scopes))
    click.echo(f"Key {key.id} for {key.owner}: {scopes}. Keep it; it is not shown again.", err=True)


@keys.command("list")
@options_of(Settings, ServerSettings, names=_NAMES)
def listing(**given: Any) -> None:
    """List the keys, without what opens."""
    with _database(given) as database, database.read() as connection:
        found = rows.listing(connection)
    if not found:
        click.echo("There are no keys: the server lets this machine in, and nobody else.", err=True)
    for key in found:
        state = "revoked" if key.revoked_at else "good" if key.valid(time.time()) else "expired"
        used = time.strftime("%Y-%m-%d", time.localtime(key.last_used_at)) if key.last_used_at else "never"
        scopes = ", ".join(sorted(key.scopes))
        click.echo(f"{key.id}  {state:8}  {key.owner:16}  {scopes:20}  used {used:10}  {key.name}")


@keys.command()
@click.argument("key_id")
@options_of(Settings, ServerSettings, names=_NAMES)
def revoke(key_id: str, **given: Any) -> None:
    """Make a key useless for good, within seconds."""
    with _database(given) as database:
        accounts.revoke(database, key_id)
    click.echo(f"Key {key_id} is revoked.", err=True)


@contextmanager
def _database(given: dict[str, Any]) -> Iterator[Database]:
    settings, server = config.read(Settings, given), config.read(ServerSettings, given)
    database = Database.open(url_of(settings, server), server.db_schema)
    try:
        if database.dialect == "sqlite":
            schema.upgrade(database)
        else:
            schema.check(database)
        yield database
    finally:
        database.close()
