"""Brings the tables of a database to the shape of this version, and tells whether they have it.

On PostgreSQL the queue's tables are Procrastinate's, which keeps no record of their version: the name of the last step
taken is noted in a comment on its table of jobs. Everything is looked for in one schema: another
program, or another Stenogram, may live in the same database, and have tables of these names, and its own Alembic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateSchema

from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseError, SchemaOutdated
from stenogram.store import whisper_models
from stenogram.store.database import OWN_SCHEMA, Database, url_of
from stenogram.store.tables import metadata

if TYPE_CHECKING:  # they take half a second, and most processes have nothing to bring into shape
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

VERSION_TABLE = "stenogram_version"
"""Not Alembic's usual name, which a client's program may use for its own tables."""
_QUEUE = "procrastinate_jobs"
_QUEUE_MARK = "stenogram: procrastinate "
_OF_WORDS = ("words", "idx_search_documents_words")
"""Column and index that PostgreSQL alone has (migration 0006); SQLite has a virtual table instead."""
_TURNS = text("SELECT pg_advisory_xact_lock(hashtext('stenogram db upgrade'))")
_OTHER_PLACE = "Use another database, or STENOGRAM_DB_SCHEMA"


def upgrade(db: Database) -> None:
    """Make or alter the tables; the client's own (R8) only where they are absent. Several may call it at once.

    Ours come in one transaction; the steps of the queue in one each, for PostgreSQL cannot use a new value of an enum
    in the transaction that adds it. What was interrupted goes on when called again.

    Raises ``DatabaseUnavailable``, ``DatabaseError`` where tables of a later version or another program are there.
    """
    from alembic import command

    with db.write() as tx:
        _take_turns(tx.connection)
        _prepare_schema(tx.connection)
        _refuse_later(tx.connection)
        _refuse_others(tx.connection)
        config = _config()
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "head")
        whisper_models.create_absent(tx)
    while db.dialect == "postgresql":
        with db.write() as tx:
            _take_turns(tx.connection)
            if not _upgrade_queue(tx.connection):
                return


@contextmanager
def opened(settings: Settings, server: ServerSettings) -> Iterator[Database]:
    """The database of a command, until the end of the block: on SQLite its tables are made, else they are checked.

    Raises ``DatabaseError``, ``DatabaseUnavailable``, ``OptionError``, ``SchemaOutdated``.
    """
    database = Database.open(url_of(settings, server), server.db_schema)
    try:
        if database.dialect == "sqlite":
            upgrade(database)
        else:
            check(database)
        yield database
    finally:
        database.close()


def check(db: Database) -> None:
    """Raises ``SchemaOutdated`` where ``upgrade`` has something to do, ``DatabaseError`` where it would refuse."""
    with db.read() as connection:
        _refuse_later(connection)
        here = _revision(connection)
        newest = _scripts().get_current_head()
        if here != newest:
            raise SchemaOutdated(cause="there are none yet" if here is None else f"they are of {here}, not {newest}")
        if db.dialect == "postgresql":
            queue = _queue_version(connection)
            if queue != _queue_steps()[-1].stem:
                raise SchemaOutdated(cause=f"those of the queue are {queue or 'absent'}")


def differences(db: Database) -> list[str]:
    """What sets the tables that are there apart from those declared, such as an index that somebody dropped."""
    from alembic.autogenerate import compare_metadata

    with db.read() as connection:
        found = compare_metadata(_context(connection), metadata)
    changes = [change for entry in found for change in (entry if isinstance(entry, list) else [entry])]
    return [" ".join(_named(part) for part in change if part is not None) for change in changes]


def _named(part: Any) -> str:
    """A part of a change in words: the operation, or a table, column or index."""
    table = getattr(part, "table", None)
    name = str(getattr(part, "name", part))
    return f"{table.name}.{name}" if table is not None else name


def alembic_options(connection: Connection) -> dict[str, Any]:
    """How Alembic is to see the database."""
    return {
        "version_table": VERSION_TABLE,
        "version_table_schema": _schema(connection),
        "include_name": _ours,
        "compare_type": True,
    }


def _ours(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
    """Whether a thing in the database is ours to compare: the client's tables and the queue's are not."""
    if kind == "table":
        return name in metadata.tables
    if name in _OF_WORDS and parents.get("table_name") == "search_documents":
        return False
    return parents.get("table_name") in metadata.tables if "table_name" in parents else True


def _refuse_later(connection: Connection) -> None:
    here = _revision(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    if here is not None and here not in known:
        raise DatabaseError(cause=f"its tables are of a later version of stenogram ({here}); use that one")
    if connection.dialect.name == "postgresql":
        queue, newest = _queue_version(connection), _queue_steps()[-1].stem
        if queue is not None and queue > newest:
            cause = f"the tables of its queue are of a later version of procrastinate ({queue}, not {newest})"
            raise DatabaseError(cause=f"{cause}; install that one")


def _refuse_others(connection: Connection) -> None:
    there = set(inspect(connection).get_table_names(schema=_schema(connection)))
    if _revision(connection) is None and (foreign := sorted(metadata.tables.keys() & there)):
        cause = f"it has tables of these names that are not ours: {', '.join(foreign)}"
        raise DatabaseError(cause=f"{cause}. {_OTHER_PLACE}")
    if _QUEUE in there and _queue_version(connection) is None:
        raise DatabaseError(cause=f"Procrastinate's tables are in it already, for something else. {_OTHER_PLACE}")


def _upgrade_queue(connection: Connection) -> bool:
    """All tables at once where there are none, else the next step; False: there is nothing left to do."""
    here, steps = _queue_version(connection), _queue_steps()
    left = [step for step in steps if here is None or step.stem > here]
    if not left:
        return False
    done = steps[-1] if here is None else left[0]
    from procrastinate.schema import SchemaManager

    query = SchemaManager.get_schema() if here is None else done.read_text(encoding="utf-8")
    raw = connection.connection.driver_connection
    assert raw is not None  # noqa: S101 - the connection is open
    with raw.cursor() as cursor:  # several statements in one, which SQLAlchemy would take apart
        cursor.execute(query)
    connection.execute(text(f"COMMENT ON TABLE {_QUEUE} IS '{_QUEUE_MARK}{done.stem}'"))
    return True


def _queue_version(connection: Connection) -> str | None:
    """The last step of Procrastinate that was taken here."""
    schema = _schema(connection)
    if not inspect(connection).has_table(_QUEUE, schema=schema):
        return None
    comment = inspect(connection).get_table_comment(_QUEUE, schema=schema)["text"] or ""
    return comment.removeprefix(_QUEUE_MARK) if comment.startswith(_QUEUE_MARK) else None


def _queue_steps() -> list[Path]:
    """Procrastinate's steps in order; their names begin with its version."""
    from procrastinate.schema import SchemaManager

    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _take_turns(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_TURNS)


def _prepare_schema(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        schema = _schema(connection)
        if schema is None:
            raise DatabaseError(cause=f"it has no schema to make tables in. {_OTHER_PLACE}")
        if not inspect(connection).has_schema(schema):
            connection.execute(CreateSchema(schema))


def _schema(connection: Connection) -> str | None:
    """Where our tables are, or are to be; None on SQLite, and where there is no such place."""
    if connection.dialect.name == "sqlite":
        return None
    own: str | None = connection.get_execution_options().get(OWN_SCHEMA)
    return own or connection.execute(text("SELECT current_schema()")).scalar_one()


def _revision(connection: Connection) -> str | None:
    return _context(connection).get_current_revision()


def _context(connection: Connection) -> MigrationContext:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection, opts=alembic_options(connection))


def _scripts() -> ScriptDirectory:
    """Our steps from one shape to the next."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
