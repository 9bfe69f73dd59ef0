"""Private folders for the decoded samples of running runs: big, and gone when the run ends, however it ends."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stenogram.errors import StorageError

if TYPE_CHECKING:
    from filelock import FileLock

log = logging.getLogger(__name__)

_LOCK = ".lock"
_OURS = re.compile(r"[0-9a-f]{16}")
"""Names of work folders; whatever else lies there is left alone."""
_LONE_LOCK_AFTER_S = 86_400.0
"""A lock file without its folder is removed after this; it may belong to a run that is just starting."""


@contextmanager
def workspace(cache_dir: Path) -> Iterator[Path]:
    """A new private folder in ``cache_dir/work``, removed at the end of the block, also when an exception passes.

    A lock of the operating system marks it as in use, so one whose process was killed is known and removed at the next
    start (``sweep``). Raises ``StorageError`` where it cannot be made.
    """
    from filelock import FileLock

    sweep(cache_dir)
    private = cache_dir / "work" / secrets.token_hex(8)
    lock = FileLock(private.with_suffix(_LOCK), thread_local=False)
    try:
        private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()  # before the folder exists: a folder without a lock held is one nobody uses
        private.mkdir(mode=0o700)
    except OSError as error:
        _let_go(lock)
        cause = f"{error.strerror or error}. Decoded sound needs room there; set STENOGRAM_HOME to another folder"
        raise StorageError(path=private.parent, cause=cause) from error
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)
        _let_go(lock)


def sweep(cache_dir: Path) -> int:
    """Remove the work folders that killed processes left; gives their number. Never raises."""
    from filelock import FileLock, Timeout

    removed = 0
    for path in _listing(cache_dir / "work"):
        if path.suffix == _LOCK:
            _remove_lone_lock(path)
        if not (_OURS.fullmatch(path.name) and path.is_dir()):
            continue
        lock = FileLock(path.with_suffix(_LOCK), thread_local=False)
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
