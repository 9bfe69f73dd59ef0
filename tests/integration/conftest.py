"""A real server, as an operator starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest


@dataclass
class Server:
    """``stenogram serve`` in a process of its own."""

    url: str
    home: Path
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    def client(self, **options: object) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False, **options)  # type: ignore[arg-type]


@contextmanager
def serving(home: Path, *flags: str, ready: bool = True, **environ: str) -> Iterator[Server]:
    """Start a server on a free port, wait until it is ready, and stop it as Ctrl-C would."""
    command = [sys.executable, "-m", "stenogram.cli.main", "serve", "--port", "0", *flags]
    known = {name: value for name, value in os.environ.items() if not name.startswith(("STENOGRAM_", "DB_", "LLM_"))}
    own = {"STENOGRAM_HOME": str(home), "STENOGRAM_LLM_WORKERS": "0"}  # the latter where a test wants it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**known, **own, **environ})
    assert process.stderr is not None
    lines: list[str] = []
    url = None
    for line in process.stderr:
        lines.append(line)
        found = re.search(r"stenogram is at (\S+)", line)
        if found:
            url = found[1].replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - compared, not bound
            break
    if url is None:
        pytest.fail("the server did not start:\n" + "".join(lines))
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True)
    reader.start()
    server = Server(url, home, process, lines)
    try:
        if ready:
            wait_until_ready(server)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail("the server did not stop:\n" + "".join(lines))
        finally:
            reader.join(5)
            process.stderr.close()


def wait_until_ready(server: Server, timeout_s: float = 60.0) -> None:
    end, health = time.monotonic() + timeout_s, {}
    while time.monotonic() < end:
        try:
            health = httpx2.get(f"{server.url}/health", timeout=5, trust_env=False).json()
            if health["status"] == "ready":
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"the server was not ready: {health}\n" + "".join(server.log))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests that change nothing for others; callbacks may reach this machine."""
    home = tmp_path_factory.mktemp("server")
    with serving(home, "--callback-allow", "127.0.0.1", "--shutdown-grace-s", "1") as started:
        yield started
