"""What nobody needs any more is put away: recordings, old jobs, spent keys; on both databases."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from stenogram.app import housekeeping, jobs
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotAllowed, NotFound, StenogramError
from stenogram.job import Job, JobSource
from stenogram.store import claims, idempotency, schema, workers
from stenogram.store.idempotency import Remembered
from stenogram.store.tables import idempotency as idempotency_table
from stenogram.store.tables import jobs as job_table
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
