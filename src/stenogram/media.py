"""Recordings by URL: a folder of this machine by default, or any store that fsspec knows, such as ``s3://``.

``receive`` takes one in piece by piece, hashing on the way; ``local`` lends it as a file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from stenogram.errors import FileNotReadable, StorageError, StorageFull
from stenogram.job import Media

_FULL = (28, 122)
"""``ENOSPC``, ``EDQUOT``."""


class MediaStore:
    """Recordings under ``url``; ``scratch`` is a folder for copies of what lies elsewhere."""

    def __init__(self, url: str, scratch: Path) -> None:
        import fsspec

        self._files, root = fsspec.core.url_to_fs(url)
        self._root: str = root.rstrip("/")
        self._remote = "file" not in _protocols(self._files)
        self._scratch = scratch if self._remote else Path(self._root) / ".incoming"

    def receive(self, filename: str) -> Receiver:
        """Begin to take in a recording. Raises ``StorageError``."""
        return Receiver(self, filename, self._scratch)

    @contextmanager
    def local(self, url: str) -> Iterator[Path]:
        """The recording as a file of this machine, for the block. Raises ``FileNotReadable``."""
        name = self._name(url)
        if not self._remote:
            yield Path(name)
            return
        self._scratch.mkdir(parents=True, exist_ok=True)
        copy = self._scratch / f"media-{uuid.uuid4().hex}{PurePosixPath(name).suffix}"
        try:
            try:
                self._files.get_file(name, str(copy))
            except OSError as error:
                raise FileNotReadable(path=url, cause=error) from error
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def delete(self, url: str) -> None:
        """Remove a recording; one that is gone already does no harm. Raises ``StorageError``."""
        name = self._name(url)
        try:
            with suppress(FileNotFoundError):
                self._files.rm_file(name)
        except OSError as error:
            raise StorageError(path=url, cause=error) from error
        if not self._remote:
            with suppress(OSError):
                Path(name).parent.rmdir()  # the recording had a folder of its own

    def free_bytes(self) -> int | None:
        """Room that is left; None where the store does not tell."""
        if self._remote:
            return None
        folder = Path(self._root)
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def keep(self, part: Path, name: str) -> str:
        """Move a finished file to its place; gives its URL."""
        place = f"{time.strftime('%Y/%m', time.gmtime())}/{uuid.uuid4().hex}/{_safe(name)}"
        target = f"{self._root}/{place}"
        if self._remote:
            self._files.put_file(str(part), target)
            part.unlink()
        else:
            Path(target).parent.mkdir(parents=True)
            part.replace(target)
        return place

    def _name(self, url: str) -> str:
        if url.startswith("/") or ".." in PurePosixPath(url).parts:
            raise FileNotReadable(path=url, cause="it is not in the store")
        return f"{self._root}/{url}"


class Receiver:
    """A recording that is coming in."""

    def __init__(self, store: MediaStore, filename: str, folder: Path) -> None:
        self._store = store
        self._filename = filename
        self.size = 0
        """Bytes that have come."""
        self._digest = hashlib.sha256()
        self._path = folder / f"upload-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb")
        except OSError as error:
            raise _translated(folder, error) from error

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises ``StorageError``."""
        try:
            self._file.write(data)
        except OSError as error:
            self.abort()
            raise _translated(self._path.parent, error) from error
        self._digest.update(data)
        self.size += len(data)

    def close(self) -> Media:
        """All has come, and is kept from here on. Raises ``StorageError``."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            url = self._store.keep(self._path, self._filename)
        except OSError as error:
            self.abort()
            raise _translated(self._path.parent, error) from error
        return Media(url, self._digest.hexdigest(), self.size, self._filename)

    def abort(self) -> None:
        """Leave nothing behind; idempotent."""
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


def _safe(filename: str) -> str:
    """A name that no file system objects to; the ending is kept."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    stem, dot, suffix = name.rpartition(".")
    stem, suffix = (stem, suffix) if dot else (suffix, "")
    clean = re.sub(r"[^\w-]+", "_", stem)[:60].strip("_") or "recording"
    ending = re.sub(r"\W+", "", suffix)[:10]
    return f"{clean}.{ending}" if ending else clean


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _translated(folder: Path, error: OSError) -> StorageError:
    kind = StorageFull if error.errno in _FULL else StorageError
    return kind(path=folder, cause=error.strerror or error)
