"""What every test gets: real recordings, a home of its own, and no network."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from stenogram.bundled import asset
from stenogram.store import schema
from stenogram.store.database import Database

settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")  # no example is timed; the gate tries the same examples every time


def pytest_xdist_auto_num_workers() -> int:
    """Twice the cores: half the time of the tests is waiting for processes that start and stop."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)  # before they are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that is slow for some of its parameters is one of the slow ones for those."""
    for item in items:
        names = {name for mark in item.iter_markers("slow_on") for name in mark.args}
        parameters = getattr(item, "callspec", None)
        if parameters is not None and names & set(parameters.id.split("-")):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def two_cities() -> Path:
    """44 s of English, one reader, 48 kHz mono: the opening of A Tale of Two Cities."""
    return asset("assets/two_cities.wav")


@pytest.fixture(scope="session")
def beckett() -> Path:
    """10 s of English by another voice."""
    return asset("assets/beckett.wav")


@pytest.fixture(scope="session")
def postgres_folder() -> Path:
    """What PostgreSQL is kept in, the same for all processes of a run.

    Not in pytest's own folder: where root runs the tests, PostgreSQL runs as somebody else, whom the next run of pytest
    would lock out of there.
    """
    return Path(tempfile.gettempdir()) / f"stenogram-pg-{os.environ.get('PYTEST_XDIST_TESTRUNUID') or os.getpid()}"


@pytest.fixture(scope="session")
def postgres_server(postgres_folder: Path) -> Iterator[str]:
    """The address of a real PostgreSQL."""
    from tests import postgres

    with postgres.running(postgres_folder) as server:
        yield server.get_uri()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database on PostgreSQL."""
    from tests import postgres

    with postgres.database(postgres_server) as url:
        yield url


@pytest.fixture
def postgres_with_tables(postgres_server: str, postgres_folder: Path) -> Iterator[str]:
    """A database on PostgreSQL with our tables in it."""
    from tests import postgres

    template = postgres.template(postgres_server, postgres_folder)
    with postgres.database(postgres_server, template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; each test on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stenogram.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with our tables in it; each test on both."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_with_tables")
        return url
    url = f"sqlite:///{tmp_path / 'stenogram.db'}"
    opened = Database.open(url)
    schema.upgrade(opened)
    opened.close()
    return url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A database with our tables in it; each test on both."""
    opened = Database.open(database_url)
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
