"""Any audio or video file -> mono 16 kHz float32 samples on disk, decoded by a child process that may crash alone.

>>> with Decoder() as decoder:                                                                       # doctest: +SKIP
...     for decoded in decoder.decode(Path("talk.mp4"), folder, DecodeOptions(), stop=lambda: False):
...         print(decoded.audios[0].duration, decoded.finished)
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from stenogram import errors
from stenogram.errors import Cancelled, DecoderCrashed, EmptyFile, FileNotReadable, StenogramError
from stenogram.protocols import Stop
from stenogram.types import Audio, DecodeOptions

STALL_S = 60.0
"""Silence from the child after which it counts as hung; while it works it reports once a second."""

_POLL_S = 0.1
_LAST_WORDS_S = 5.0
_BOOT = "import sys; sys.path += sys.argv[1:]; from stenogram.audio.decode_child import main; main()"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decode under way: what may be read now."""

    audios: tuple[Audio, ...]
    """One (the mix) or one per channel; ``sample_count`` grows from one ``Decoded`` to the next."""
    total_s: float | None
    """Length the container declares, if any."""
    busy_s: float
    """Processor time the decode took so far, in its own process."""
    finished: bool
    warnings: tuple[str, ...]
    """With the last one: what the user should know about the file."""


def decode(source: Path, folder: Path, options: DecodeOptions = DecodeOptions()) -> Decoded:  # noqa: B008 - frozen
    """Decode all of ``source`` into ``folder``. Raises as ``Decoder.decode`` does."""
    with Decoder() as decoder:
        *_, decoded = decoder.decode(source, folder, options, lambda: False)
    return decoded


class Decoder:
    """Owns the decoding processes: one per file decoded at the same time, kept for later files. Safe with threads."""

    def __init__(self, stall_s: float = STALL_S) -> None:
        """``stall_s``: give a file up when its process says nothing for so long."""
        self._stall_s = stall_s
        self._lock = threading.Lock()
        self._children: list[_Child] = []
        self._idle: list[_Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, and with them what they are decoding; idempotent. A later ``decode`` starts a new one."""
        with self._lock:
            children, self._children, self._idle = self._children, [], []
        for child in children:
            child.kill()

    def decode(
        self, source: Path, folder: Path, options: DecodeOptions, stop: Stop, *, first_s: float | None = None
    ) -> Iterator[Decoded]:
        """Decode ``source`` into files in ``folder`` (the caller's to make and to remove); yield snapshots.

        The first comes after some 5 s of sound, the last has ``finished``. Decoding does not wait for the reader.
        Sample 0 is what a player shows as 0:00. Mixing is described at ``resampler.Resampler``. Closing the iterator
        stops the decode. With ``first_s`` it ends after so many seconds, and tells no warnings.

        Raises ``InputError`` (its subclasses name the cause), ``OptionError`` (too many channels for "separate"),
        ``StorageError`` (the disk is full), ``Cancelled`` (``stop`` said so).
        """
        check_readable(source)
        child = self._take()
        answered = False
        try:
            child.send(
                {
                    "source": str(source.absolute()),
                    "name": str(folder.absolute() / secrets.token_hex(8)),
                    "channels": options.channels,
                    "max_duration_s": options.max_duration_s,
                    "first_s": first_s,
                }
            )
            while not answered:
                reply = self._reply(child, source, stop)
                answered = "error" in reply or reply["snapshot"]["finished"]
                yield _decoded(reply, source)
        finally:
            self._give_back(child, idle=answered)

    def _take(self) -> _Child:
        """Get a process that waits for a file; start one where there is none."""
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.alive:
                    return child
                self._children.remove(child)
                child.kill()
        child = _Child()
        with self._lock:
            self._children.append(child)
        return child

    def _give_back(self, child: _Child, *, idle: bool) -> None:
        with self._lock:
            if idle and child in self._children:
                self._idle.append(child)
                return
            if child in self._children:
                self._children.remove(child)
        child.kill()

    def _reply(self, child: _Child, source: Path, stop: Stop) -> dict[str, Any]:
        """Wait for the next reply that is more than a sign of life."""
        heard_at = time.monotonic()
        while True:
            if stop():
                raise Cancelled
            try:
                reply = child.replies.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() - heard_at > self._stall_s:
                    cause = f"no progress for {self._stall_s:.0f} s"
                    raise DecoderCrashed(path=source, cause=cause) from None
                continue
            if reply is None:
                if child not in self._children:  # ``close`` in another thread
                    raise Cancelled
                raise DecoderCrashed(path=source, cause=child.epitaph())
            heard_at = time.monotonic()
            if reply:
                return reply


def check_readable(source: Path) -> None:
    """Raise ``FileNotReadable`` or ``EmptyFile`` unless ``source`` is a regular file with content."""
    try:
        status = source.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FileNotReadable(path=source, cause="it is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise FileNotReadable(path=source, cause="it is a device or a pipe, not a file; save it to a file first")
        with source.open("rb"):
            pass
    except OSError as error:
        raise FileNotReadable(path=source, cause=error.strerror or error) from error
    except ValueError as error:  # a NUL character in the name
        raise FileNotReadable(path=source, cause=error) from error
    if status.st_size == 0:
        raise EmptyFile(path=source)


class _Child:
    """The process, a thread that reads its replies, and a file that takes its last words."""

    def __init__(self) -> None:
        self.replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        """Replies in order; None: the process is gone."""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in kill
        self._process = subprocess.Popen(
            # isolated: neither the working folder nor PYTHON* variables can put other modules before ours
            [sys.executable, "-I", "-c", _BOOT, *_import_folders()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._reader = threading.Thread(target=self._read, name="decoder replies", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, request: dict[str, Any]) -> None:
        stdin = cast("IO[bytes]", self._process.stdin)
        with contextlib.suppress(OSError):  # it died; the reader will say so
            stdin.write(json.dumps(request).encode("ascii") + b"\n")
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


def _import_folders() -> list[str]:
    """Folders the child finds our packages in: looked up after its own, so that nothing there can hide a module."""
    folders: dict[str, None] = {}
    for package in ("stenogram", "av", "numpy"):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            folders[str(Path(spec.origin).absolute().parent.parent)] = None
    return list(folders)


def _decoded(reply: dict[str, Any], source: Path) -> Decoded:
    if "error" in reply:
        facts = reply["facts"]
        if issubclass(_ERRORS[reply["error"]], errors.InputError):
            facts["path"] = source
        raise _ERRORS[reply["error"]](**facts)
    snapshot = reply["snapshot"]
    audios = tuple(
        Audio(Path(path), snapshot["sample_count"], channel)
        for path, channel in zip(snapshot["paths"], snapshot["channels"], strict=True)
    )
    return Decoded(audios, snapshot["total_s"], snapshot["busy_s"], snapshot["finished"], tuple(snapshot["warnings"]))


def _family(kind: type[StenogramError]) -> Iterator[type[StenogramError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


_ERRORS = {kind.code: kind for kind in _family(StenogramError)}
