"""Bring a model to this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from stenogram.config import Settings
from stenogram.errors import DownloadFailed, ModelNotInstalled, StorageError
from stenogram.models import hub
from stenogram.models.catalogue import File, Model
from stenogram.models.digests import Digest, recognise
from stenogram.models.fetch import Fetch, Patience
from stenogram.models.store import alone, files_of, folder_of, is_installed, read_record, write_record
from stenogram.protocols import Stop
from stenogram.types import ModelFiles

Progress = Callable[[int, int], None]
"""Told the bytes that are here and the bytes of the whole model (roughly, until all sizes are known)."""


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
        with alone(folder, stop):
            if not is_installed(model, settings):
                _Pull(model, settings, folder).run(progress, stop, patience or Patience())
    except OSError as error:
        cause = f"{error.strerror or error}. Make the folder writable, or set STENOGRAM_HOME to another one"
        raise StorageError(path=folder, cause=cause) from error
    return files_of(model, settings)


class _Pull:
    """One pull of one model, with its folder held."""

    def __init__(self, model: Model, settings: Settings, folder: Path) -> None:
        self._model = model
        self._settings = settings
        self._folder = folder
        self._record = read_record(folder)
        self._sizes = {file.name: file.size for file in model.files}

    def run(self, progress: Progress, stop: Stop, patience: Patience) -> None:
        """Fetch what is not here, and remember the digests of all."""
        digests = {file.name: digest for file in self._model.files if (digest := self._here(file)) is not None}
        missing = [file for file in self._model.files if file.name not in digests]
        if missing:
            self._check_offline(missing)
            self._check_room(missing)
        for file in missing:
            place = hub.address(self._model, file, self._settings)
            if place is None:
                advice = f"{file.name} is gone, and it was imported: import it again."
                raise ModelNotInstalled(model=self._model.name, advice=advice)
            target = self._folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch = Fetch(
                model=self._model.name,
                file=self._expected(file),
                place=place,
                target=target,
                progress=partial(self._tell, progress, file.name, [other for other in digests if other != file.name]),
                stop=stop,
                patience=patience,
            )
            digests[file.name] = self._attributed(file, fetch.run())
        write_record(self._folder, digests)

    def _expected(self, file: File) -> File:
        """The file with the digest that was pinned when it first came, where the catalogue has none."""
        if file.sha256 is None and file.name in self._record:
            return msgspec.structs.replace(file, sha256=self._record[file.name].sha256)
        return file

    def _here(self, file: File) -> Digest | None:
        sha256 = recognise(self._expected(file), self._folder / file.name)
        if sha256 is None:
            return None
        self._sizes[file.name] = (self._folder / file.name).stat().st_size
        remembered = self._record.get(file.name)
        same = remembered is not None and remembered.sha256 == sha256
        return self._attributed(file, remembered if same and remembered else Digest(sha256))

    def _attributed(self, file: File, digest: Digest) -> Digest:
        """The digest with who vouches for it: the catalogue where it has one."""
        source = "catalogue" if file.sha256 is not None else digest.source
        return Digest(digest.sha256, source, digest.commit)

    def _tell(self, progress: Progress, name: str, others: list[str], done: int, total: int | None) -> None:
        self._sizes[name] = total if total is not None else max(self._sizes[name], done)
        progress(sum(self._sizes[other] for other in others) + done, sum(self._sizes.values()))

    def _check_offline(self, missing: list[File]) -> None:
        if self._settings.offline:
            names = ", ".join(file.name for file in missing)
            cause = f"the network is switched off (STENOGRAM_OFFLINE). Switch it on, or put {names} into {self._folder}"
            raise DownloadFailed(model=self._model.name, cause=cause)

    def _check_room(self, missing: list[File]) -> None:
        parts = [self._folder / f"{file.name}.part" for file in missing]
        need = sum(file.size for file in missing) - sum(part.stat().st_size for part in parts if part.exists())
        free = shutil.disk_usage(self._folder).free
        if need > free:
            cause = f"{need / 1e6:.0f} MB are needed in {self._folder}, {free / 1e6:.0f} MB are free there"
            raise DownloadFailed(model=self._model.name, cause=cause)
