"""Brings the tables of a database to the shape of this version, and tells whether they have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateSchema

from stenogram.errors import DatabaseError, SchemaOutdated
from stenogram.store import whisper_models
from stenogram.store.database import Database
from stenogram.store.tables import metadata


def upgrade(db: Database) -> None:
    """Make or alter the tables, in one transaction; the client's own (R8) only where they are absent.

    Raises ``DatabaseUnavailable``, ``DatabaseError``, ``SchemaOutdated`` for a database of a later version.
    """
    with db.write() as tx:
        _prepare_schema(tx.connection)
        _refuse_later(tx.connection)
        _refuse_others(tx.connection)
        config = _config()
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "head")
        whisper_models.create_absent(tx)


def check(db: Database) -> None:
    """Raises ``SchemaOutdated`` where ``upgrade`` has something to do."""
    with db.read() as connection:
        _refuse_later(connection)
        here = _revision(connection)
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if here != newest:
        raise SchemaOutdated(cause="there are none yet" if here is None else f"they are of {here}, not {newest}")


def differences(connection: Connection) -> list[Any]:
    """What sets the tables that are there apart from those declared, for the test that there is nothing."""
    context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
    return list(compare_metadata(context, metadata))


def ours(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
    """Whether a thing in the database is ours to compare: the client's tables and the queue's are not."""
    if kind == "table":
        return name in metadata.tables
    return parents.get("table_name") in metadata.tables if "table_name" in parents else True


def _refuse_later(connection: Connection) -> None:
    here = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if here is not None and here not in known:
        raise DatabaseError(cause=f"its tables are of a later version of stenogram ({here}); use that one")


def _prepare_schema(connection: Connection) -> None:
    """Make the schema that the search path names first, where it is absent."""
    if connection.dialect.name == "postgresql":
        path = str(connection.execute(text("SHOW search_path")).scalar_one())
        first = path.split(",", maxsplit=1)[0].strip().strip('"')
        if first not in ("$user", "public"):
            connection.execute(CreateSchema(first, if_not_exists=True))


def _refuse_others(connection: Connection) -> None:
    if _revision(connection) is None:
        foreign = sorted(metadata.tables.keys() & set(inspect(connection).get_table_names()))
        if foreign:
            advice = "Use another database, or STENOGRAM_DB_SCHEMA"
            raise DatabaseError(cause=f"it has tables of these names that are not ours: {', '.join(foreign)}. {advice}")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
