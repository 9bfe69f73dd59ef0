"""What nobody needs any more is put away: recordings, old jobs, spent keys; on both databases."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import update

from stenogram.app import housekeeping, jobs, library
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotAllowed, NotFound, StenogramError
from stenogram.job import Job, JobSource
from stenogram.store import claims, failures, idempotency, schema, sessions, users, workers
from stenogram.store import jobs as job_rows
from stenogram.store.database import Transaction
from stenogram.store.failures import Failures
from stenogram.store.idempotency import Remembered
from stenogram.store.sessions import Session
from stenogram.store.tables import idempotency as idempotency_table
from stenogram.store.tables import jobs as job_table
from stenogram.store.tables import sessions as session_table
from stenogram.store.users import User
from stenogram.types import Segment, Transcript
from tests.service import CALLER, keep, kept, submit

DAY_S = 86_400.0
FOUND = Transcript((Segment(0, 0.0, 1.0, "Hello."),), 10.0, model="fake")


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    server = ServerSettings(database_url=database_url, retention_days=30, archive_url=f"file://{tmp_path / 'archive'}")
    with House.open(Settings(home=str(tmp_path / "home")), server) as opened:
        schema.upgrade(opened.db)
        with opened.db.write() as tx:
            workers.register(tx, "w", "here", 1, "cpu")
        yield opened


def end(house: House, job: Job, error: StenogramError | None = None) -> None:
    """As a worker would."""
    with house.db.write() as tx:
        claimed = claims.claim(tx, job.id, "w")
        assert claimed is not None
        if error is None:
            claims.succeed(tx, claimed[1], FOUND, None, cached=False)
        else:
            claims.fail(tx, claimed[1], error, shared=False)


def age(house: House, job: Job, days: float) -> None:
    with house.db.write() as tx:
        ended = time.time() - days * DAY_S
        tx.connection.execute(update(job_table).where(job_table.c.id == job.id).values(finished_at=ended))


@pytest.mark.parametrize(("source", "left"), [("service", 0), ("openai", 0), ("v1", 1)])
def test_a_recording_goes_with_its_success_unless_it_is_of_the_library(
    house: House, beckett: Path, source: JobSource, left: int
) -> None:
    job = submit(house, beckett, jobs.Order(source))
    housekeeping.tidy(house)
    assert len(kept(house)) == 1
    end(house, job)
    housekeeping.tidy(house)

    assert len(kept(house)) == left
    assert jobs.transcript(house, CALLER, job.id) == FOUND


def test_the_recording_of_a_failed_job_is_kept_for_a_week(house: House, beckett: Path) -> None:
    """So that it can be tried again."""
    job = submit(house, beckett, jobs.Order("service"))
    end(house, job, NotAllowed(cause="whatever"))
    age(house, job, 6.9)
    housekeeping.tidy(house)
    assert kept(house)
    age(house, job, 7.1)
    housekeeping.tidy(house)
    assert not kept(house)


def test_what_is_wished_for_one_job_goes_before_the_setting(house: House, beckett: Path) -> None:
    end(house, submit(house, beckett, jobs.Order("service", delete_media=False)))
    end(house, submit(house, beckett, jobs.Order("v1", delete_media=True, profile="fast")))
    housekeeping.tidy(house)

    assert len(kept(house)) == 1


def test_old_jobs_are_archived_whole_and_go(house: House, beckett: Path, tmp_path: Path) -> None:
    """More than one batch of them; what is young or unfinished stays."""
    old = [submit(house, beckett, jobs.Order("v1", profile="fast")) for _ in range(3)]
    end(house, old[0])  # and with it its twins
    for job in old:
        age(house, job, 31)
    young, unfinished = submit(house, beckett), submit(house, beckett)
    end(house, young, NotAllowed(cause="whatever"))
    age(house, young, 29)
    housekeeping.tidy(house)

    lines = [
        json.loads(line)
        for path in sorted((tmp_path / "archive").iterdir())
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
    ]
    assert {line["job"]["id"] for line in lines} == {job.id for job in old}
    assert all(line["transcript"]["segments"][0]["text"] == "Hello." for line in lines)
    for job in old:
        with pytest.raises(NotFound):
            jobs.find(house, CALLER, job.id)
    assert {jobs.find(house, CALLER, job.id).state for job in (young, unfinished)} == {"failed", "queued"}
    assert len(kept(house)) == 2


def test_what_its_owner_put_into_the_trash_is_not_archived(house: House, tmp_path: Path, beckett: Path) -> None:
    one = submit(house, beckett)
    end(house, one)
    library.trash(house, CALLER, one.id)
    age(house, one, 31)
    housekeeping.tidy(house)

    assert not (tmp_path / "archive").exists()
    with house.db.read() as connection:
        assert job_rows.find(connection, one.id, trashed=True) is None
    assert kept(house) == []


def test_idempotency_keys_are_forgotten_after_a_day(house: House) -> None:
    with house.db.write() as tx:
        for key, days in (("new", 0.9), ("old", 1.1)):
            idempotency.put(tx, "anna", key, Remembered("print", ["1"]))
            made = time.time() - days * DAY_S
            row = idempotency_table.c.key == key
            tx.connection.execute(update(idempotency_table).where(row).values(created_at=made))
    housekeeping.tidy(house)

    with house.db.read() as connection:
        assert idempotency.find(connection, "anna", "new") is not None
        assert idempotency.find(connection, "anna", "old") is None


def test_a_recording_that_is_gone_already_stops_nothing(house: House, beckett: Path) -> None:
    job = submit(house, beckett, jobs.Order("service"))
    assert job.media is not None
    house.media.delete(job.media.url)
    end(house, job)
    housekeeping.tidy(house)

    assert jobs.find(house, CALLER, job.id).media is None
    assert keep(house, beckett).bytes == beckett.stat().st_size


def put_sessions(house: House, over: int, good: int) -> None:
    now = time.time()
    with house.db.write() as tx:
        users.put(
            tx, User("ann", "ann@example.org", "Ann", "hash", "admin", is_active=True, created_at=0, password_at=0)
        )
        for number in range(over + good):
            ends = now - 1 - number if number < over else now + DAY_S
            name = f"{number:06}" * 20
            sessions.put(tx, Session(name, name, "ann", None, now, ends, now, "192.0.2.7", "Firefox" * 40))


def sessions_left(house: House) -> int:
    with house.db.read() as connection:
        return len(sessions.of(connection, 0.0, user_id="ann"))


def test_sessions_that_are_over_go_daily_in_batches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others come to write in between."""
    batches = []
    expire = sessions.expire

    def counted(tx: Transaction, now: float, limit: int) -> int:
        batches.append(expire(tx, now, limit))
        return batches[-1]

    monkeypatch.setattr(sessions, "expire", counted)
    put_sessions(house, 2300, 3)
    housekeeping.tidy_daily(house)

    assert batches == [1000, 1000, 300]
    assert sessions_left(house) == 3


def test_failures_to_sign_in_of_long_ago_go_daily(house: House) -> None:
    now = time.time()
    with house.db.write() as tx:
        for name, days in (("count-new", 0.9), ("count-old", 1.1), ("known-new", 89), ("known-old", 91)):
            failures.put(tx, name, Failures(3, now - days * DAY_S))
    housekeeping.tidy_daily(house)

    with house.db.read() as connection:
        found = {
            name for name in ("count-new", "count-old", "known-new", "known-old") if failures.find(connection, name)
        }
    assert found == {"count-new", "known-new"}


def test_after_a_mass_delete_the_file_of_sqlite_shrinks(house: House) -> None:
    """R31; and it goes on with all that is left in it."""
    if house.db.dialect != "sqlite":
        housekeeping.tidy_daily(house)
        assert not house.db.shrink()
        return
    path = Path(str(house.db.engine.url.database))
    put_sessions(house, 6000, 5)
    house.db.forget_log()
    before = path.stat().st_size
    housekeeping.tidy_daily(house)

    assert before > 4 * 2**20
    assert path.stat().st_size < before / 4
    assert sessions_left(house) == 5
    with house.db.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


def test_a_file_is_not_written_anew_for_little_nor_a_large_one_while_workers_are_busy(house: House) -> None:
    put_sessions(house, 10, 5)
    housekeeping.tidy_daily(house)
    assert not house.db.shrink()
    with house.db.write() as tx:
        tx.connection.execute(session_table.delete())
    put = [f"{number:08}" for number in range(6000)]
    with house.db.write() as tx:
        for name in put:
            sessions.put(tx, Session(name, name, "ann", None, 0, 0, 0, "", "Firefox" * 40))
    with house.db.write() as tx:
        tx.connection.execute(session_table.delete())

    assert not house.db.shrink(at_once_bytes=2**20)
    assert house.db.shrink(at_once_bytes=2**30) is (house.db.dialect == "sqlite")


def test_what_is_daily_is_done_at_the_start_and_then_once_a_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, done, minutes = [0.0], list[float](), 2 * 24 * 60

    class Stop:
        def wait(self, pause_s: float) -> bool:
            clock[0] += pause_s
            return clock[0] > minutes * 60

    monkeypatch.setattr(housekeeping, "tidy", lambda _house: None)
    monkeypatch.setattr(housekeeping, "tidy_daily", lambda _house: done.append(clock[0]))
    monkeypatch.setattr("stenogram.app.housekeeping.time.monotonic", lambda: clock[0])
    housekeeping.keep_tidy(house, cast("threading.Event", Stop()))

    assert done == [0.0, DAY_S, 2 * DAY_S]
