"""Bring a model to this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from stenogram.config import Settings
from stenogram.errors import Cancelled, DownloadFailed, ModelError, OptionError, StorageError
from stenogram.models.catalogue import File, Model
from stenogram.models.digests import recognise
from stenogram.models.fetch import Fetch, Patience
from stenogram.models.store import files_of, folder_of, read_record, write_record
from stenogram.protocols import Stop
from stenogram.types import ModelFiles

Progress = Callable[[int, int], None]
"""Told the bytes that are here and the bytes of the whole model."""

_POLL_S = 0.2


def pull(
    model: Model, settings: Settings, progress: Progress, stop: Stop, patience: Patience | None = None
) -> ModelFiles:
    """Fetch what is missing of ``model``, check it, remember its digests; at once where it is installed already.

    Files that lie in the model's folder and fit the catalogue are taken as they are, so a folder filled by hand needs
    no network. Several processes fetch once: the others wait. Raises ``DownloadFailed``, ``ModelDamaged``,
    ``StorageError``, ``Cancelled``; what was fetched by then is kept and the next call goes on from there.
    """
    if model.bundled:
        return files_of(model, settings)
    folder = folder_of(model, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder, stop):
            if not _complete(model, settings):
                _Pull(model, settings, folder).run(progress, stop, patience or Patience())
    except OSError as error:
        cause = f"{error.strerror or error}. Make the folder writable, or set STENOGRAM_HOME to another one"
        raise StorageError(path=folder, cause=cause) from error
    return files_of(model, settings)


@contextmanager
def _alone(folder: Path, stop: Stop) -> Iterator[None]:
    """Hold the folder against other processes; wait for one that holds it."""
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


def _complete(model: Model, settings: Settings) -> bool:
    try:
        files_of(model, settings)
    except ModelError:
        return False
    return True


class _Pull:
    """One pull of one model, with its folder held."""

    def __init__(self, model: Model, settings: Settings, folder: Path) -> None:
        self._model = model
        self._settings = settings
        self._folder = folder
        pinned = read_record(folder)
        self._files = [
            msgspec.structs.replace(file, sha256=pinned[file.name].sha256)
            if file.sha256 is None and file.name in pinned
            else file
            for file in model.files
        ]

    def run(self, progress: Progress, stop: Stop, patience: Patience) -> None:
        """Fetch what is not here, and remember the digests of all."""
        found = {file.name: recognise(file, self._folder / file.name) for file in self._files}
        digests = {name: sha256 for name, sha256 in found.items() if sha256 is not None}
        missing = [file for file in self._files if file.name not in digests]
        if missing:
            self._check_offline(missing)
            self._check_room(missing)
        here = self._model.bytes - sum(file.bytes for file in missing)
        for file in missing:
            fetch = Fetch(
                model=self._model.name,
                file=file,
                url=f"{self._base_url()}/{file.name}",
                target=self._folder / file.name,
                progress=partial(self._tell, progress, here),
                stop=stop,
                patience=patience,
            )
            digests[file.name] = fetch.run()
            here += file.bytes
        write_record(self._folder, digests)

    def _tell(self, progress: Progress, before: int, done: int) -> None:
        progress(before + done, self._model.bytes)

    def _base_url(self) -> str:
        mirror = self._settings.models_url
        base = f"{mirror.rstrip('/')}/{self._model.name}" if mirror else self._model.url or ""
        if urlsplit(base).scheme not in ("http", "https"):
            raise OptionError(name="STENOGRAM_MODELS_URL", value=mirror, cause="must begin with https:// or http://")
        return base

    def _check_offline(self, missing: list[File]) -> None:
        if self._settings.offline:
            names = ", ".join(file.name for file in missing)
            cause = f"the network is switched off (STENOGRAM_OFFLINE). Switch it on, or put {names} into {self._folder}"
            raise DownloadFailed(model=self._model.name, cause=cause)

    def _check_room(self, missing: list[File]) -> None:
        parts = [self._folder / f"{file.name}.part" for file in missing]
        need = sum(file.bytes for file in missing) - sum(part.stat().st_size for part in parts if part.exists())
        free = shutil.disk_usage(self._folder).free
        if need > free:
            cause = f"{need / 1e6:.0f} MB are needed in {self._folder}, {free / 1e6:.0f} MB are free there"
            raise DownloadFailed(model=self._model.name, cause=cause)
