"""The board: what it shows, to whom, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseUnavailable, SchemaOutdated
from stenogram.job import Caller
from stenogram.server.board import Board, Snapshot, as_json
from stenogram.server.hub import Hub
from stenogram.store import downloads, schema, whisper_models, workers
from stenogram.store.downloads import Download
from stenogram.store.workers import Worker
from tests import scenes

ALICE = Caller("alice", "k1", frozenset({"transcribe"}), admin=False)
ADMIN = Caller("root", "k2", frozenset({"admin"}), admin=True)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House.open(Settings(home=str(tmp_path)), ServerSettings()) as opened:
        schema.upgrade(opened.db)
        yield opened


def look(house: House, *between: Callable[[], None]) -> Snapshot:
    """The snapshot of a new board, after as many looks as there are actions between them, and one more."""

    async def looking() -> Snapshot:
        board = Board(house, Hub(asyncio.get_running_loop()))
        await board.refresh()
        for action in between:
            action()
            await board.refresh()
        return board.snapshot

    return asyncio.run(looking())


def fail_with(monkeypatch: pytest.MonkeyPatch, house: House, error: Exception) -> None:
    def read(_self: object) -> AbstractContextManager[Connection]:
        raise error

    monkeypatch.setattr(type(house.db), "read", read)


def test_before_its_first_look_the_service_is_starting(house: House) -> None:
    """Nothing is claimed that nobody has seen."""

    async def fresh() -> Snapshot:
        return Board(house, Hub(asyncio.get_running_loop())).snapshot

    snapshot = asyncio.run(fresh())
    assert (snapshot.health, snapshot.state) == ("starting", "starting")


def test_with_a_worker_it_is_ready_and_without_one_it_says_so(house: House) -> None:
    """Ready is told only where a job would start."""
    assert look(house).state == "no_worker"

    scenes.idle(house)

    snapshot = look(house)
    assert (snapshot.health, snapshot.state, snapshot.reason) == ("ready", None, None)
    assert snapshot.counts == {"queued": 0, "running": 0, "succeeded": 128, "failed": 2, "cancelled": 0}
    assert snapshot.memory_total_mb > snapshot.memory_used_mb > 0


def test_the_fault_of_the_only_worker_is_the_reason(house: House) -> None:
    """A lost GPU is named."""
    scenes.broken(house)

    snapshot = look(house)
    assert (snapshot.health, snapshot.state) == ("starting", "no_worker")
    assert "CUDA error 46" in str(snapshot.reason)


def test_workers_that_start_are_waited_for(house: House) -> None:
    """That is no fault."""
    with house.db.write() as tx:
        workers.register(tx, "w0", "here", 1, "cpu")

    assert look(house).state == "starting"


def test_models_on_their_way_make_it_starting(house: House) -> None:
    """R1: models are being fetched."""
    scenes.fetching(house)

    snapshot = look(house)
    assert (snapshot.health, snapshot.state) == ("starting", "fetching_models")
    [turbo] = [model for model in as_json(snapshot, Caller())["models"] if model["name"] == "large-v3-turbo"]
    assert (turbo["state"], round(turbo["progress"], 2), turbo["loaded"]) == ("downloading", 0.42, False)
    [builtin] = [model for model in as_json(snapshot, Caller())["models"] if model["name"] == "moonshine-tiny-en"]
    assert (builtin["state"], builtin["progress"]) == ("installed", 1.0)


def test_without_any_model_to_be_had_it_is_an_error(house: House) -> None:
    """R1: a fault that no retry will cure."""
    scenes.idle(house)
    with house.db.write() as tx:
        whisper_models.switch(tx, "moonshine-tiny-en", enabled=False)
        whisper_models.switch(tx, "no-such-model", enabled=True)

    snapshot = look(house)
    assert (snapshot.health, snapshot.state) == ("error", "no_model")
    assert "no-such-model" in str(snapshot.reason)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """Before any upload fails."""
    with House.open(Settings(home=str(tmp_path)), ServerSettings(min_free_disk_mb=2**40)) as house:
        schema.upgrade(house.db)
        scenes.idle(house)
        snapshot = look(house)

    assert (snapshot.health, snapshot.state) == ("starting", "storage_full")


def test_a_model_in_memory_is_known_by_its_name_in_the_catalogue(house: House) -> None:
    """Workers tell of ``whisper-base`` what the tables of R8 call ``base``."""
    scenes.idle(house)
    with house.db.write() as tx:
        whisper_models.switch(tx, "base", enabled=True)
        workers.note_loaded(tx, "w0", ["whisper-base"])
        downloads.put(tx, Download("whisper-base", "elsewhere", "downloading", 1, 2))

    found = {model["name"]: model for model in as_json(look(house), Caller())["models"]}
    assert found["base"]["loaded"]
    assert found["base"]["state"] == "absent"
    assert not found["moonshine-tiny-en"]["loaded"]


def test_a_database_that_fails_is_told_and_what_was_known_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page does not go empty over it."""
    running = scenes.busy(house)
    error = DatabaseUnavailable(where="there", cause="gone")

    snapshot = look(house, lambda: fail_with(monkeypatch, house, error))

    assert (snapshot.health, snapshot.state, snapshot.reason) == ("starting", "database_unavailable", str(error))
    assert list(snapshot.running) == running
    assert len(snapshot.workers) == 5


def test_an_outdated_database_is_an_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No retry cures that."""
    fail_with(monkeypatch, house, SchemaOutdated("upgrade it"))

    assert look(house).health == "error"


def test_a_database_that_hangs_is_told_by_the_age_of_the_snapshot(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not stay healthy for ever because nobody answers."""
    scenes.idle(house)

    async def waiting() -> tuple[Snapshot, Snapshot]:
        board = Board(house, Hub(asyncio.get_running_loop()))
        await board.refresh()
        before = board.snapshot
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 60)
        return before, board.snapshot

    before, after = asyncio.run(waiting())
    assert before.health == "ready"
    assert (after.health, after.state) == ("starting", "database_silent")


def test_it_goes_on_looking_after_a_fault_of_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One exception must not make the service blind until a restart."""
    scenes.idle(house)
    free_bytes = house.media.free_bytes
    faults = [OSError("the mount is gone")]

    def failing_once(_self: object) -> int | None:
        if faults:
            raise faults.pop()
        return free_bytes()

    monkeypatch.setattr(type(house.media), "free_bytes", failing_once)

    async def until_ready() -> None:
        board = Board(house, Hub(asyncio.get_running_loop()))
        watch = board.follow()
        board.start()
        try:
            await watch.wait(30)
            assert board.snapshot.health == "ready"
        finally:
            await board.stop()

    asyncio.run(until_ready())
    assert faults == []


def test_those_who_follow_are_woken_by_what_others_do(house: House) -> None:
    """Without polling, and after ``stop`` once more, so that nobody waits for nothing."""

    async def follow() -> tuple[int, bool]:
        hub = Hub(asyncio.get_running_loop())
        hub.attach(house.db)
        board = Board(house, hub)
        watch = board.follow()
        board.start()
        await watch.wait(30)
        await asyncio.to_thread(write)
        while not board.snapshot.queued:
            assert await watch.wait(30)
        number = len(board.snapshot.queued)
        await board.stop()
        return number, await watch.wait(30)

    def write() -> None:
        with house.db.write() as tx:
            scenes.put_job(tx)

    assert asyncio.run(follow()) == (1, True)


def test_the_use_of_the_processor_is_asked_in_one_thread(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """``psutil`` counts since the last call of the same thread: asked from a pool, it tells nonsense."""
    asked_in: list[int] = []

    def cpu_percent() -> float:
        asked_in.append(threading.get_ident())
        return 37.0

    monkeypatch.setattr(psutil, "cpu_percent", cpu_percent)
    snapshot = look(house, lambda: None)

    assert set(asked_in) == {threading.get_ident()}
    assert as_json(snapshot, Caller())["cpu"]["percent"] == 37.0


def test_the_state_holds_what_is_promised_and_no_details(house: House) -> None:
    """R7: never callback URL, text, errors or results."""
    running = scenes.busy(house)
    state = as_json(look(house), Caller())

    assert state["processing"] == running
    assert [gpu["job_id"] for gpu in state["gpus"]] == running
    assert {gpu["model"] for gpu in state["gpus"]} == {"large-v3"}
    assert len(state["queued"]) == state["counters"]["queued"] == 30
    assert not [secret for secret in scenes.SECRETS if secret in str(state)]
    assert set(state) == {
        *("version", "time", "auth", "health", "models", "workers", "chat_workers", "gpus", "counters", "callbacks"),
        *("queued", "processing", "cpu", "history"),
    }


def test_with_keys_each_sees_only_their_own_jobs(house: House) -> None:
    """Ids of others are not told, neither in the lists nor with worker and GPU; the numbers are those of all."""
    scenes.busy(house)
    with house.db.write() as tx:
        own = scenes.put_job(tx, "alice2")
    snapshot = look(house)
    seen = as_json(snapshot, replace(ALICE, owner="alice2"))

    assert (seen["queued"], seen["processing"], seen["counters"]["queued"]) == ([own], [], 31)
    assert {gpu["job_id"] for gpu in seen["gpus"]} == {None}
    assert {worker["model"] for worker in seen["workers"]} == {None}
    assert len(as_json(snapshot, ADMIN)["queued"]) == 31
    assert as_json(snapshot, ADMIN)["auth"]


JOBS = st.dictionaries(st.text("0123456789abcdef", min_size=4, max_size=4), st.sampled_from([None, "alice", "bob"]))


@given(queued=JOBS, running=JOBS, worked_on=st.text("0123456789abcdef", min_size=4, max_size=4) | st.none())
def test_nobody_is_ever_told_the_id_of_another_ones_job(
    queued: dict[str, str | None], running: dict[str, str | None], worked_on: str | None
) -> None:
    """Whatever the queue holds."""
    job_id = next(iter(running), worked_on)
    gpu: dict[str, Any] = {"index": 0}
    worker = Worker("w", "h", 1, "cuda:0", "busy", 0.0, 0.0, job_id=job_id, model="base", gpu=gpu)
    state = as_json(Snapshot(queued=queued, running=running, workers=(worker,)), ALICE)

    own = {job for jobs in (queued, running) for job, owner in jobs.items() if owner == "alice"}
    told = {*state["queued"], *state["processing"], state["workers"][0]["job_id"], state["gpus"][0]["job_id"]}
    assert told - {None} <= own
