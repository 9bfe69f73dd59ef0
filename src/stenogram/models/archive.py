"""The files of a folder or of a zip or tar archive that a stranger may have made: nothing outside is ever named."""

from __future__ import annotations

import contextlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from stenogram.errors import ModelError

_MOST_ENTRIES = 2000
_MOST_BYTES = 64 << 30
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a folder or archive."""

    name: str
    """Its path inside, forward slashes."""
    size: int
    """Bytes: what the archive claims; never more is read."""
    open: Callable[[], IO[bytes]]


@contextlib.contextmanager
def opened(source: Path, model: str) -> Iterator[list[Entry]]:
    """The files of a folder, a zip or tar archive, or one file by itself; a single top folder is taken off.

    Raises ``ModelError`` for an archive with entries that point outside, links, devices, or too many entries.
    """
    with contextlib.ExitStack() as stack:
        try:
            entries = _entries(source, model, stack)
        except OSError as error:
            raise ModelError(model=model, cause=f"{source} cannot be read: {error.strerror or error}") from error
        except _DAMAGE as error:
            raise ModelError(model=model, cause=f"{source} is damaged: {error}") from error
        try:
            yield _without_top(entries)
        except _DAMAGE as error:
            raise ModelError(model=model, cause=f"{source} is damaged: {error}") from error


def _entries(source: Path, model: str, stack: contextlib.ExitStack) -> list[Entry]:
    if source.is_dir():
        return _folder(source)
    if zipfile.is_zipfile(source) and not _is_weights(source):
        return _zip(stack.enter_context(zipfile.ZipFile(source)), model)
    if tarfile.is_tarfile(source):
        return _tar(stack.enter_context(tarfile.open(source)), model)
    return [Entry(source.name, source.stat().st_size, partial(_reading, source))]


def _is_weights(source: Path) -> bool:
    """PyTorch's own files are zip archives too, and are wanted whole."""
    return source.suffix in {".pt", ".pth", ".bin"}


def _folder(source: Path) -> list[Entry]:
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    return [Entry(path.relative_to(source).as_posix(), path.stat().st_size, partial(_reading, path)) for path in paths]


def _reading(path: Path) -> IO[bytes]:
    return path.open("rb")


def _zip(archive: zipfile.ZipFile, model: str) -> list[Entry]:
    entries: list[Entry] = []
    claimed = 0
    for count, info in enumerate(archive.infolist(), 1):
        claimed += info.file_size
        _bound(count, claimed, model)
        mode = info.external_attr >> 16
        if info.is_dir():
            continue
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise _unsafe(model, info.filename, "it is no plain file")
        if info.flag_bits & 1:
            raise ModelError(model=model, cause=f"{info.filename} in the archive is encrypted")
        name = safe_name(info.orig_filename, model)
        entries.append(Entry(name, info.file_size, partial(archive.open, info)))
    return entries


def _tar(archive: tarfile.TarFile, model: str) -> list[Entry]:
    entries: list[Entry] = []
    claimed = 0
    for count, info in enumerate(archive, 1):
        claimed += info.size
        _bound(count, claimed, model)
        if info.isdir():
            continue
        if not info.isreg():
            raise _unsafe(model, info.name, "it is no plain file")
        name = safe_name(info.name, model)
        entries.append(Entry(name, info.size, partial(_extracting, archive, info)))
    return entries


def _extracting(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    data = archive.extractfile(info)
    if data is None:
        raise tarfile.ReadError(f"{info.name} cannot be read")
    return data


def _bound(count: int, total_bytes: int, model: str) -> None:
    """Refuse what is no model, before more of it is read."""
    if count > _MOST_ENTRIES or total_bytes > _MOST_BYTES:
        cause = f"the archive holds more than {_MOST_ENTRIES} files or {_MOST_BYTES >> 30} GiB; that is no model"
        raise ModelError(model=model, cause=cause)


def safe_name(name: str, model: str) -> str:
    """The path of an entry, if it stays inside. Raises ``ModelError``."""
    path = PurePosixPath(name)
    if "\\" in name or ":" in name or "\0" in name or path.is_absolute() or ".." in path.parts or not path.parts:
        raise _unsafe(model, name, "it points outside")
    return path.as_posix()


def _unsafe(model: str, name: str, why: str) -> ModelError:
    return ModelError(model=model, cause=f"the archive is not safe: {name!r}: {why}. Nothing was imported")


def _without_top(entries: list[Entry]) -> list[Entry]:
    tops = {PurePosixPath(entry.name).parts[0] for entry in entries}
    if len(tops) != 1 or any(len(PurePosixPath(entry.name).parts) == 1 for entry in entries):
        return entries
    return [Entry(entry.name.partition("/")[2], entry.size, entry.open) for entry in entries]
