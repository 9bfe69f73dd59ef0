"""Recordings by URL: a folder of this machine by default, or any store that fsspec knows, such as ``s3://``.

``receive`` takes one in piece by piece, hashing on the way; ``local`` lends it as a file. A recording lies at
``<year>/<month>/<id>/<name>`` under the store's URL, which is what ``Media.url`` says: a store that moves keeps its
recordings.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
import sys
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from stenogram.errors import FileNotReadable, OptionError, StenogramError
from stenogram.job import Media
from stenogram.media.desk import Desk, translated

log = logging.getLogger(__name__)

_SETTING = "STENOGRAM_MEDIA_URL"
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)
_PLACE = re.compile(r"\d{4}/\d{2}/[0-9a-f]{32}/[\w-]+(\.\w+)?")
"""Where recordings lie; nothing else is ever read or deleted, whatever a URL says."""
_PLACE_DEPTH = 4
_COPY = "_playable.mp3"
"""Beside its recording; ``safe_name`` gives no such name."""
_GONE = "it is not in the store any more"
_MOST_STEM_BYTES = 80
_MOST_ENDING_BYTES = 16
_DEVICES = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE)
"""Names that Windows takes for devices, whatever their ending."""
_S3_PIECE_BYTES = 8 * 2**20
"""s3fs holds whole pieces in memory; its own default is 50 MB, ten at once."""
_S3_AT_ONCE = 2


class MediaStore:
    """Recordings under ``url``; ``scratch`` is a folder of this machine for copies of what lies elsewhere.

    Safe to use from several threads; several processes and machines may share a store. Raises ``OptionError`` for a
    URL that cannot be served by what is installed.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        self._files, self._root = _opened(url)
        protocols = (self._files.protocol,) if isinstance(self._files.protocol, str) else self._files.protocol
        self._remote = "file" not in protocols
        self._put: dict[str, Any] = {"chunksize": _S3_PIECE_BYTES} if "s3" in protocols else {}
        self._desk = Desk(scratch / "media" if self._remote else Path(self._root) / ".incoming")

    def receive(self, filename: str) -> Receiver:
        """Begin to take in a recording. Raises ``StorageError``."""
        return Receiver(self, filename, self._desk.place())

    @contextmanager
    def local(self, url: str) -> Iterator[Path]:
        """The recording as a file of this machine, for the block.

        Raises ``FileNotReadable`` where it is gone, ``StorageError`` where the store or the scratch fails.
        """
        name = self._name(url)
        if not self._remote:
            if not Path(name).is_file():
                raise FileNotReadable(path=url, cause=_GONE)
            yield Path(name)
            return
        copy = self._desk.place(PurePosixPath(name).suffix)
        try:
            self._fetch(url, name, copy)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def size(self, url: str) -> int:
        """Bytes of a recording, or of its playable copy.

        Raises ``FileNotReadable`` where it is gone, ``StorageError`` where the store fails.
        """
        with self._reading(url) as name:
            return int(self._files.size(name))

    def read(self, url: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` (exclusive) of a recording, or of its playable copy. Raises as ``size`` does."""
        with self._reading(url) as name:
            return bytes(self._files.cat_file(name, start=start, end=end))

    def add_copy(self, url: str, make: Callable[[Path], None]) -> None:
        """Keep what ``make`` writes as the playable copy of a recording, with which it is deleted.

        Raises ``FileNotReadable`` where the recording is gone, ``StorageError``, and what ``make`` raises.
        """
        part, target = self._desk.place(".mp3"), self._name(copy_of(url))
        try:
            make(part)
            if self._remote:
                self._store(part, target)
            else:
                part.replace(target)
            if not self._files.exists(self._name(url)):  # it was deleted meanwhile
                self.delete(url)
                raise FileNotReadable(path=url, cause=_GONE)
        except (StenogramError, MemoryError):
            raise
        except FileNotFoundError as error:  # the folder went with the recording
            raise FileNotReadable(path=url, cause=_GONE) from error
        except Exception as error:  # each store's driver raises its own kinds
            raise translated(url, error) from error
        finally:
            part.unlink(missing_ok=True)

    def delete(self, url: str) -> None:
        """Remove a recording with its playable copy, and the folders that are empty then.

        One that is gone already does no harm.

        Raises ``StorageError``, and ``FileNotReadable`` for a URL that is not of this store.
        """
        name = self._name(url)
        try:
            for each in (name, self._name(copy_of(url))):
                with suppress(FileNotFoundError):
                    self._files.rm_file(each)
        except Exception as error:  # each store's driver raises its own kinds
            raise translated(url, error) from error
        if not self._remote:
            with suppress(OSError):  # the first that is not empty ends it
                for folder in list(Path(name).parents)[: _PLACE_DEPTH - 1]:
                    folder.rmdir()

    def free_bytes(self) -> int | None:
        """Room on the disk where recordings arrive; None where it cannot be told."""
        folder = self._desk.folder
        try:
            while not folder.exists():
                folder = folder.parent
            return shutil.disk_usage(folder).free
        except OSError:
            return None

    def sweep(self) -> int:
        """Remove what killed processes left under way; gives the number of files. Never raises."""
        return self._desk.sweep()

    def keep(self, part: Path, filename: str) -> str:
        """Move a finished file to its place; gives its URL. Raises ``StorageError``."""
        url = f"{time.strftime('%Y/%m', time.gmtime())}/{uuid.uuid4().hex}/{safe_name(filename)}"
        try:
            if self._remote:
                self._store(part, f"{self._root}/{url}")
            else:
                _move(part, Path(self._root) / url)
        except Exception as error:  # each store's driver raises its own kinds
            raise translated(f"the store of recordings ({url})", error) from error
        return url

    def _store(self, part: Path, target: str) -> None:
        try:
            self._files.put_file(str(part), target, **self._put)
        except BaseException:
            with suppress(Exception):
                self._files.rm_file(target)
            raise
        part.unlink()

    def _fetch(self, url: str, name: str, copy: Path) -> None:
        try:
            self._files.get_file(name, str(copy))
        except FileNotFoundError as error:
            raise FileNotReadable(path=url, cause=_GONE) from error
        except Exception as error:  # each store's driver raises its own kinds
            raise translated(url, error) from error

    @contextmanager
    def _reading(self, url: str) -> Iterator[str]:
        name = self._name(url)
        try:
            yield name
        except FileNotFoundError as error:
            raise FileNotReadable(path=url, cause=_GONE) from error
        except Exception as error:  # each store's driver raises its own kinds
            raise translated(url, error) from error

    def _name(self, url: str) -> str:
        if not _PLACE.fullmatch(url):
            raise FileNotReadable(path=repr(url), cause="it is no recording of this store")
        return f"{self._root}/{url}"


class Receiver:
    """A recording that is coming in; by one thread at a time."""

    def __init__(self, store: MediaStore, filename: str, path: Path) -> None:
        self._store = store
        self._filename = filename
        self._digest = hashlib.sha256()
        self._path = path
        self.size = 0
        """Bytes that have come."""
        try:
            self._file = self._path.open("xb")
        except OSError as error:
            raise translated(path.parent, error) from error

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises ``StorageError``; nothing is left then."""
        try:
            self._file.write(data)
        except OSError as error:
            self.abort()
            raise translated(self._path.parent, error) from error
        self._digest.update(data)
        self.size += len(data)

    def close(self) -> Media:
        """All has come, and outlives a power cut from here on. Raises ``StorageError``; nothing is left then."""
        try:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
            except OSError as error:
                raise translated(self._path.parent, error) from error
            url = self._store.keep(self._path, self._filename)
        except BaseException:
            self.abort()
            raise
        return Media(url, self._digest.hexdigest(), self.size, self._filename)

    def abort(self) -> None:
        """Leave nothing behind; idempotent, and nothing once it is kept."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def copy_of(url: str) -> str:
    """Where the playable copy of a recording lies."""
    return f"{url.rpartition('/')[0]}/{_COPY}"


def safe_name(filename: str) -> str:
    """A name that no file system objects to, at most about 100 bytes; the ending is kept."""
    name = unicodedata.normalize("NFC", filename.replace("\\", "/").rstrip("/").rpartition("/")[2])
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = ending, ""
    stem = _cut(re.sub(r"[^\w-]+", "_", stem), _MOST_STEM_BYTES).strip("_-") or "recording"
    if _DEVICES.fullmatch(stem):
        stem = f"{stem}_"
    ending = _cut(re.sub(r"\W+", "", ending), _MOST_ENDING_BYTES)
    return f"{stem}.{ending}" if ending else stem


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def _opened(url: str) -> tuple[Any, str]:
    """The store of a URL, and its root in it."""
    from fsspec.core import split_protocol, url_to_fs

    protocol = split_protocol(url)[0] or "file"
    options: dict[str, Any] = {}
    if protocol in ("s3", "s3a"):
        options = {"default_block_size": _S3_PIECE_BYTES, "max_concurrency": _S3_AT_ONCE}
    try:
        files, root = url_to_fs(url, **options)
    except ImportError as error:
        advice = "pip install 'stenogram[s3]'" if options else str(error)
        cause = f"{protocol}:// needs a package that is not installed: {advice}"
        raise OptionError(name=_SETTING, value=f"{protocol}://...", cause=cause) from error
    except ValueError as error:
        cause = f"{protocol}: is no kind of store; use a folder, s3://, gs:// or another one fsspec knows"
        raise OptionError(name=_SETTING, value=f"{protocol}://...", cause=cause) from error
    root = root.rstrip("/")
    if not root:
        raise OptionError(name=_SETTING, value=f"{protocol}://", cause="must name a folder or a bucket")
    return files, root


def _move(part: Path, target: Path) -> None:
    """Into its place, at once and durably."""
    for last in (False, False, True):
        try:
            target.parent.mkdir(parents=True)
            break
        except FileNotFoundError:  # a month's folder was empty, and removed just now
            if last:
                raise
    try:
        part.replace(target)
        for folder in list(target.parents)[:_PLACE_DEPTH]:
            _sync(folder)
    except BaseException:
        with suppress(OSError):
            target.unlink(missing_ok=True)
            target.parent.rmdir()
        raise


def _sync(folder: Path) -> None:
    """Have the names in a folder outlive a power cut (Windows does so by itself, some file servers cannot)."""
    if sys.platform == "win32":
        return
    try:
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
