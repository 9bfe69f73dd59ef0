"""Files under way: those of killed processes are known, and removed."""

from __future__ import annotations

import errno
import logging
import re
import secrets
import threading
import time
import uuid
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from stenogram.errors import StorageError, StorageFull

log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNDER_WAY = re.compile(r"([0-9a-f]{16})(?:\.lock|-[0-9a-f]{32}(?:\.\w+)?)")
_ABANDONED_S = 86_400.0
"""A file under way whose process cannot be told is removed when nothing was written to it for so long."""


class Desk:
    """Files under way, in a folder that other processes use too.

    Their names begin with a mark of this process, and a lock of the operating system is held on ``<mark>.lock`` while
    it lives: so the files of a killed process are known, and removed by the next one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = secrets.token_hex(8)
        self._lock: Any = None
        self._taking = threading.Lock()

    def place(self, suffix: str = "") -> Path:
        """A new name for a file. Raises ``StorageError`` where the folder cannot be made."""
        with self._taking:
            if self._lock is None:
                try:
                    self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                except OSError as error:
                    raise translated(self.folder, error) from error
                self.sweep()
                self._lock = _lock_on(self._lock_file(self._mark))
                with suppress(OSError, NotImplementedError):  # a file server without locks: then the age decides
                    self._lock.acquire(blocking=False)
        return self.folder / f"{self._mark}-{uuid.uuid4().hex}{suffix}"

    def sweep(self) -> int:
        """Remove what killed processes left; gives the number of files."""
        left: defaultdict[str, list[Path]] = defaultdict(list)
        for path in _listing(self.folder):
            found = _UNDER_WAY.fullmatch(path.name)
            if found and found[1] != self._mark:
                left[found[1]].append(path)
        return sum(self._sweep_of(self._lock_file(mark), paths) for mark, paths in left.items())

    def _sweep_of(self, lock_file: Path, paths: list[Path]) -> int:
        from filelock import Timeout

        files = [path for path in paths if path != lock_file]
        if lock_file not in paths:
            return _remove(path for path in files if _is_old(path))
        lock = _lock_on(lock_file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return 0  # its process lives
        except (OSError, NotImplementedError):
            return _remove(path for path in files if _is_old(path))
        removed = _remove(files)
        with suppress(OSError):
            lock_file.unlink()  # while it is held: nobody can come between (Windows refuses, and gets it below)
        lock.release(force=True)
        with suppress(OSError):
            lock_file.unlink(missing_ok=True)
        return removed

    def _lock_file(self, mark: str) -> Path:
        return self.folder / f"{mark}.lock"


def translated(place: object, error: Exception) -> StorageError:
    """A store's failure as one of ours."""
    if isinstance(error, StorageError):
        return error
    number = error.errno if isinstance(error, OSError) else None
    kind = StorageFull if number in _FULL else StorageError
    cause = (error.strerror if isinstance(error, OSError) else None) or f"{type(error).__name__}: {error}"
    return kind(path=place, cause=cause)


def _lock_on(path: Path) -> Any:
    from filelock import FileLock

    return FileLock(path, thread_local=False)


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED_S
    except OSError:
        return False


def _remove(paths: Any) -> int:
    removed = 0
    for path in paths:
        with suppress(OSError):
            path.unlink()
            removed += 1
            log.info("removed what a killed process left: %s", path)
    return removed
