"""``/api/v1/models``: which there are, which are on, fetching and removing them, and having them in memory."""

from __future__ import annotations

import logging
import time
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram import diarization
from stenogram.app import enabled
from stenogram.errors import Conflict
from stenogram.job import lane_of
from stenogram.models import catalogue, choose, store
from stenogram.server.auth import Keeper, Reader
from stenogram.server.errors import ANSWERS
from stenogram.server.state import State, state_of
from stenogram.store import downloads, workers
from stenogram.store.workers import Command

router = APIRouter(prefix="/api/v1/models", tags=["models"], responses=ANSWERS)
log = logging.getLogger(__name__)

Name = Annotated[str, Path(description="Name or alias", examples=["base"], max_length=200)]
_ORDER_WAITS_S = 600.0


class ModelView(BaseModel):
    """A model."""

    name: str = Field(examples=["moonshine-tiny-en"])
    aliases: list[str]
    engine: str
    kind: str
    languages: list[str] = Field(description="ISO 639-1; `*`: all that Whisper knows")
    bytes: int
    licence: str
    restricted: bool = Field(description="Its licence restricts use: read it first")
    bundled: bool = Field(description="Comes with the program, and cannot be removed")
    memory_bytes: int = Field(description="What it is expected to take in memory on this machine")
    speed: float = Field(description="Seconds of speech in a second on this machine, roughly; measured on none of it")
    enabled: bool
    installed: bool
    runs: bool = Field(description="Whether the library of its engine is on this machine")
    loaded: bool = Field(description="In the memory of a worker")
    state: str = Field(description="absent, downloading, installed or failed")
    bytes_done: int
    error: str | None


class ModelList(BaseModel):
    """Every model of the catalogue, and those imported."""

    models: list[ModelView]


@router.get("")
async def listing(request: Request, _caller: Reader) -> ModelList:
    """Every model there is, whether it is here, on, and in memory."""
    state = state_of(request)
    return ModelList(models=await to_thread.run_sync(_views, state))


@router.get("/{name:path}")
async def one(request: Request, _caller: Reader, name: Name) -> ModelView:
    """One model."""
    return await to_thread.run_sync(_view, state_of(request), name)


@router.post("/{name:path}/pull", status_code=202)
async def pull(request: Request, _caller: Keeper, name: Name) -> ModelView:
    """Fetch a model in the background; its `state` and `bytes_done` tell how far it is. Asking again does no harm."""
    return await _fetch(state_of(request), name)


@router.post("/{name:path}/cancel")
async def cancel(request: Request, _caller: Keeper, name: Name) -> ModelView:
    """Fetch a model no further. What came of it stays, and fetching it again goes on from there."""
    state = state_of(request)
    await to_thread.run_sync(enabled.give_up_fetch, state.house, name)
    await state.board.refresh()
    return await to_thread.run_sync(_view, state, name)


@router.post("/{name:path}/verify")
async def verify(request: Request, _caller: Keeper, name: Name) -> ModelView:
    """Compare every file of a model with its recorded digest; answers when all were read."""
    state = state_of(request)
    await to_thread.run_sync(store.verify, name, state.house.settings)
    return await to_thread.run_sync(_view, state, name)


@router.post("/{name:path}/enable")
async def enable(request: Request, _caller: Keeper, name: Name) -> ModelView:
    """Let a model be used; one that is not here is fetched in the background, as at the start."""
    state = state_of(request)
    await _switch(state, name, on=True)
    return await _fetch(state, name)


@router.post("/{name:path}/disable")
async def disable(request: Request, _caller: Keeper, name: Name) -> ModelView:
    """Let a model be used no more; its files stay."""
    return await _switch(state_of(request), name, on=False)


@router.post("/{name:path}/load")
async def load(request: Request, _caller: Keeper, name: Name) -> ModelView:
    """Have a model in the memory of every worker; answers when it is there."""
    return await _order(state_of(request), "load", name)


@router.post("/{name:path}/unload")
async def unload(request: Request, _caller: Keeper, name: Name) -> ModelView:
    """Free a model in every worker that does not use it just now."""
    return await _order(state_of(request), "unload", name)


@router.delete("/{name:path}", status_code=204)
async def remove(request: Request, _caller: Keeper, name: Name) -> Response:
    """Delete the files of a model from this machine."""
    state = state_of(request)
    await to_thread.run_sync(enabled.remove, state.house, name)
    await state.board.refresh()
    return Response(status_code=204)


async def _fetch(state: State, name: str) -> ModelView:
    await to_thread.run_sync(enabled.begin_fetch, state.house, name, state.stop)
    await state.board.refresh()
    return await to_thread.run_sync(_view, state, name)


async def _switch(state: State, name: str, *, on: bool) -> ModelView:
    await to_thread.run_sync(lambda: enabled.switch(state.house, name, enabled=on))
    await state.board.refresh()
    return await to_thread.run_sync(_view, state, name)


async def _order(state: State, command: Command, name: str) -> ModelView:
    house = state.house

    def give() -> list[int]:
        model = store.find(name, house.settings)
        store.files_of(model, house.settings)  # what is not here is refused at once
        with house.db.write() as tx:
            crew = workers.all_of(tx.connection)
            able = [each for each in crew if each.state in workers.ALIVE and lane_of(each.device) == "speech"]
            return [workers.order(tx, worker.id, command, model.name) for worker in able]

    def done(numbers: list[int]) -> list[tuple[bool, str | None]]:
        with house.db.read() as connection:
            return [workers.order_done(connection, number) for number in numbers]

    numbers = await to_thread.run_sync(give)
    if not numbers:
        raise Conflict(what=name, cause="there is no worker")
    with state.hub.watch("control") as watch:
        end = time.monotonic() + _ORDER_WAITS_S
        found = await to_thread.run_sync(done, numbers)
        while not all(finished for finished, _ in found):
            if time.monotonic() > end:
                raise Conflict(what=name, cause="the workers have not answered yet")
            await watch.wait(1.0)
            found = await to_thread.run_sync(done, numbers)
    errors = [error for _, error in found if error]
    if errors:
        raise Conflict(what=f"{command} {name}", cause="; ".join(sorted(set(errors))))
    await state.board.refresh()
    return await to_thread.run_sync(_view, state, name)


def _views(state: State) -> list[ModelView]:
    facts = _Facts(state)
    return [facts.view(model) for model in store.known(state.house.settings) if model.kind == "speech"]


def _view(state: State, name: str) -> ModelView:
    return _Facts(state).view(store.find(name, state.house.settings))


class _Facts:
    """What is asked once for all models."""

    def __init__(self, state: State) -> None:
        house = state.house
        self._settings = house.settings
        self._machine = choose.this_machine()
        with house.db.read() as connection:
            on = enabled.names(house, connection)
            self._coming = downloads.all_of(connection, enabled.HOST)
            crew = workers.all_of(connection)
        self._on = {*on, *(enabled.canonical(house, name) for name in on)}
        self._loaded = {name for worker in crew if worker.state in workers.ALIVE for name in worker.loaded}

    def view(self, model: catalogue.Model) -> ModelView:
        installed = store.is_installed(model, self._settings)
        download = self._coming.get(model.name)
        coming = download is not None and download.state in ("downloading", "failed") and not installed
        return ModelView(
            name=model.name,
            aliases=list(model.aliases),
            engine=model.engine,
            kind=model.kind,
            languages=list(model.languages),
            bytes=sum(file.size for file in model.files),
            licence=model.licence,
            restricted=model.restricted,
            bundled=model.bundled is not None,
            memory_bytes=choose.memory_need(model, self._machine.device),
            speed=round(choose.speed(model, self._machine), 1),
            enabled=model.name in self._on,
            installed=installed,
            runs=store.runs(model) or diarization.runs(model.engine),
            loaded=model.name in self._loaded,
            state=download.state if download and coming else "installed" if installed else "absent",
            bytes_done=download.bytes_done if download and coming else 0,
            error=download.error if download and coming else None,
        )
