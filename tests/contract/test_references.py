"""The reference recordings of known speakers: kept with a job as long as it may run, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stenogram.errors import InternalError
from stenogram.job import Media, Reference
from stenogram.store import claims, events, jobs, references
from stenogram.store.claims import Lease
from stenogram.store.database import Database, Transaction
from stenogram.store.jobs import NewJob
from stenogram.types import Segment, SpeakerTurn, Transcript

KNOWN = (Reference("Zoë", "aa" * 32, b"\x00\xff" * 1000), Reference("Ann", "bb" * 32, b"RIFF"))
NEW = NewJob("v1", Media("file:///a.wav", "digest", 1, "a.wav"), "auto", {}, dedupe_key="same", references=KNOWN)
SAID = Transcript((Segment(0, 0, 1, "So.", speaker="Ann"),), 1.0, turns=(SpeakerTurn(0, 1, "Ann"),), diarizer="fake")


def of(db: Database, job_id: str) -> list[Reference]:
    with db.read() as connection:
        return references.of_job(connection, job_id)


def put(db: Database) -> str:
    with db.write() as tx:
        return jobs.put(tx, NEW)[0].id


def claim(tx: Transaction, job_id: str) -> Lease:
    claimed = claims.claim(tx, job_id, "w1")
    assert claimed is not None
    return claimed[1]


def test_they_come_back_as_they_were_sent_and_in_order(db: Database) -> None:
    job_id = put(db)

    assert of(db, job_id) == list(KNOWN)
    assert of(db, "another") == []


def test_a_job_that_has_succeeded_keeps_none_nor_do_those_that_ended_with_it(db: Database) -> None:
    job_id, twin, later = put(db), put(db), put(db)
    with db.write() as tx:
        claims.cancel(tx, later)
        claims.succeed(tx, claim(tx, job_id), SAID, None, cached=False)

    assert (of(db, job_id), of(db, twin)) == ([], [])
    assert of(db, later) == list(KNOWN)


@pytest.mark.parametrize("remove", [jobs.remove, jobs.forget_media])
def test_one_that_failed_keeps_them_for_another_try_until_it_or_its_recording_goes(
    db: Database, remove: Callable[[Transaction, list[str]], None]
) -> None:
    job_id = put(db)
    with db.write() as tx:
        claims.fail(tx, claim(tx, job_id), InternalError(cause="no luck"), shared=False)
    assert of(db, job_id) == list(KNOWN)

    with db.write() as tx:
        remove(tx, [job_id])
    assert of(db, job_id) == []


def test_who_is_answered_at_once_hears_of_the_speakers_too(db: Database) -> None:
    """And keeps no reference either."""
    job_id = put(db)
    with db.write() as tx:
        claims.answer(tx, job_id, SAID, b"packed")
    with db.read() as connection:
        told = [(event.kind, event.payload) for event in events.after(connection, job_id, 0)]
    assert ("speakers", {"diarizer": "fake", "turns": [{"start": 0, "end": 1, "speaker": "Ann"}]}) in told
    assert [kind for kind, _ in told] == ["state", "segment", "speakers", "state"]
    assert of(db, job_id) == []
