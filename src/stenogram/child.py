"""A Python process at the other end of two pipes: requests in, replies out, one JSON object per line.

For libraries that may crash, hang, hold Python's lock for minutes or end the process they are in. ``Child`` is the
program's side, ``serve`` the other one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

Send = Callable[[dict[str, Any]], None]
"""Writes one reply."""

_LAST_WORDS_S = 5.0


class Child:
    """The process, a thread that reads its replies, and a file that takes its last words."""

    def __init__(self, module: str, packages: Iterable[str], environment: Mapping[str, str]) -> None:
        """Start ``module.main()``.

        ``packages`` are those it imports besides the standard library's, ``environment`` is added to ours.
        """
        self.replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        """Replies in order; None: the process is gone."""
        boot = f"import sys; sys.path += sys.argv[1:]; from {module} import main; main()"
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in kill
        self._process = subprocess.Popen(
            # isolated: neither the working folder nor PYTHON* variables can put other modules before ours
            [sys.executable, "-I", "-c", boot, *_import_folders(packages)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **environment},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._reader = threading.Thread(target=self._read, name=f"replies of {module}", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def send(self, request: dict[str, Any]) -> None:
        """Write one request."""
        stdin = cast("IO[bytes]", self._process.stdin)
        line = json.dumps(request).encode("ascii") + b"\n"
        with contextlib.suppress(OSError, ValueError):  # it died, or was killed here; the reader will say so
            stdin.write(line)
            stdin.flush()

    def kill(self) -> None:
        """End the process and release all that belongs to it; idempotent."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # unsent bytes for a dead process
                    stream.close()

    def epitaph(self) -> str:
        """Say how the process ended."""
        try:
            code = self._process.wait(timeout=_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            return "its process stopped answering"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"its process was ended by {signal.Signals(-code).name}"
        words = []
        with contextlib.suppress(ValueError):  # closed by ``kill`` in another thread
            self._stderr.seek(0)
            words = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with status {code}" + (f" ({words[-1]})" if words else "")

    def _read(self) -> None:
        for line in cast("IO[bytes]", self._process.stdout):
            try:
                self.replies.put(json.loads(line))
            except ValueError:  # cut off in the middle of a line
                break
        self.replies.put(None)


def _import_folders(packages: Iterable[str]) -> Iterator[str]:
    """Folders the child finds packages in: looked up after its own, so that nothing there can hide a module."""
    folders: dict[str, None] = {}
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            folders[str(Path(spec.origin).absolute().parent.parent)] = None
    return iter(folders)


def serve(handle: Callable[[dict[str, Any], Send], None]) -> None:
    """Hand each request to ``handle``, in the child's process, until standard input closes.

    It closes when the program dies. An error that ``handle`` lets through ends the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us too; the program decides
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not be taken for a reply
    sys.excepthook = _die
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(sys.stdin.buffer, requests), daemon=True).start()

    def send(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message).encode("ascii") + b"\n")

    while True:
        handle(requests.get(), send)


def _read_requests(stream: IO[bytes], requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in stream:
        requests.put(json.loads(line))
    os._exit(0)  # nobody is left to work for, and the main thread may be inside a library


def _die(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.__excepthook__(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)  # an ordinary exit would wait for, or trip over, the thread that reads requests
