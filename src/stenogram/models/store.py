"""Which models are on this machine, and which of them serves a request.

A fetched model is a folder ``<models_dir>/<name>`` with its files and ``record.json``: size, time of change and SHA-256
of each, so that nothing is hashed at an ordinary start. The bundled model is trusted by the catalogue's digests after a
look at the sizes; ``verify`` hashes everything.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from stenogram import languages
from stenogram.bundled import asset
from stenogram.config import Settings
from stenogram.errors import LanguageNotSupported, ModelDamaged, ModelError, ModelNotInstalled
from stenogram.models import catalogue
from stenogram.models.catalogue import File, Model
from stenogram.models.digests import sha256_of
from stenogram.types import ModelFiles

log = logging.getLogger(__name__)

_REINSTALL = "Repair it: pip install --force-reinstall --no-deps moonshine-voice==0.1.0"


class Known(msgspec.Struct, frozen=True):
    """What is remembered of a fetched file. Size and time unchanged: the digest still holds."""

    bytes: int
    mtime_ns: int
    sha256: str


def installed(settings: Settings) -> list[ModelFiles]:
    """Every model whose files are here, in the order of the catalogue; damaged ones are logged and left out."""
    found = []
    for model in catalogue.models():
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
    return files_of(catalogue.find(name), settings)


def choose(name: str, language: str | None, settings: Settings) -> ModelFiles:
    """The model for a request: ``name``, or for ``auto`` the best installed one that speaks ``language``.

    ``language`` is a code of ``stenogram.languages``; None takes the default model. Raises ``LanguageNotSupported``
    with the way to a model that speaks it, and what ``locate`` raises.
    """
    if name != "auto":
        files = locate(name, settings)
        if language is not None and not files.speaks(language):
            raise LanguageNotSupported(_says_no(files, language), language=_english(language))
        return files
    if language is None:
        return _default(settings)
    for files in installed(settings):
        if files.speaks(language):
            return files
    raise LanguageNotSupported(language=_english(language), advice=_way_to(language))


def verify(name: str, settings: Settings) -> ModelFiles:
    """Hash every file of a model again. Raises ``ModelDamaged`` for one that changed, and what ``locate`` raises."""
    model = catalogue.find(name)
    files = files_of(model, settings)
    known = {} if model.bundled else read_record(folder_of(model, settings))
    for file in model.files:
        path = files.paths[file.role]
        if sha256_of(path) != (file.sha256 or known[file.name].sha256):
            raise _damaged(model, path)
    return files


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


def read_record(folder: Path) -> dict[str, Known]:
    """What is remembered of the files in a model's folder; nothing where there is no readable record."""
    try:
        return msgspec.json.decode((folder / "record.json").read_bytes(), type=dict[str, Known])
    except (OSError, msgspec.DecodeError):
        return {}


def write_record(folder: Path, digests: Mapping[str, str]) -> None:
    """Remember the SHA-256 of the files in a model's folder (file name -> digest). Raises ``OSError``."""
    record = {}
    for name, sha256 in digests.items():
        facts = (folder / name).stat()
        record[name] = Known(facts.st_size, facts.st_mtime_ns, sha256)
    temporary = folder / f"record.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
        temporary.replace(folder / "record.json")
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
    if any(_facts(folder / name) != (known.bytes, known.mtime_ns) for name, known in record.items() if name in digests):
        with suppress(OSError):  # a folder we may only read: hashed again next time
            write_record(folder, digests)
    return {name: (folder / name, sha256) for name, sha256 in digests.items()}


def _digest_known(model: Model, file: File, path: Path, record: Mapping[str, Known]) -> str:
    """The SHA-256 of a fetched file, from the record where size and time are unchanged."""
    facts, known = _facts(path), record.get(file.name)
    if facts is None or known is None:
        raise ModelNotInstalled(model=model.name, advice=f"Get it: stenogram models pull {model.name}")
    if facts != (known.bytes, known.mtime_ns) and (facts[0] != known.bytes or sha256_of(path) != known.sha256):
        raise _damaged(model, path)
    if known.sha256 != (file.sha256 or known.sha256):
        raise _damaged(model, path)
    return known.sha256


def _facts(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


def _digest(by_role: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(f"{role} {by_role[role]}" for role in sorted(by_role)).encode()).hexdigest()


def _damaged(model: Model, path: Path) -> ModelDamaged:
    advice = _REINSTALL if model.bundled else f"Get it again: stenogram models pull {model.name}"
    return ModelDamaged(model=model.name, path=path, advice=advice)


def _default(settings: Settings) -> ModelFiles:
    """The default model; where its wheel is missing, the first installed one."""
    try:
        return locate(catalogue.DEFAULT, settings)
    except ModelNotInstalled:
        others = installed(settings)
        if not others:
            raise
        return others[0]


def _says_no(files: ModelFiles, language: str) -> str:
    spoken = ", ".join(_english(code) for code in files.languages)
    others = [model.name for model in catalogue.models() if model.speaks(language)]
    advice = f"Models that do: {', '.join(others)}. Choose one with --model." if others else _way_to(language)
    return f"The model {files.name} speaks {spoken}, not {_english(language)}. {advice}"


def _way_to(language: str) -> str:
    for model in catalogue.models():
        if model.speaks(language):
            return f"Get one: stenogram models pull {model.name}"
    return f"This version knows no model for {_english(language)}; see which there are: stenogram models list"


def _english(language: str) -> str:
    return languages.NAMES.get(language, language).title()
