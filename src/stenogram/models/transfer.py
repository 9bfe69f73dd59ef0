"""Models by hand: from a folder or archive into the models folder, and out into an archive for another machine."""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from stenogram import languages
from stenogram.config import Settings
from stenogram.errors import Cancelled, ModelDamaged, ModelError, ModelNotInstalled, OptionError, StorageError
from stenogram.models import catalogue, roles, store
from stenogram.models.archive import Entry, opened, safe_name
from stenogram.models.catalogue import File, Model
from stenogram.models.digests import Digest, Running
from stenogram.protocols import Stop
from stenogram.types import ModelFiles

Progress = Callable[[int, int], None]

_READ_BYTES = 1 << 20
_ROW = "model.json"
_ABANDONED_S = 24 * 3600


def import_model(model: Model, source: Path, settings: Settings, progress: Progress, stop: Stop) -> ModelFiles:
    """Copy a model from a folder, a zip or tar archive, or its only file, into the models folder.

    ``model``: a row of the catalogue, or what ``describe`` made. Every file is checked against the row (and against the
    row that an exported archive carries) before the model counts as installed. Raises ``ModelError`` for an archive
    that would write outside its folder, ``ModelDamaged``, ``ModelNotInstalled`` naming what is missing,
    ``StorageError``, ``Cancelled``.
    """
    folder = store.folder_of(model, settings)
    if model.bundled:
        raise ModelError(model=model.name, cause="it comes with the program; nothing is to be imported")
    temporary = settings.models_dir / f".import-{os.getpid()}-{secrets.token_hex(4)}"
    _sweep(settings.models_dir)
    try:
        with opened(source, model.name) as entries:
            exported = _row_in(entries)
            chosen = _choose(model, exported, entries)
            chosen.sort(key=lambda pair: entries.index(pair[1]))  # a packed archive is read from front to back
            _check_room(settings.models_dir, sum(entry.size for _, entry in chosen))
            digests = _copy(model, chosen, temporary, progress, stop)
        if store.is_custom(model):
            files = tuple(
                msgspec.structs.replace(file, bytes=(temporary / file.name).stat().st_size, about_bytes=0)
                for file, _ in chosen
            )
            store.write_json(temporary / _ROW, msgspec.structs.replace(model, files=files))
        folder.mkdir(parents=True, exist_ok=True)
        with store.alone(folder, stop):
            for path in sorted(path for path in temporary.rglob("*") if path.is_file()):
                target = folder / path.relative_to(temporary)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
            store.write_record(folder, digests)
    except OSError as error:
        raise StorageError(path=error.filename or folder, cause=error.strerror or error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return store.files_of(model if not store.is_custom(model) else store.find(model.name, settings), settings)


def describe(name: str, engine: str, languages: tuple[str, ...], source: Path) -> Model:
    """The row of a model that the catalogue does not know, from the files of a folder or archive.

    Raises ``OptionError`` where its files are not those of the engine, ``ModelError`` for an unsafe archive.
    """
    _check_name(name)
    with opened(source, name) as entries:
        found = roles.assign(engine, [entry.name for entry in entries])
    return Model(
        name=name,
        engine=engine,
        languages=languages,
        licence="not known",
        licence_url="",
        source="imported",
        files=tuple(File(role=role, name=path) for role, path in sorted(found.items())),
        kind=roles.kind_of(engine),
    )


def checked(row: Model) -> Model:
    """The row of an exported archive, if it may be believed: a stranger may have written it.

    Raises ``OptionError``, ``ModelError`` for names that are no plain names or an engine that is not known.
    """
    _check_name(row.name)
    if row.engine not in roles.ENGINES or row.bundled or not row.files:
        raise ModelError(model=row.name, cause="the archive does not describe a model of a known engine")
    if any(code != "*" and code not in languages.NAMES for code in row.languages):
        raise ModelError(model=row.name, cause="the archive names a language that is not known")
    if not all(text.isprintable() for text in (row.licence, row.licence_url, row.source)):
        raise ModelError(model=row.name, cause="the archive describes it in letters that cannot be printed")
    for file in row.files:
        safe_name(file.name, row.name)
    return msgspec.structs.replace(row, kind=roles.kind_of(row.engine), repo=None, url=None, aliases=())


def described_in(source: Path) -> Model | None:
    """The row that an exported archive carries, or None."""
    with opened(source, source.name) as entries:
        return _row_in(entries)


def export_model(model: Model, target: Path, settings: Settings, progress: Progress, stop: Stop) -> Path:
    """Write an installed model into a tar archive that ``import_model`` takes; the same model gives the same bytes.

    Every file is hashed on its way. Raises ``ModelNotInstalled``, ``ModelDamaged``, ``StorageError``, ``Cancelled``.
    """
    files = store.files_of(model, settings)
    digests = store.digests_of(model, settings)
    sizes = {file.role: files.paths[file.role].stat().st_size for file in model.files}
    exact = tuple(
        msgspec.structs.replace(file, bytes=sizes[file.role], about_bytes=0, sha256=digests[file.name].sha256)
        for file in model.files
    )
    row = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(model, files=exact)))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(_member(f"{model.name}/{_ROW}", len(row)), io.BytesIO(row))
            done = 0
            for file in sorted(exact, key=lambda file: file.name):
                with files.paths[file.role].open("rb") as data:
                    reader = _Reader(data, partial(_tell, progress, done, sum(sizes.values())), stop)
                    archive.addfile(_member(f"{model.name}/{file.name}", sizes[file.role]), reader)
                if reader.running.sha256() != file.sha256:
                    advice = f"Get it again: stenogram models pull {model.name}"
                    raise ModelDamaged(model=model.name, path=files.paths[file.role], advice=advice)
                done += sizes[file.role]
        temporary.replace(target)
    except OSError as error:
        raise StorageError(path=target, cause=error.strerror or error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise OptionError(name="--name", value=name, cause="may hold letters, digits, dots, dashes and underscores")
    if any(name.lower() in (other.name, *other.aliases) for other in catalogue.models()):
        raise OptionError(name="--name", value=name, cause="is a model of the catalogue; choose another name")


def _row_in(entries: list[Entry]) -> Model | None:
    """The row that an exported archive carries; None where there is none or it is not readable."""
    for entry in entries:
        if entry.name == _ROW:
            with entry.open() as data:
                try:
                    return msgspec.json.decode(data.read(_READ_BYTES), type=Model)
                except msgspec.DecodeError:
                    return None
    return None


def _choose(model: Model, exported: Model | None, entries: list[Entry]) -> list[tuple[File, Entry]]:
    """Each file of the model with its entry; a digest that the archive carries is checked too."""
    by_name = {entry.name: entry for entry in entries}
    carried = {file.name: file.sha256 for file in exported.files} if exported and exported.name == model.name else {}
    chosen, missing = [], []
    for file in model.files:
        entry = by_name.get(file.name) or by_name.get(PurePosixPath(file.name).name)
        if entry is None and len(model.files) == len(entries) == 1:
            entry = entries[0]  # a file by itself, whatever it is called
        if entry is None:
            missing.append(file.name)
        else:
            chosen.append((msgspec.structs.replace(file, sha256=file.sha256 or carried.get(file.name)), entry))
    if missing:
        raise ModelNotInstalled(model=model.name, advice=f"Not found: {', '.join(missing)}. Nothing was imported.")
    return chosen


def _sweep(folder: Path) -> None:
    """Remove what imports left that were killed."""
    for path in folder.glob(".import-*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


def _check_room(folder: Path, need: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if need > free:
        cause = f"{need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free there"
        raise StorageError(path=folder, cause=cause)


def _copy(
    model: Model, chosen: list[tuple[File, Entry]], folder: Path, progress: Progress, stop: Stop
) -> dict[str, Digest]:
    """Copy into ``folder``, hashing; gives the digests. Raises ``ModelDamaged`` with the name of a wrong file."""
    vouched = {file.name for file in model.files if file.sha256}
    total = sum(entry.size for _, entry in chosen)
    digests: dict[str, Digest] = {}
    done = 0
    for file, entry in chosen:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as data, target.open("wb") as out:
            reader = _Reader(data, partial(_tell, progress, done, total), stop, file)
            while piece := reader.read(min(_READ_BYTES, entry.size - reader.running.bytes)):
                out.write(piece)
        if reader.running.bytes != entry.size or not reader.running.fits(file):
            raise ModelDamaged(model=model.name, path=entry.name, advice="Nothing was imported.")
        known = file.name in vouched and not store.is_custom(model)
        digests[file.name] = Digest(reader.running.sha256(), "catalogue" if known else "pinned")
        done += entry.size
    return digests


def _tell(progress: Progress, before: int, total: int, count: int) -> None:
    progress(before + count, total)


class _Reader:
    """A file that is hashed, counted and stoppable as it is read."""

    def __init__(self, data: IO[bytes], told: Callable[[int], None], stop: Stop, file: File | None = None) -> None:
        self.running = Running(crc32c=file is not None and file.crc32c is not None)
        self._data = data
        self._told = told
        self._stop = stop

    def read(self, size: int = -1, /) -> bytes:
        if self._stop():
            raise Cancelled
        piece = self._data.read(size)
        self.running.update(piece)
        self._told(self.running.bytes)
        return piece


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A tar entry that says nothing of this machine or hour."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info
