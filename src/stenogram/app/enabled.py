"""Use case: which models are on, and fetching those that are.

The tables of R8 decide. While they hold no Whisper model, every installed model is on. The built-in model is on unless
it is switched off by name.
"""

from __future__ import annotations

import functools
import logging
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from stenogram.app.house import House
from stenogram.config import Settings
from stenogram.errors import Cancelled, OptionError, StenogramError, UnknownModel
from stenogram.models import catalogue, store
from stenogram.models.catalogue import Model
from stenogram.models.download import pull
from stenogram.performance import cache_result
from stenogram.store import downloads, whisper_models
from stenogram.store.downloads import Download, DownloadState

log = logging.getLogger(__name__)

_TELL_EVERY_S = 0.5
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
    listed = {setting.name: setting.enabled for setting in whisper_models.settings(connection)}
    others = [name for name, enabled in listed.items() if enabled and name != catalogue.DEFAULT]
    if not set(listed) - {catalogue.DEFAULT}:
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
    """Turn a model on or off; what was on by being installed stays on. Raises ``UnknownModel``."""
    wanted = name if name == catalogue.DEFAULT else store.find(name, house.settings).name
    with house.db.write() as tx:
        if not whisper_models.settings(tx.connection):
            for installed in _installed(house):
                whisper_models.switch(tx, installed, enabled=True)
        listed = {setting.name for setting in whisper_models.settings(tx.connection)}
        whisper_models.switch(tx, name if name in listed else wanted, enabled=enabled)


def fetch(house: House, name: str, stop: threading.Event) -> None:
    """Fetch a model, telling how far it is. Raises ``ModelError``, ``StorageError``, ``Cancelled``."""
    model = store.find(name, house.settings)
    told_at = 0.0

    def tell(state: DownloadState, done: int = 0, total: int | None = None, error: str | None = None) -> None:
        with house.db.write() as tx:
            downloads.put(tx, Download(model.name, HOST, state, done, total, error))

    def progress(done: int, total: int | None) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > _TELL_EVERY_S:
            told_at = time.monotonic()
            tell("downloading", done, total)

    tell("downloading", 0, _size(model))
    try:
        pull(model, house.settings, progress, stop.is_set)
    except Cancelled:
        tell("absent")
        raise
    except StenogramError as error:
        tell("failed", error=str(error))
        raise
    tell("installed")


def fetch_enabled(house: House, stop: threading.Event) -> None:
    """Fetch what is on and not here, one after the other; for a thread of its own."""
    try:
        with house.db.read() as connection:
            wanted = names(house, connection)
    except StenogramError as error:
        log.warning("the enabled models cannot be told: %s", error)
        return
    for name in wanted:
        try:
            if not stop.is_set() and not store.is_installed(store.find(name, house.settings), house.settings):
                fetch(house, name, stop)
        except Cancelled:
            return
        except StenogramError as error:
            log.warning("%s is enabled, and cannot be fetched: %s", name, error)


def _state(house: House, name: str, coming: dict[str, Download]) -> ModelState:
    try:
        model = store.find(name, house.settings)
    except UnknownModel as error:
        return ModelState(name, "failed", error=str(error))
    told = functools.partial(ModelState, name, canonical=model.name, languages=model.languages)
    download = coming.get(model.name)
    if download is not None and download.state in ("downloading", "failed"):
        return told(
            state=download.state,
            bytes_done=download.bytes_done,
            bytes_total=download.bytes_total,
            error=download.error,
        )
    here = name in _installed(house) or model.name in _installed(house)
    return told(state="installed" if here else "absent", bytes_total=_size(model))


def canonical(house: House, name: str) -> str:
    """The name of the catalogue for one of a model's names; an unknown one as it is."""
    try:
        return store.find(name, house.settings).name
    except UnknownModel:
        return name


def _size(model: Model) -> int | None:
    return sum(file.size for file in model.files) or None


def _installed(house: House) -> tuple[str, ...]:
    return _installed_in(house.settings)


@cache_result(max_size=8, ttl=5.0)
def _installed_in(settings: Settings) -> tuple[str, ...]:
    return tuple(files.name for files in store.installed(settings))
