"""The cache in a folder of this machine, shared by all its processes, bounded in size."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from stenogram.cache.entry import check_name, pack, place, unpack

log = logging.getLogger(__name__)

_BLOCK_BYTES = 4096
"""Small files take whole blocks of the disk; this is the block of ext4, APFS and NTFS."""
_EVICT_TO = 0.9
"""Share of the bound that is left after an eviction, so that not every write evicts."""
_RECOUNT_BYTES = 64 * 2**20
"""Other processes write too: count all entries again after writing this much."""
_TOTAL_VALID_S = 3600.0
"""A process that writes little trusts the last count of any process for so long."""
_STRAY_AFTER_S = 3600.0
"""A half-written entry older than this belongs to a process that died."""
_TOUCH_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class KindInfo:
    """What one kind of entry takes."""

    entries: int = 0
    bytes: int = 0
    """On disk, in whole blocks."""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What the cache holds on this machine."""

    folder: Path
    entries: int
    bytes: int
    """On disk, in whole blocks; this is what ``max_bytes`` bounds."""
    max_bytes: int
    kinds: Mapping[str, KindInfo] = field(default_factory=dict)
    url: str | None = None
    """The shared store written through to, without passwords."""


class _Entry(NamedTuple):
    used: float
    bytes: int
    path: str
    kind: str


class LocalCache:
    """Results in ``folder``, at most ``max_bytes`` of disk (0: store and find nothing), least recently used out first.

    Safe with several threads and processes without any lock between them: an entry appears whole by an atomic rename,
    its checksum tells a torn one, and an entry that two processes evict at once is merely gone. The bound is held to
    within what the other processes wrote since the last count. Nothing is synced to the disk's platters: a killed
    process loses nothing, a power cut may lose the last seconds but never yields a wrong entry.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._root = folder / "v1"
        self._lock = threading.Lock()
        self._total: int | None = None
        self._uncounted = 0
        self._told = False

    def get(self, kind: str, key: str) -> bytes | None:
        """The stored bytes, or None. A damaged entry is removed and is a miss."""
        path = self.folder / place(kind, key)
        if not self.max_bytes:
            return None
        try:
            entry = path.read_bytes()
        except OSError:  # absent; or not for us, which ``put`` will tell
            return None
        value = unpack(kind, key, entry)
        with suppress(OSError):  # read-only, or removed meanwhile: the value counts, not its age
            if value is None:
                log.warning("removed a damaged cache entry: %s", path)
                path.unlink()
            elif abs(time.time() - path.stat().st_mtime) > _TOUCH_EVERY_S:
                os.utime(path)
        return value

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Store ``value``; after this it survives ``kill -9``. What cannot be stored is logged once, not raised."""
        path = self.folder / place(kind, key)
        entry = pack(kind, key, value)
        cost = _on_disk(len(entry))
        if cost > self.max_bytes:
            log.debug("not cached, larger than the whole cache: %s/%s, %d bytes", kind, key, cost)
            return
        try:
            self._write(path, entry)
            with self._lock:
                self._account(cost)
        except OSError as error:
            self._tell(error)

    def info(self) -> CacheInfo:
        """Count what is stored."""
        kinds: dict[str, KindInfo] = {}
        for entry in self._entries():
            known = kinds.get(entry.kind, KindInfo())
            kinds[entry.kind] = KindInfo(known.entries + 1, known.bytes + entry.bytes)
        return CacheInfo(
            folder=self.folder,
            entries=sum(kind.entries for kind in kinds.values()),
            bytes=sum(kind.bytes for kind in kinds.values()),
            max_bytes=self.max_bytes,
            kinds=dict(sorted(kinds.items())),
        )

    def clear(self, kind: str | None = None) -> int:
        """Remove all entries, or those of one kind; gives the bytes freed. What cannot be removed stays."""
        if kind is not None:
            check_name(kind)
        freed = sum(entry.bytes for entry in self._entries(kind) if _remove(entry.path))
        with self._lock, suppress(OSError):
            self._total = None
            (self._root / ".total").unlink(missing_ok=True)
        return freed

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self._root / ".tmp" / f"{os.getpid()}-{secrets.token_hex(8)}"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # transcripts are private
        temporary.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except PermissionError:
            # Windows: another process has this very entry open. Same key, same value: it is stored already.
            if not path.exists():
                raise
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _account(self, cost: int) -> None:
        """Add what was written; evict when the bound is passed. Called with the lock held."""
        if self._total is None:
            self._remove_strays()
            self._total = self._last_count()
        else:
            self._total += cost
        self._uncounted += cost
        if self._total > self.max_bytes or self._uncounted >= min(_RECOUNT_BYTES, self.max_bytes // 8):
            self._total = self._evict()
            self._uncounted = 0
            self._write(self._root / ".total", str(self._total).encode())

    def _last_count(self) -> int:
        """Size of all entries: the last count of any process where it is fresh, else counted now."""
        path = self._root / ".total"
        with suppress(OSError, ValueError):
            if abs(time.time() - path.stat().st_mtime) < _TOTAL_VALID_S:
                return int(path.read_bytes())
        total = sum(entry.bytes for entry in self._entries())
        self._write(path, str(total).encode())
        return total

    def _evict(self) -> int:
        """Bring the cache below its bound where it is above; gives its size."""
        entries = list(self._entries())
        total = sum(entry.bytes for entry in entries)
        if total <= self.max_bytes:
            return total
        entries.sort()
        for entry in entries:
            if total <= self.max_bytes * _EVICT_TO:
                break
            if _remove(entry.path):
                total -= entry.bytes
        return total

    def _entries(self, kind: str | None = None) -> Iterator[_Entry]:
        for kind_folder in _listing(self._root):
            if kind_folder.name.startswith(".") or kind not in (None, kind_folder.name):
                continue
            for shard in _listing(kind_folder):
                for file in _listing(shard):
                    with suppress(OSError):  # evicted by another process meanwhile
                        facts = file.stat()
                        yield _Entry(facts.st_mtime, _on_disk(facts.st_size), file.path, kind_folder.name)

    def _remove_strays(self) -> None:
        for file in _listing(self._root / ".tmp"):
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > _STRAY_AFTER_S:
                    _remove(file.path)

    def _tell(self, error: OSError) -> None:
        if self._told:
            return
        self._told = True
        log.warning(
            "the cache in %s cannot be used: %s. The run goes on, but what it finishes is not kept for the next one. "
            "Free some space or make the folder writable, or set STENOGRAM_HOME to another folder.",
            self.folder,
            error,
        )


def _on_disk(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _listing(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing where it is absent, unreadable or a file."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _remove(path: str) -> bool:
    """Remove a file; True when it is gone, whoever removed it."""
    try:
        os.unlink(path)  # noqa: PTH108 - thousands of them, as plain strings
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
