"""Private folders for the decoded samples of running runs: big, and gone when the run ends, however it ends."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stenogram.cache.entry import check_name
from stenogram.errors import StorageError

if TYPE_CHECKING:
    from filelock import FileLock

log = logging.getLogger(__name__)

_LOCK = ".lock"
_LONE_LOCK_AFTER_S = 86_400.0
"""A lock file without its folder is removed after this; it may belong to a run that is just starting."""


@contextmanager
def workspace(folder: Path, key: str) -> Iterator[Path]:
    """A new private folder under ``folder`` for the recording ``key`` (hex digest), removed at the end of the block.

    A lock of the operating system marks it as in use, so one whose process was killed is known and removed at the next
    start (``sweep``). Raises ``StorageError`` where it cannot be made.
    """
    from filelock import FileLock

    check_name("work", key)
    sweep(folder)
    private = folder / f"{key[:16]}-{secrets.token_hex(8)}"
    lock = FileLock(folder / (private.name + _LOCK), thread_local=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()  # before the folder exists: a folder without a lock held is one nobody uses
        private.mkdir(mode=0o700)
    except OSError as error:
        lock.release(force=True)
        cause = f"{error.strerror or error}. Decoded sound needs room there; set STENOGRAM_HOME to another folder"
        raise StorageError(path=folder, cause=cause) from error
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)
        _let_go(lock)


def sweep(folder: Path) -> int:
    """Remove what killed processes left under ``folder``; gives the number of folders removed. Never raises."""
    from filelock import FileLock, Timeout

    removed = 0
    for path in _listing(folder):
        if path.suffix == _LOCK:
            _remove_lone_lock(path)
        if not path.is_dir():
            continue
        lock = FileLock(path.with_name(path.name + _LOCK), thread_local=False)
        try:
            lock.acquire(blocking=False)
        except (Timeout, OSError):
            continue  # in use, or another user's
        log.info("removing what a killed run left: %s", path)
        shutil.rmtree(path, ignore_errors=True)
        removed += 1
        _let_go(lock)
    return removed


def _let_go(lock: FileLock) -> None:
    path = Path(lock.lock_file)
    with suppress(OSError):
        path.unlink()  # while it is held: nobody can come between (Windows refuses, and gets it below)
    lock.release(force=True)
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _remove_lone_lock(path: Path) -> None:
    with suppress(OSError):
        if not path.with_suffix("").exists() and time.time() - path.stat().st_mtime > _LONE_LOCK_AFTER_S:
            path.unlink()


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
