"""Opening the database, and transactions on it: SQLite embedded, PostgreSQL for many machines.

Readers run side by side. Writers take turns: within a process by a lock, between processes by SQLite's own (each
transaction begins as a writer, so that none fails half way); PostgreSQL locks rows by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseError, DatabaseUnavailable, OptionError, StorageFull
from stenogram.store.wake import CHANNEL, Datagrams, Notifications, OnTopic

log = logging.getLogger(__name__)

_BUSY_S = 30.0
"""How long a writer waits for another process's transaction."""
_FORGET_MS = 500
"""How long it is tried to empty SQLite's log while others read."""
_WORTH_BYTES, _WORTH_SHARE = 2**20, 0.25
"""From so much on that holds nothing a file is written anew."""
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # what was acknowledged outlives a power cut; NORMAL would lose the last commits
    "PRAGMA cache_size=-65536",  # KiB: 64 MB (R31)
    "PRAGMA temp_store=MEMORY",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is deleted (transcripts, voices) is overwritten, not only forgotten
)
OWN_SCHEMA = "own_schema"
"""The option of connections that says which schema was asked for: while it is absent, the current one is another."""
_PATIENCE = {"connect_timeout": "5", "keepalives_idle": "15", "keepalives_interval": "5", "tcp_user_timeout": "15000"}
"""How soon a PostgreSQL that answers no more is given up (libpq's parameters); the URL may say otherwise."""
_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())")
_NOTIFY = text("SELECT pg_notify(:channel, topic) FROM unnest(CAST(:topics AS text[])) AS topic")
_DISK_IS_FULL = ("disk is full", "disk full", "No space left", "53100")


def url_of(settings: Settings, server: ServerSettings) -> str:
    """Where the database is: ``DATABASE_URL``, or the ``DB_*`` variables, or a file in the data folder."""
    if server.database_url:
        return server.database_url
    if server.db_host:
        user = quote(server.db_user or "", safe="")
        password = f":{quote(server.db_pass, safe='')}" if server.db_pass else ""
        at = "@" if user or password else ""
        host = f"[{server.db_host}]" if ":" in server.db_host else server.db_host
        return f"postgresql://{user}{password}{at}{host}:{server.db_port}/{quote(server.db_name, safe='')}"
    return f"sqlite:///{settings.data_dir / 'stenogram.db'}"


def now(connection: Connection) -> float:
    """The time by the clock that all machines share, Unix seconds."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(_CLOCK).scalar_one())


@dataclass(slots=True)
class Transaction:
    """A transaction that writes; it is committed when its block ends without an error."""

    connection: Connection
    topics: dict[str, None] = field(default_factory=dict)

    def now(self) -> float:
        """The time by the clock that all machines share, Unix seconds: what leases are measured by."""
        return now(self.connection)

    def wake(self, topic: str) -> None:
        """Tell the listeners of a topic once this is committed."""
        self.topics[topic] = None


class Database:
    """One database, safe to use from several threads."""

    def __init__(self, engine: Engine, wakes: Datagrams | Notifications) -> None:
        self._engine = engine
        self._wakes = wakes
        self._writing = threading.RLock()
        self._listening: list[tuple[threading.Event, threading.Thread]] = []
        self.dialect: Literal["sqlite", "postgresql"] = "sqlite" if engine.dialect.name == "sqlite" else "postgresql"

    @classmethod
    def open(cls, url: str, schema: str | None = None) -> Self:
        """The database at ``url``; nothing is sent to it yet. ``schema`` is PostgreSQL's, for our tables.

        Raises ``OptionError`` for a URL of another kind.
        """
        try:
            parsed = make_url(url.replace("postgres://", "postgresql://", 1))
        except sqlalchemy.exc.ArgumentError as error:
            raise OptionError(name="DATABASE_URL", value=url, cause="is not a URL") from error
        if parsed.get_backend_name() == "sqlite":
            engine = _open_sqlite(parsed)
            return cls(engine, Datagrams(engine))
        if parsed.get_backend_name() != "postgresql":
            shown = parsed.render_as_string()  # without the password
            raise OptionError(name="DATABASE_URL", value=shown, cause="must begin with postgresql:// or sqlite:///")
        engine = _open_postgresql(parsed, schema)
        return cls(engine, Notifications(_conninfo(engine)))

    @property
    def engine(self) -> Engine:
        """For what needs SQLAlchemy's own: migrations, the queue on PostgreSQL."""
        return self._engine

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        url = self._engine.url
        return url.difference_update_query(url.query.keys() - {"host", "port"}).render_as_string()

    @property
    def conninfo(self) -> str:
        """The address for another client of PostgreSQL, with the password."""
        return _conninfo(self._engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that only reads. Raises ``DatabaseUnavailable``."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction. Raises ``DatabaseUnavailable``, ``StorageFull``."""
        with self._translated():
            if self.dialect == "sqlite":
                with self._writing, self._engine.connect() as connection:
                    connection.execution_options(begins_as_writer=True)
                    with connection.begin():
                        transaction = Transaction(connection)
                        yield transaction
            else:
                with self._engine.begin() as connection:
                    transaction = Transaction(connection)
                    yield transaction
                    if transaction.topics:
                        connection.execute(_NOTIFY, {"channel": CHANNEL, "topics": list(transaction.topics)})
        if transaction.topics:
            self._wakes.send(transaction.topics)

    def forget_log(self) -> None:
        """Let the write-ahead log of SQLite, too, forget what was deleted, unless another process reads just now.

        Then it is forgotten when the log next begins anew. On PostgreSQL this is vacuum's business: nothing happens.
        """
        if self.dialect == "sqlite":
            with self._translated(), self._engine.connect() as connection:
                raw: Any = connection.connection.driver_connection  # beside SQLAlchemy's transactions
                raw.execute(f"PRAGMA busy_timeout={_FORGET_MS}")
                try:
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    raw.execute(f"PRAGMA busy_timeout={round(_BUSY_S * 1000)}")

    def shrink(self, at_once_bytes: int | None = None) -> bool:
        """Give space of what was deleted back to the disk, where it is much; whether that was done.

        SQLite's file is written anew (VACUUM) where a quarter of it, and a megabyte, holds nothing. All writers wait
        for that; a file of more than ``at_once_bytes`` is left as it is. On PostgreSQL this is autovacuum's business.
        Raises ``DatabaseUnavailable``, ``StorageFull``.
        """
        if self.dialect != "sqlite":
            return False
        with self._translated(), self._writing, self._engine.connect() as connection:
            raw: Any = connection.connection.driver_connection  # VACUUM cannot be in a transaction
            pages, free, size = (
                raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
            )
            if free * size < _WORTH_BYTES or free < _WORTH_SHARE * pages:
                return False
            if at_once_bytes is not None and pages * size > at_once_bytes:
                return False
            raw.execute("PRAGMA temp_store=FILE")  # the copy that VACUUM makes would lie in memory
            try:
                raw.execute("VACUUM")
            finally:
                raw.execute("PRAGMA temp_store=MEMORY")
        self.forget_log()  # the file gets shorter when the log has been taken over into it
        return True

    def listen(self, on_topic: OnTopic) -> None:
        """Call back with each topic, in a thread of its own, until the database is closed.

        Returns when nothing is missed any more (on PostgreSQL that is down: after a second, and listening begins
        later). An empty topic means: look at everything.
        """
        stop, ready = threading.Event(), threading.Event()
        thread = threading.Thread(
            target=self._wakes.listen, args=(on_topic, stop, ready), name="stenogram-listen", daemon=True
        )
        self._listening.append((stop, thread))
        thread.start()
        ready.wait(1.0)

    def close(self) -> None:
        """End the listening and close all connections."""
        for stop, _ in self._listening:
            stop.set()
        for _, thread in self._listening:
            thread.join(2.0)
        self._listening.clear()
        self._wakes.close()
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, sqlalchemy.exc.TimeoutError) as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            if any(sign in str(error) for sign in _DISK_IS_FULL):
                raise StorageFull(path=self.url, cause=cause) from error
            raise DatabaseUnavailable(where=self.url, cause=cause) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable(where=self.url, cause=str(error.orig).strip()) from error
            raise DatabaseError(cause=str(error.orig).strip()) from error


def _open_postgresql(url: sqlalchemy.URL, schema: str | None) -> Engine:
    url = url.set(drivername="postgresql+psycopg")
    if schema is not None:
        quoted = '"' + schema.replace('"', '""') + '"'
        quoted = quoted.replace("\\", "\\\\").replace(" ", "\\ ")
        url = url.update_query_dict({"options": f"-c search_path={quoted}"})
    # The queue's own connections see our schema alone, for public may have another's Procrastinate, whose functions
    # PostgreSQL could not tell from ours; the client's tables of models (R8) are in public.
    with_public = {} if schema is None else {"options": f"{url.query['options']},public"}
    return sqlalchemy.create_engine(
        url.update_query_dict({name: value for name, value in _PATIENCE.items() if name not in url.query}),
        pool_size=10,
        max_overflow=20,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args=with_public,
        execution_options={OWN_SCHEMA: schema},
    )


def _conninfo(engine: Engine) -> str:
    """The address of PostgreSQL in libpq's own words: SQLAlchemy's URLs write a space as ``+``, which libpq keeps."""
    from psycopg.conninfo import make_conninfo

    arguments = engine.dialect.create_connect_args(engine.url)[1]
    return make_conninfo(**{name: value for name, value in arguments.items() if name != "context"})


def _open_sqlite(url: sqlalchemy.URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise OptionError(name="DATABASE_URL", value=str(url), cause="SQLite needs a file, which processes can share")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(where=url.database, cause=error.strerror or error) from error
    engine = sqlalchemy.create_engine(
        url.set(drivername="sqlite"),
        pool_size=20,
        max_overflow=20,
        connect_args={"timeout": _BUSY_S, "check_same_thread": False, "isolation_level": None},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("begins_as_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
