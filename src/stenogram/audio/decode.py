"""Any audio or video file -> mono 16 kHz float32 samples on disk, decoded by a child process that may crash alone.

>>> with Decoder() as decoder:                                                                       # doctest: +SKIP
...     for decoded in decoder.decode(Path("talk.mp4"), folder, DecodeOptions(), stop=lambda: False):
...         print(decoded.audios[0].duration, decoded.finished)
"""

from __future__ import annotations

import queue
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stenogram import errors
from stenogram.child import Child
from stenogram.errors import Cancelled, DecoderCrashed, EmptyFile, FileNotReadable, StenogramError
from stenogram.protocols import Stop
from stenogram.types import Audio, DecodeOptions

STALL_S = 60.0
"""Silence from the child after which it counts as hung; while it works it reports once a second."""

_POLL_S = 0.1


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
        self._children: list[Child] = []
        self._idle: list[Child] = []

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

    def encode(self, audio: Audio, target: Path, stop: Stop) -> None:
        """Write decoded sound as a small mono MP3. Raises ``StorageError``, ``DecoderCrashed``, ``Cancelled``."""
        child = self._take()
        answered = False
        try:
            request = {"source": str(audio.path.absolute()), "sample_count": audio.sample_count}
            child.send({**request, "target": str(target.absolute())})
            reply = self._reply(child, audio.path, stop)
            answered = True
            if "error" in reply:
                raise _error_in(reply, audio.path)
        finally:
            self._give_back(child, idle=answered)

    def _take(self) -> Child:
        """Get a process that waits for a file; start one where there is none."""
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.alive:
                    return child
                self._children.remove(child)
                child.kill()
        child = _start()
        with self._lock:
            self._children.append(child)
        return child

    def _give_back(self, child: Child, *, idle: bool) -> None:
        with self._lock:
            if idle and child in self._children:
                self._idle.append(child)
                return
            if child in self._children:
                self._children.remove(child)
        child.kill()

    def _reply(self, child: Child, source: Path, stop: Stop) -> dict[str, Any]:
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


def _start() -> Child:
    return Child(
        "stenogram.audio.decode_child",
        ("stenogram", "av", "numpy"),
        {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )


def _decoded(reply: dict[str, Any], source: Path) -> Decoded:
    if "error" in reply:
        raise _error_in(reply, source)
    snapshot = reply["snapshot"]
    audios = tuple(
        Audio(Path(path), snapshot["sample_count"], channel)
        for path, channel in zip(snapshot["paths"], snapshot["channels"], strict=True)
    )
    return Decoded(audios, snapshot["total_s"], snapshot["busy_s"], snapshot["finished"], tuple(snapshot["warnings"]))


def _error_in(reply: dict[str, Any], source: Path) -> StenogramError:
    facts = reply["facts"]
    if issubclass(_ERRORS[reply["error"]], errors.InputError):
        facts["path"] = source
    return _ERRORS[reply["error"]](**facts)


def _family(kind: type[StenogramError]) -> Iterator[type[StenogramError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


_ERRORS = {kind.code: kind for kind in _family(StenogramError)}
