"""Which models are on this machine.

A fetched or imported model is a folder ``<models_dir>/<name>`` with its files and ``record.json``: size, time of
change, SHA-256 and where that came from, so that nothing is hashed at an ordinary start. An imported model that the
catalogue does not know brings its own row, ``model.json``. The bundled model is trusted by the catalogue's digests
after a look at the sizes; ``verify`` hashes everything.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from stenogram.bundled import asset
from stenogram.config import Settings
from stenogram.engines import ENGINES
from stenogram.errors import Cancelled, ModelDamaged, ModelError, ModelNotInstalled, StorageError
from stenogram.models import catalogue
from stenogram.models.catalogue import File, Kind, Model
from stenogram.models.digests import Digest, sha256_of
from stenogram.protocols import Stop
from stenogram.types import ModelFiles

log = logging.getLogger(__name__)

_REINSTALL = "Repair it: pip install --force-reinstall --no-deps moonshine-voice==0.1.0"
_POLL_S = 0.2

WHISPER_ENGINES = ("whisper", "whisper.cpp", "openai-whisper")
"""Engines for Whisper's weights, the fastest first (measured on the same weights; see the benchmarks)."""


class Known(Digest, frozen=True, omit_defaults=True, kw_only=True):
    """What is remembered of a file here. Size and time unchanged: the digest still holds."""

    bytes: int
    mtime_ns: int


def known(settings: Settings) -> list[Model]:
    """Every model of the catalogue, and those imported beside it."""
    found = list(catalogue.models())
    names = {model.name for model in found}
    for path in sorted(settings.models_dir.glob("*/model.json")):
        try:
            model = msgspec.json.decode(path.read_bytes(), type=Model)
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s is not a readable record of a model: %s", path, error)
            continue
        if model.name == path.parent.name and model.name not in names:
            found.append(model)
    return found


def find(name: str, settings: Settings) -> Model:
    """The model of this name or alias; imported ones too. Raises ``UnknownModel``.

    A plain Whisper name (``large-v3``) means that of the fastest engine that has it here; where none has, of the
    fastest engine whose library is here. The setting ``whisper_engine`` decides for one engine.
    """
    everything = known(settings)
    found = catalogue.find(name, everything)
    if found.weights is None or name.lower().startswith(found.name.partition("-")[0] + "-"):
        return found
    order = WHISPER_ENGINES if settings.whisper_engine == "auto" else (settings.whisper_engine,)
    same = [
        model for engine in order for model in everything if (model.engine, model.weights) == (engine, found.weights)
    ]
    here = [model for model in same if runs(model) and is_installed(model, settings)]
    return next(iter([*here, *filter(runs, same), *same]), found)


def runs(model: Model) -> bool:
    """Whether the library of its engine is on this machine."""
    return model.engine in ENGINES and ENGINES[model.engine].installed


def is_installed(model: Model, settings: Settings) -> bool:
    """Whether its files are here and undamaged, as far as a look at them tells."""
    try:
        files_of(model, settings)
    except ModelError:
        return False
    return True


def installed(settings: Settings, kind: Kind = "speech") -> list[ModelFiles]:
    """Every model of that kind whose files are here; damaged ones are logged and left out."""
    found = []
    for model in known(settings):
        if model.kind != kind:
            continue
        try:
            found.append(files_of(model, settings))
        except ModelNotInstalled:
            continue
        except ModelError as error:
            log.warning("%s", error)
    return found


def locate(name: str, settings: Settings) -> ModelFiles:
    """The files of a model by name or alias.

    Raises ``UnknownModel``, ``ModelNotInstalled`` with the command that gets it, ``ModelDamaged``.
    """
    return files_of(find(name, settings), settings)


def require(names: Iterable[str], settings: Settings) -> list[ModelFiles]:
    """The files of all these models, or one ``ModelNotInstalled`` that names every absent one.

    For whoever cannot start without them. Raises ``UnknownModel`` and ``ModelDamaged`` too.
    """
    found, absent = [], []
    for name in names:
        model = find(name, settings)
        try:
            found.append(files_of(model, settings))
        except ModelNotInstalled:
            absent.append(model.name)
    if absent:
        raise ModelNotInstalled(
            model=", ".join(absent), advice=f"It is required here. Get it: stenogram models pull {' '.join(absent)}"
        )
    return found


def verify(name: str, settings: Settings) -> ModelFiles:
    """Hash every file of a model again. Raises ``ModelDamaged`` for one that changed, and what ``locate`` raises."""
    model = find(name, settings)
    files = files_of(model, settings)
    digests = digests_of(model, settings)
    for file in model.files:
        path = files.paths[file.role]
        if sha256_of(path) != digests[file.name].sha256:
            raise _damaged(model, path)
    return files


def digests_of(model: Model, settings: Settings) -> dict[str, Digest]:
    """The digest of each file that has one, by file name, and who vouches for it."""
    record = {} if model.bundled else read_record(folder_of(model, settings))
    found: dict[str, Digest] = {}
    for file in model.files:
        remembered = record.get(file.name)
        if file.sha256 is not None and not is_custom(model):
            found[file.name] = Digest(file.sha256, "catalogue", remembered.commit if remembered else None)
        elif remembered is not None:
            found[file.name] = Digest(remembered.sha256, remembered.source, remembered.commit)
    return found


def vouched(model: Model, settings: Settings) -> bool:
    """Whether the catalogue or the hub vouches for every file; if not, show ``unverified``."""
    digests = digests_of(model, settings)
    return all(file.name in digests and digests[file.name].source != "pinned" for file in model.files)


def is_custom(model: Model) -> bool:
    """Whether the model was imported without being in the catalogue."""
    return all(model.name != other.name for other in catalogue.models())


def files_of(model: Model, settings: Settings) -> ModelFiles:
    """Where the files of ``model`` are. Raises ``ModelNotInstalled``, ``ModelDamaged``."""
    found = _bundled(model) if model.bundled else _fetched(model, folder_of(model, settings))
    return ModelFiles(
        name=model.name,
        engine=model.engine,
        languages=model.languages,
        paths={file.role: found[file.name][0] for file in model.files},
        digest=_digest({file.role: found[file.name][1] for file in model.files}),
    )


def folder_of(model: Model, settings: Settings) -> Path:
    """Where a fetched model lies."""
    return settings.models_dir / model.name


@contextmanager
def alone(folder: Path, stop: Stop) -> Iterator[None]:
    """Hold a model's folder against other processes; wait for one that holds it. Raises ``Cancelled``."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", thread_local=False)
    while True:
        if stop():
            raise Cancelled
        try:
            lock.acquire(timeout=_POLL_S)
        except Timeout:
            continue
        break
    try:
        yield
    finally:
        lock.release()


def remove(model: Model, settings: Settings, stop: Stop) -> int:
    """Delete a model's files, and what is left of broken downloads; gives the bytes freed.

    Touches nothing outside the models folder. Raises ``ModelNotInstalled`` where there is no such folder,
    ``ModelError`` for the model that comes with the program, ``StorageError``, ``Cancelled``.
    """
    if model.bundled:
        raise ModelError(model=model.name, cause="it comes with the program and cannot be removed")
    folder = folder_of(model, settings)
    if folder.is_symlink():  # somebody's own arrangement: the link goes, what it points to stays
        folder.unlink()
        return 0
    if not folder.is_dir():
        raise ModelNotInstalled(model=model.name, advice="Nothing was removed.")
    try:
        with alone(folder, stop):
            freed = sum(
                path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() and path.name != ".lock"
            )
            (folder / "record.json").unlink(missing_ok=True)  # from here on it does not count as installed
            for path in folder.iterdir():
                _delete(path)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise StorageError(path=folder, cause=f"{error.strerror or error}. Is the model in use?") from error
    return freed


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.name != ".lock":
        path.unlink()


def read_record(folder: Path) -> dict[str, Known]:
    """What is remembered of the files in a model's folder; nothing where there is no readable record."""
    try:
        return msgspec.json.decode((folder / "record.json").read_bytes(), type=dict[str, Known])
    except (OSError, msgspec.DecodeError):
        return {}


def write_record(folder: Path, digests: Mapping[str, Digest]) -> None:
    """Remember the digests of the files in a model's folder (by file name). Raises ``OSError``."""
    record = {}
    for name, digest in digests.items():
        facts = (folder / name).stat()
        record[name] = Known(
            bytes=facts.st_size,
            mtime_ns=facts.st_mtime_ns,
            sha256=digest.sha256,
            source=digest.source,
            commit=digest.commit,
        )
    write_json(folder / "record.json", record)


def write_json(path: Path, value: object) -> None:
    """Write a record whole or not at all. Raises ``OSError``."""
    temporary = path.with_name(f"{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value)))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _bundled(model: Model) -> dict[str, tuple[Path, str]]:
    found = {}
    for file in model.files:
        path = asset(f"{model.bundled}/{file.name}")
        if path.stat().st_size != file.bytes or file.sha256 is None:
            raise _damaged(model, path)
        found[file.name] = path, file.sha256
    return found


def _fetched(model: Model, folder: Path) -> dict[str, tuple[Path, str]]:
    record = read_record(folder)
    digests = {file.name: _digest_known(model, file, folder / file.name, record) for file in model.files}
    if any(_facts(folder / name) != (seen.bytes, seen.mtime_ns) for name, seen in record.items() if name in digests):
        with suppress(OSError):  # a folder we may only read: hashed again next time
            write_record(folder, {name: record[name] for name in digests})
    return {name: (folder / name, sha256) for name, sha256 in digests.items()}


def _digest_known(model: Model, file: File, path: Path, record: Mapping[str, Known]) -> str:
    """The SHA-256 of a fetched file, from the record where size and time are unchanged."""
    facts, seen = _facts(path), record.get(file.name)
    if facts is None or seen is None:
        raise ModelNotInstalled(model=model.name, advice=f"Get it: stenogram models pull {model.name}")
    if facts != (seen.bytes, seen.mtime_ns) and (facts[0] != seen.bytes or sha256_of(path) != seen.sha256):
        raise _damaged(model, path)
    if seen.sha256 != (file.sha256 or seen.sha256):
        raise _damaged(model, path)
    return seen.sha256


def _facts(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _digest(by_role: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(f"{role} {by_role[role]}" for role in sorted(by_role)).encode()).hexdigest()


def _damaged(model: Model, path: Path) -> ModelDamaged:
    advice = f"Get it again: stenogram models pull {model.name}"
    if model.bundled:
        advice = _REINSTALL
    elif is_custom(model):
        advice = f"Take it again from where it came from: stenogram models import SOURCE --name {model.name}"
    return ModelDamaged(model=model.name, path=path, advice=advice)
