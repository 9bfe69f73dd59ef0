"""``stenogram db``: the tables of the service."""

from __future__ import annotations

from typing import Any

import click

from stenogram import config
from stenogram.cli.options import options_of
from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseError
from stenogram.store import schema
from stenogram.store.database import Database, url_of

_NAMES = frozenset({"home", "database_url", "db_host", "db_port", "db_name", "db_user", "db_pass", "db_schema"})


@click.group()
def db() -> None:
    """Bring the tables of the database to this version, or check them."""


@db.command()
@options_of(Settings, ServerSettings, names=_NAMES)
def upgrade(**given: Any) -> None:
    """Make or alter the tables. Stop the servers of an older version first."""
    database = _open(given)
    try:
        schema.upgrade(database)
        click.echo(f"{database.url}: the tables are those of this version")
    finally:
        database.close()


@db.command()
@options_of(Settings, ServerSettings, names=_NAMES)
def check(**given: Any) -> None:
    """Tell whether the tables are those of this version."""
    database = _open(given)
    try:
        schema.check(database)
        found = schema.differences(database)
        if found:
            raise DatabaseError(cause=f"somebody changed the tables by hand: {'; '.join(found)}")
        click.echo(f"{database.url}: the tables are those of this version")
    finally:
        database.close()


def _open(given: dict[str, Any]) -> Database:
    settings, server = config.read(Settings, given), config.read(ServerSettings, given)
    return Database.open(url_of(settings, server), server.db_schema)
