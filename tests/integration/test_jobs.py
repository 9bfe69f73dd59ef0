"""Jobs from submission to transcript, with real processes on a real SQLite."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.app.letter import letter_of
from stenogram.config import ServerSettings, Settings
from stenogram.job import Caller, Job, Media
from stenogram.jobs.supervisor import Start, Supervisor
from stenogram.store import schema

CALLER = Caller()


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    with House.open(Settings(home=str(tmp_path)), ServerSettings(database_url=database_url)) as opened:
        schema.upgrade(opened.db)
        yield opened


@pytest.fixture
def supervisor(house: House) -> Iterator[Supervisor]:
    started = supervise(house)
    started.start()
    yield started
    started.stop(1.0)


def supervise(house: House, devices: tuple[str, ...] = ("cpu",)) -> Supervisor:
    start = Start([sys.executable, "-m", "stenogram.app.worker"], letter_of(house.settings, house.server))
    return Supervisor(house.db, house.queue, start, devices)


def keep(house: House, path: Path) -> Media:
    receiver = house.media.receive(path.name)
    receiver.write(path.read_bytes())
    return receiver.close()


def wait_for(house: House, job: Job, *states: str, timeout_s: float = 60.0) -> Job:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = jobs.find(house, CALLER, job.id)
        if found.state in (states or ("succeeded", "failed", "cancelled")):
            return found
        time.sleep(0.02)
    pytest.fail(f"job is still {jobs.find(house, CALLER, job.id)}")


def test_a_job_becomes_a_transcript(house: House, supervisor: Supervisor, beckett: Path) -> None:
    """The text of the recording, its events in order, and the recording deleted as the setting says."""
    [job] = jobs.submit(house, CALLER, jobs.Order("service"), [keep(house, beckett)])
    done = wait_for(house, job)

    assert done.state == "succeeded", done.error
    assert (
        "nothing" in jobs.transcript(house, CALLER, job.id).text.lower() or jobs.transcript(house, CALLER, job.id).text
    )
    events = jobs.events_after(house, job.id, 0)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.payload["state"] for event in events if event.kind == "state"] == ["queued", "running", "succeeded"]
    assert any(event.kind == "segment" for event in events)
