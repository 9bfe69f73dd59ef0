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
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateSchema

from stenogram.errors import DatabaseError, SchemaOutdated
from stenogram.store import whisper_models
from stenogram.store.database import Database
from stenogram.store.tables import metadata

_QUEUE_MARK = "stenogram: procrastinate "


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
        if db.dialect == "postgresql":
            _upgrade_queue(tx.connection)
        whisper_models.create_absent(tx)


def check(db: Database) -> None:
    """Raises ``SchemaOutdated`` where ``upgrade`` has something to do."""
    with db.read() as connection:
        _refuse_later(connection)
        here = _revision(connection)
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if here != newest:
        raise SchemaOutdated(cause="there are none yet" if here is None else f"they are of {here}, not {newest}")
    if db.dialect == "postgresql":
        with db.read() as connection:
            queue = _queue_version(connection)
        if queue != _queue_steps()[-1].name:
            raise SchemaOutdated(cause=f"those of the queue are {queue or 'absent'}")


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


def _upgrade_queue(connection: Connection) -> None:
    """Procrastinate's tables: all at once where there are none, else the steps that its versions added since.

    The last step taken is noted in a comment, for Procrastinate keeps no record of its own.
    """
    here, steps = _queue_version(connection), _queue_steps()
    raw = connection.connection.driver_connection
    assert raw is not None  # noqa: S101 - the connection is open
    if here is None and inspect(connection).has_table("procrastinate_jobs"):
        advice = "Use another database, or STENOGRAM_DB_SCHEMA"
        raise DatabaseError(cause=f"Procrastinate's tables are in it already, for something else. {advice}")
    queries = [SchemaManager.get_schema()] if here is None else [step.read_text() for step in steps if step.name > here]
    with raw.cursor() as cursor:
        for query in queries:
            cursor.execute(query)
    connection.execute(text(f"COMMENT ON TABLE procrastinate_jobs IS '{_QUEUE_MARK}{steps[-1].name}'"))


def _queue_version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("procrastinate_jobs"):
        return None
    comment = inspect(connection).get_table_comment("procrastinate_jobs")["text"] or ""
    return comment.removeprefix(_QUEUE_MARK) if comment.startswith(_QUEUE_MARK) else None


def _queue_steps() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


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
