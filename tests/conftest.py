"""What every test gets: real recordings, a home of its own, and no network."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from stenogram.bundled import asset

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


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings, cache or models of the person who runs it."""
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("STENOGRAM_CACHE_URL", "STENOGRAM_MODEL", "STENOGRAM_LANGUAGE"):
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
