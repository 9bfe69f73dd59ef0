"""Jobs from submission to transcript, with real worker processes, on SQLite and PostgreSQL."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import Conflict, NotFound
from stenogram.job import Caller
from stenogram.jobs.supervisor import Supervisor
from stenogram.store import claims, schema, workers
from stenogram.store import jobs as job_rows
from stenogram.types import DecodeOptions, RunOptions
from tests.service import (
    CALLER,
    fake,
    keep,
    kept,
    lines,
    read_wav,
    recomputed,
    submit,
    supervise,
    until,
    wait_for,
    write_wav,
)

SLOW_S = 0.3
"""For each chunk of the fake engine."""


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    settings = Settings(home=str(tmp_path / "home"))
    with House.open(settings, ServerSettings(database_url=database_url, lease_s=2.0)) as opened:
        schema.upgrade(opened.db)
        yield opened


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def supervisor(house: House, log: Path) -> Iterator[Supervisor]:
    """One worker with a slow fake engine."""
    started = supervise(house, fake(log, SLOW_S))
    started.start()
    yield started
    started.stop(0.5)


def states(house: House, job_id: str) -> list[str]:
    """The states that a job's events tell of."""
    return [event.payload["state"] for event in jobs.events_after(house, job_id, 0) if event.kind == "state"]


def texts(house: House, job_id: str) -> list[str]:
    """The segments that a job's events tell of."""
    return [event.payload["text"] for event in jobs.events_after(house, job_id, 0) if event.kind == "segment"]


def test_a_job_becomes_a_transcript(house: House, beckett: Path) -> None:
    """With the real engine: the text, its events in order, and the recording deleted as the setting says."""
    supervisor = supervise(house)
    supervisor.start()
    job = submit(house, beckett, jobs.Order("service"))
    done = wait_for(house, job)
    until(lambda: jobs.find(house, CALLER, job.id).media is None)
    supervisor.stop(5.0)

    transcript = jobs.transcript(house, CALLER, job.id)
    assert done.state == "succeeded", done.error
    assert transcript.text.startswith("Ever tried")
    events = jobs.events_after(house, job.id, 0)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert states(house, job.id) == ["queued", "running", "succeeded"]
    assert " ".join(texts(house, job.id)) == transcript.text
    assert not kept(house)


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_within_a_second(
    house: House, supervisor: Supervisor, two_cities: Path
) -> None:
    first = submit(house, two_cities)
    second = submit(house, two_cities, jobs.Order("v1", profile="fast"))
    wait_for(house, first, "running")

    assert jobs.cancel(house, CALLER, second.id).state == "cancelled"
    jobs.cancel(house, CALLER, first.id)
    assert wait_for(house, first, timeout_s=5.0).state == "cancelled"
    with pytest.raises(Conflict):
        jobs.transcript(house, CALLER, first.id)


@pytest.mark.slow_on("postgresql")
def test_a_cancelled_job_can_be_retried_and_goes_on_where_it_was(
    house: House, supervisor: Supervisor, log: Path, two_cities: Path
) -> None:
    job = submit(house, two_cities)
    until(lambda: len([line for line in lines(log) if line.startswith("stored")]) > 1)
    jobs.cancel(house, CALLER, job.id)
    wait_for(house, job)
    jobs.retry(house, CALLER, job.id)

    assert wait_for(house, job).state == "succeeded"
    assert not recomputed(log)
    assert " ".join(texts(house, job.id)) == jobs.transcript(house, CALLER, job.id).text


@pytest.mark.slow_on("postgresql")
def test_identical_work_in_flight_is_joined_and_done_work_answers_at_once(
    house: House, supervisor: Supervisor, log: Path, two_cities: Path
) -> None:
    """Three requests, one computation; each has its own events, whole, whenever it came."""
    first = submit(house, two_cities)
    until(lambda: texts(house, first.id))
    second = submit(house, two_cities)
    wait_for(house, first)
    wait_for(house, second)
    third = submit(house, two_cities)

    assert third.state == "succeeded"
    assert third.cached
    taken = [line for line in lines(log) if line.startswith("taken")]
    assert len(taken) == len(set(taken))
    whole = jobs.transcript(house, CALLER, first.id).text
    for job in (first, second, third):
        assert " ".join(texts(house, job.id)) == whole
        assert jobs.transcript(house, CALLER, job.id).text == whole


@pytest.mark.slow_on("postgresql")
def test_a_twin_goes_on_when_the_job_that_ran_is_cancelled(
    house: House, supervisor: Supervisor, log: Path, two_cities: Path
) -> None:
    first, second = submit(house, two_cities), submit(house, two_cities)
    until(lambda: texts(house, first.id))
    jobs.cancel(house, CALLER, first.id)

    assert wait_for(house, second).state == "succeeded"
    assert jobs.find(house, CALLER, first.id).state == "cancelled"
    assert not recomputed(log)
    assert " ".join(texts(house, second.id)) == jobs.transcript(house, CALLER, second.id).text


@pytest.mark.slow_on("postgresql")
def test_nobody_who_waits_is_left_alone(house: House, supervisor: Supervisor, two_cities: Path) -> None:
    """A client that goes away gives its job up, unless somebody else waits for the same."""
    first, second = submit(house, two_cities), submit(house, two_cities)
    jobs.abandon(house, first)

    assert wait_for(house, first).state == "succeeded"
    assert wait_for(house, second).state == "succeeded"


def test_kill_9_of_a_worker_loses_nothing(house: House, supervisor: Supervisor, log: Path, two_cities: Path) -> None:
    """The job goes on in another process, from the last finished chunk; its events know no gap and no repeat."""
    job = submit(house, two_cities)
    until(lambda: len([line for line in lines(log) if line.startswith("stored")]) > 1)
    [pid] = supervisor.pids()
    os.kill(pid, signal.SIGKILL)
    done = wait_for(house, job)

    assert done.state == "succeeded"
    assert done.attempt == 2
    assert not recomputed(log)
    assert " ".join(texts(house, job.id)) == jobs.transcript(house, CALLER, job.id).text
    assert states(house, job.id) == ["queued", "running", "queued", "running", "succeeded"]


@pytest.mark.slow
def test_a_poisoned_recording_kills_three_workers_and_no_fourth(
    house: House, supervisor: Supervisor, log: Path, beckett: Path, tmp_path: Path
) -> None:
    """It fails with that reason, and the next job is done."""
    samples, rate = read_wav(beckett)
    poison = write_wav(tmp_path / "poison.wav", np.stack([samples, samples], axis=1), rate)
    order = jobs.Order("v1", run=RunOptions(decode=DecodeOptions(channels="separate")))
    bad = wait_for(house, submit(house, poison, order))
    good = wait_for(house, submit(house, beckett))

    assert (bad.state, bad.error_code) == ("failed", "worker_died")
    assert "3 workers died" in (bad.error or "")
    assert lines(log).count("died") == 3
    assert good.state == "succeeded"


def test_workers_that_die_while_they_get_further_are_not_counted(house: House, beckett: Path) -> None:
    """A long recording survives any number of power cuts, as long as each attempt finishes something new."""
    job = submit(house, beckett)
    for number in range(1, 6):
        worker_id = f"w{number}"
        with house.db.write() as tx:
            workers.register(tx, worker_id, "elsewhere", 1, "cpu")
            claimed = claims.claim(tx, job.id, worker_id)
        assert claimed is not None
        with house.db.write() as tx:
            claims.record(tx, claimed[1], claims.Progress("transcribe", 0.1 * number, 10.0, advanced=True), [])
            claims.take_back(tx, claimed[1], "it died", max_crashes=3)

    assert jobs.find(house, CALLER, job.id).state == "queued"


@pytest.mark.slow_on("postgresql")
def test_a_zombie_cannot_overwrite(house: House, log: Path, two_cities: Path) -> None:
    """Stopped with its supervisor, taken over by another machine, and gone on: what it writes is refused."""
    first = supervise(house, fake(log, SLOW_S), host="first")
    first.start()
    job = submit(house, two_cities)
    until(lambda: texts(house, job.id))
    [pid] = first.pids()
    os.kill(pid, signal.SIGSTOP)
    first._over.set()  # and its supervisor beats no more, as when the whole machine stands still
    second = supervise(house, fake(log, SLOW_S), host="second")
    second.start()
    until(lambda: jobs.find(house, CALLER, job.id).attempt == 2, what="for the take-over")
    os.kill(pid, signal.SIGCONT)
    done = wait_for(house, job)
    time.sleep(0.5)  # the zombie has had its chance

    after = jobs.find(house, CALLER, job.id)
    assert (done.state, done.attempt) == ("succeeded", 2)
    assert (after.worker or "").startswith("second")
    assert states(house, job.id).count("succeeded") == 1
    assert " ".join(texts(house, job.id)) == jobs.transcript(house, CALLER, job.id).text
    first.stop(0.0)
    second.stop(0.5)


def test_a_second_host_takes_over_with_a_data_folder_of_its_own(
    house: House, log: Path, two_cities: Path, tmp_path: Path, postgres_url: str
) -> None:
    """Shared are the database, the recordings and the cache; nothing that was finished is computed again."""
    if house.db.dialect == "sqlite":
        pytest.skip("SQLite is for one machine")
    shared = f"file://{tmp_path / 'shared'}"
    server = dataclasses.replace(house.server, media_url=f"file://{tmp_path / 'media'}")
    here = Settings(home=str(tmp_path / "one"), cache_url=shared)
    there = Settings(home=str(tmp_path / "two"), cache_url=shared)
    with House.open(here, server) as one, House.open(there, server) as two:
        first = supervise(one, fake(log, SLOW_S), host="one")
        first.start()
        job = submit(one, two_cities)
        until(lambda: len([line for line in lines(log) if line.startswith("stored")]) > 1)
        first._over.set()
        for pid in first.pids():
            os.kill(pid, signal.SIGKILL)
        second = supervise(two, fake(log, SLOW_S), host="two")
        second.start()
        done = wait_for(one, job)
        second.stop(0.5)
        first.stop(0.0)

    assert (done.state, done.attempt) == ("succeeded", 2)
    assert not recomputed(log)


def test_workers_end_with_their_supervisor(house: House, log: Path, two_cities: Path) -> None:
    """Killing only the supervisor leaves no orphan: a worker ends when its standard input does."""
    supervisor = supervise(house, fake(log, SLOW_S), workers=2)
    supervisor.start()
    until(lambda: len([w for w in workers_of(house) if w.state == "idle"]) == 2)
    pids = supervisor.pids()
    supervisor._over.set()
    for place in supervisor._places:
        assert place.process is not None
        assert place.process.stdin is not None
        place.process.stdin.close()  # as the system does for a process that is killed

    until(lambda: not any(psutil.pid_exists(pid) and is_running(pid) for pid in pids), 10.0)
    supervisor.stop(0.0)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def workers_of(house: House) -> list[workers.Worker]:
    with house.db.read() as connection:
        return workers.all_of(connection)


def test_a_graceful_stop_ends_the_job_in_hand(house: House, log: Path, beckett: Path) -> None:
    supervisor = supervise(house, fake(log, SLOW_S))
    supervisor.start()
    job = submit(house, beckett)
    wait_for(house, job, "running")
    supervisor.stop(20.0)

    assert jobs.find(house, CALLER, job.id).state == "succeeded"
    assert [worker.state for worker in workers_of(house)] == ["stopped"]


@pytest.mark.slow_on("postgresql")
def test_a_stop_without_grace_hands_the_job_back(house: House, log: Path, two_cities: Path) -> None:
    """The next worker goes on; it counts as no crash."""
    supervisor = supervise(house, fake(log, SLOW_S))
    supervisor.start()
    job = submit(house, two_cities)
    until(lambda: texts(house, job.id))
    supervisor.stop(0.0)
    between = jobs.find(house, CALLER, job.id)
    supervisor = supervise(house, fake(log, 0.0))
    supervisor.start()
    done = wait_for(house, job)
    supervisor.stop(0.5)

    assert (between.state, between.crashes) == ("queued", 0)
    assert (done.state, done.attempt) == ("succeeded", 2)
    assert not recomputed(log)


@pytest.mark.slow_on("postgresql")
@pytest.mark.parametrize("trouble", ["lost", "full"])
def test_what_lies_in_the_machine_fails_no_job(
    house: House, supervisor: Supervisor, log: Path, beckett: Path, trouble: str
) -> None:
    """A GPU that is lost, a disk that is full: the job waits, the worker tells why, and all goes on when it passes."""
    flag = log.with_suffix(f".{trouble}")
    flag.touch()
    job = submit(house, beckett)
    reason = until(lambda: next((w.fault for w in workers_of(house) if w.fault), None), what="for the reason")
    between = wait_for(house, job, "queued")
    flag.unlink()
    done = wait_for(house, job)

    assert "fell off the bus" in reason if trouble == "lost" else "no space" in reason
    assert between.crashes == 0
    assert done.state == "succeeded"


def test_a_bad_recording_fails_by_the_name_its_user_gave_it(
    house: House, supervisor: Supervisor, tmp_path: Path
) -> None:
    bad = tmp_path / "entwürfe.mp3"
    bad.write_text("this is no sound")
    done = wait_for(house, submit(house, bad))

    assert (done.state, done.error_code) == ("failed", "not_media")
    assert done.error is not None
    assert done.error.startswith("entwürfe.mp3: not an audio or video file")


def test_jobs_of_another_owner_are_not_there(house: House, beckett: Path) -> None:
    mine, other = Caller("me", "k1", frozenset({"transcribe"}), 0, False), Caller("you", "k2", frozenset(), 0, False)
    [job] = jobs.submit(house, mine, jobs.Order("v1"), [keep(house, beckett)])

    assert jobs.find(house, mine, job.id).owner == "me"
    for action in (jobs.find, jobs.cancel, jobs.retry, jobs.delete, jobs.transcript):
        with pytest.raises(NotFound):
            action(house, other, job.id)
    assert not jobs.listing(house, other, job_rows.Filter(), 10, None)


def test_owners_share_fairly_and_priority_goes_first(house: House, beckett: Path) -> None:
    """Who has much in hand waits behind who has little; a higher priority outweighs that."""
    greedy = Caller("greedy", "k1", frozenset({"*"}), 0, False)
    modest = Caller("modest", "k2", frozenset({"*"}), 0, False)

    def put(caller: Caller, number: int, priority: int = 0) -> str:
        run = RunOptions(decode=DecodeOptions(max_duration_s=1000.0 + number))  # so that no two are twins
        order = jobs.Order("v1", run=run, priority=priority)
        return jobs.submit(house, caller, order, [keep(house, beckett)])[0].id

    many = [put(greedy, number) for number in range(3)]
    few = put(modest, 3)
    urgent = put(greedy, 4, priority=1)

    with house.db.read() as connection:
        waiting = job_rows.ids(connection, "queued", None, everybody=True)
    assert waiting == [urgent, many[0], few, many[1], many[2]]
    assert jobs.find(house, CALLER, many[2]).position == 5
