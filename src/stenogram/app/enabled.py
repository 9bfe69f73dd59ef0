"""Use case: which models are on, and fetching those that are.

The tables of R8 decide. While they hold no Whisper model, every installed model is on. The built-in model is on unless
it is switched off by name.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from stenogram.app.house import House
from stenogram.config import Settings
from stenogram.errors import (
    Cancelled,
    Conflict,
    DatabaseError,
    ModelNotInstalled,
    NotFound,
    OptionError,
    StenogramError,
    StorageFull,
    UnknownModel,
)
from stenogram.models import catalogue, store
from stenogram.models.catalogue import Model
from stenogram.models.download import pull
from stenogram.performance import cache_result
from stenogram.protocols import Stop
from stenogram.store import downloads, whisper_models, workers
from stenogram.store.downloads import Download, DownloadState

log = logging.getLogger(__name__)

_TELL_EVERY_S = 0.5
_ASK_AGAIN_S = 5.0
HOST = socket.gethostname()


@dataclass(frozen=True, slots=True)
class ModelState:
    """An enabled model, and whether it is here."""

    name: str
    state: DownloadState
    canonical: str = ""
    """Its name in the catalogue, which workers tell of."""
    languages: Sequence[str] = ()
    bytes_done: int = 0
    bytes_total: int | None = None
    error: str | None = None


def names(house: House, connection: Connection) -> list[str]:
    """The names of the enabled models, the built-in first."""
    listed = _listed(connection)
    others = [name for name, enabled in listed.items() if enabled and name != catalogue.DEFAULT]
    if _says_nothing(listed):
        others = [name for name in _installed(house) if name != catalogue.DEFAULT]
    return [*([catalogue.DEFAULT] if listed.get(catalogue.DEFAULT, True) else []), *others]


def check(house: House, name: str) -> None:
    """Whether a model is on, by any of its names; ``auto`` always is. Raises ``OptionError``, ``UnknownModel``."""
    if name == "auto":
        return
    with house.db.read() as connection:
        on = names(house, connection)
    if name in on:
        return
    wanted = store.find(name, house.settings).name
    if wanted not in {canonical(house, each) for each in on}:
        cause = f"is not enabled here. Enabled are: {', '.join(on)}"
        raise OptionError(name="model", value=name, cause=cause, param="model")


def states(house: House, connection: Connection) -> list[ModelState]:
    """The enabled models, whether they are here, and how far their fetching is."""
    coming = downloads.all_of(connection, HOST)
    return [_state(house, name, coming) for name in names(house, connection)]


def switch(house: House, name: str, *, enabled: bool) -> None:
    """Turn a model on or off by any of its names; what was on by being installed stays on. Raises ``UnknownModel``."""
    wanted = store.find(name, house.settings).name
    with house.db.write() as tx:
        listed = _listed(tx.connection)
        if _says_nothing(listed) and wanted != catalogue.DEFAULT:
            for installed in _installed(house):
                if installed != catalogue.DEFAULT:
                    whisper_models.switch(tx, installed, enabled=True)
            listed = _listed(tx.connection)
        same = [each for each in listed if canonical(house, each) == wanted]
        for each in same or [wanted]:
            whisper_models.switch(tx, each, enabled=enabled)


def begin_fetch(house: House, name: str, stop: threading.Event) -> None:
    """Fetch a model in a thread of its own, unless one does so already. Raises ``UnknownModel``."""
    model = store.find(name, house.settings)
    if store.is_installed(model, house.settings):
        return
    given_up = _COMING.add(house, model)
    if given_up is None:
        return
    _tell(house, Download(model.name, HOST, "downloading", 0, _size(model)))

    def run() -> None:
        try:
            _fetch(house, model, functools.partial(_either, stop, given_up))
        except Cancelled:
            pass
        except StenogramError as error:
            log.warning("%s", error)
        finally:
            _COMING.remove(house, model)

    threading.Thread(target=run, name="stenogram-fetch", daemon=True).start()


def give_up_fetch(house: House, name: str) -> None:
    """Fetch a model no further; what came of it stays, and the next attempt goes on from there.

    Raises ``UnknownModel``, ``Conflict`` where this process does not fetch it.
    """
    model = store.find(name, house.settings)
    if not _COMING.give_up(house, model):
        raise Conflict(what=model.name, cause="it is not being fetched")
    _tell(house, Download(model.name, HOST, "absent"))


def fetch_enabled(house: House, stop: threading.Event) -> None:
    """Fetch what is on and not here, one after the other; for a thread of its own, at the start."""
    _show_at_the_known_place(house)
    for name in _wanted(house, stop):
        try:
            model = store.find(name, house.settings)
            if stop.is_set():
                return
            given_up = None if store.is_installed(model, house.settings) else _COMING.add(house, model)
            if given_up is None:
                continue
            try:
                _fetch(house, model, functools.partial(_either, stop, given_up))
            finally:
                _COMING.remove(house, model)
        except Cancelled:
            continue  # somebody gave this one up; where the service stops, the next look ends it
        except StenogramError as error:
            log.warning("%s is enabled, and cannot be fetched: %s", name, error)


def _either(first: threading.Event, second: threading.Event) -> bool:
    return first.is_set() or second.is_set()


def _wanted(house: House, stop: threading.Event) -> list[str]:
    """The names of the enabled models, as soon as the database tells them; none where the stop comes first."""
    while True:
        try:
            with house.db.write() as tx:
                downloads.forget_broken_off(tx, HOST)
            with house.db.read() as connection:
                return names(house, connection)
        except StenogramError as error:
            log.warning("the enabled models cannot be told yet: %s", error)
        if stop.wait(_ASK_AGAIN_S):
            return []


def _show_at_the_known_place(house: House) -> None:
    """R8 names ``data/whisper_models`` under the home folder; programs that look there find our folder of models."""
    if house.settings.home is None:
        return
    place = house.settings.data_dir / "data" / "whisper_models"
    with contextlib.suppress(OSError):  # Windows lets not everybody make links; it is a service to others only
        house.settings.models_dir.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(house.settings.models_dir, target_is_directory=True)


def remove(house: House, name: str) -> None:
    """Delete the files of a model, damaged and half-fetched ones too; workers that have it in memory free it.

    Raises ``UnknownModel``, ``NotFound`` where nothing of it is here, ``Conflict`` for the built-in model and one that
    is being fetched, ``StorageError``.
    """
    model = store.find(name, house.settings)
    if model.bundled:
        raise Conflict(what=model.name, cause="it comes with the program and cannot be removed; disable it instead")
    if _COMING.add(house, model) is None:
        raise Conflict(what=model.name, cause="it is being fetched just now")
    try:
        store.remove(model, house.settings, lambda: False)
    except ModelNotInstalled as error:
        raise NotFound(what="installed model", id=model.name) from error
    finally:
        _COMING.remove(house, model)
        _installed_in.cache_clear()
    with house.db.write() as tx:
        downloads.put(tx, Download(model.name, HOST, "absent"))
        for worker in workers.all_of(tx.connection):
            if worker.state in workers.ALIVE and worker.host == HOST and model.name in worker.loaded:
                workers.order(tx, worker.id, "unload", model.name)


def canonical(house: House, name: str) -> str:
    """The name of the catalogue for one of a model's names; an unknown one as it is."""
    try:
        return store.find(name, house.settings).name
    except UnknownModel:
        return name


class _Coming:
    """Which models this process fetches or removes just now; one at a time for each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[Path, threading.Event] = {}

    def add(self, house: House, model: Model) -> threading.Event | None:
        """Begin; gives what is set when it is to be given up, None where somebody else is at it."""
        folder = store.folder_of(model, house.settings)
        with self._lock:
            if folder in self._folders:
                return None
            self._folders[folder] = threading.Event()
            return self._folders[folder]

    def give_up(self, house: House, model: Model) -> bool:
        """Let who is at it end; False where nobody is."""
        with self._lock:
            given_up = self._folders.get(store.folder_of(model, house.settings))
        if given_up is not None:
            given_up.set()
        return given_up is not None

    def remove(self, house: House, model: Model) -> None:
        """Done."""
        with self._lock:
            self._folders.pop(store.folder_of(model, house.settings), None)


_COMING = _Coming()


def _fetch(house: House, model: Model, stop: Stop) -> None:
    """Fetch a model, telling how far it is. Raises ``ModelError``, ``StorageError``, ``Cancelled``."""
    told_at = time.monotonic()
    _tell(house, Download(model.name, HOST, "downloading", 0, _size(model)))

    def progress(done: int, total: int | None) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > _TELL_EVERY_S:
            told_at = time.monotonic()
            _tell(house, Download(model.name, HOST, "downloading", done, total))

    try:
        pull(model, house.settings, progress, stop)
    except Cancelled:
        _tell(house, Download(model.name, HOST, "absent"))
        raise
    except Exception as error:
        _tell(house, Download(model.name, HOST, "failed", error=str(error)))
        raise
    _installed_in.cache_clear()
    _tell(house, Download(model.name, HOST, "installed"))


def _tell(house: House, download: Download) -> None:
    try:
        with house.db.write() as tx:
            downloads.put(tx, download)
    except (DatabaseError, StorageFull) as error:  # the fetching goes on without
        log.debug("how far %s is cannot be told: %s", download.model, error)


def _listed(connection: Connection) -> dict[str, bool]:
    return {setting.name: setting.enabled for setting in whisper_models.settings(connection)}


def _says_nothing(listed: Mapping[str, bool]) -> bool:
    """Whether the tables are silent of all but the built-in model: then what is installed is on."""
    return not set(listed) - {catalogue.DEFAULT}


def _state(house: House, name: str, coming: dict[str, Download]) -> ModelState:
    try:
        model = store.find(name, house.settings)
    except UnknownModel as error:
        return ModelState(name, "failed", error=str(error))
    told = functools.partial(ModelState, name, canonical=model.name, languages=model.languages)
    if store.is_installed(model, house.settings):
        return told(state="installed", bytes_total=_size(model))
    download = coming.get(model.name)
    if download is not None and download.state in ("downloading", "failed"):
        return told(
            state=download.state,
            bytes_done=download.bytes_done,
            bytes_total=download.bytes_total,
            error=download.error,
        )
    return told(state="absent", bytes_total=_size(model))


def _size(model: Model) -> int | None:
    return sum(file.size for file in model.files) or None


def _installed(house: House) -> tuple[str, ...]:
    return _installed_in(house.settings)


@cache_result(max_size=8, ttl=5.0)
def _installed_in(settings: Settings) -> tuple[str, ...]:
    return tuple(files.name for files in store.installed(settings))
