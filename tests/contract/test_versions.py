"""What the table of versions must do, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from stenogram.errors import DatabaseError
from stenogram.job import Media
from stenogram.store import jobs, results, versions
from stenogram.store.database import Database
from stenogram.store.tables import transcript_versions as table
from stenogram.store.tables import users
from stenogram.store.versions import GATHER_S, Text, Version
from stenogram.types import Segment, Transcript

FOUND = Transcript((Segment(0, 0.0, 1.0, "One."), Segment(4, 1.0, 2.0, "Two.")), 2.0, "en")
MEDIA = Media("2026/01/x/a.wav", "digest", 1000, "a talk.wav")


@pytest.fixture
def job_id(db: Database) -> str:
    with db.write() as tx:
        made = jobs.put(tx, jobs.NewJob("v1", MEDIA, "auto", {}))[0].id
        results.put(tx, made, results.pack(FOUND))
    return made


def text_of(*said: str, **changes: Any) -> Text:
    segments = tuple(Segment(number, 0.0, 1.0, each) for number, each in enumerate(said))
    return Text(replace(FOUND, segments=segments), **changes)


def save(db: Database, job_id: str, *said: str, author: str | None = "ann") -> Version:
    with db.write() as tx:
        return versions.save(tx, job_id, text_of(*said), author, 1)


def read(db: Database, job_id: str, number: int | None = None) -> Text | None:
    with db.read() as connection:
        return versions.find(connection, job_id, number)


def listing(db: Database, job_id: str) -> list[Version]:
    with db.read() as connection:
        return versions.listing(connection, job_id)


def age(db: Database, job_id: str, seconds: float) -> None:
    with db.write() as tx:
        tx.connection.execute(
            update(table).where(table.c.job_id == job_id).values(created_at=table.c.created_at - seconds)
        )


def test_what_was_found_is_version_0(db: Database, job_id: str) -> None:
    assert read(db, job_id) == read(db, job_id, 0) == Text(FOUND, {}, 5)
    assert read(db, job_id, 1) is None
    assert read(db, "absent") is None
    assert listing(db, job_id) == []
    with db.read() as connection:
        assert versions.head(connection, job_id) is None


def test_a_version_is_kept_with_what_the_next_edit_needs(db: Database, job_id: str) -> None:
    text = text_of("Uno.", touched={0: 1}, next_id=7)
    with db.write() as tx:
        saved = versions.save(tx, job_id, text, "ann", 3)

    assert read(db, job_id) == read(db, job_id, 1) == text
    assert read(db, job_id, 0) == Text(FOUND, {}, 5)
    assert listing(db, job_id) == [saved]
    assert (saved.number, saved.author, saved.author_name, saved.changes) == (1, "ann", None, 3)
    with db.read() as connection:
        stored = connection.execute(table.select()).one().transcript
    assert results.unpack(stored) == text.transcript  # whoever reads transcripts can read it
    assert zlib.decompress(stored)


def test_saves_of_one_author_within_ten_minutes_gather(db: Database, job_id: str) -> None:
    first, second = save(db, job_id, "a"), save(db, job_id, "b")
    assert (second.number, second.changes, second.created_at) == (2, 2, first.created_at)
    assert [version.number for version in listing(db, job_id)] == [2]

    age(db, job_id, GATHER_S)
    assert [save(db, job_id, "c").number, save(db, job_id, "d", author="ben").number] == [3, 4]
    assert [version.number for version in listing(db, job_id)] == [4, 3, 2]
    again = save(db, job_id, "e")  # what somebody else did lies between
    assert (again.number, again.changes) == (5, 1)
    kept = [read(db, job_id, number) for number in (1, 2, 3, 4, 5)]
    assert [text and text.transcript.text for text in kept] == [None, "b", "c", "d", "e"]


def test_nobody_in_particular_is_one_author(db: Database, job_id: str) -> None:
    save(db, job_id, "a", author=None)

    assert save(db, job_id, "b", author=None).changes == 2
    assert save(db, job_id, "c").changes == 1


def test_a_restored_version_is_one_of_its_own(db: Database, job_id: str) -> None:
    save(db, job_id, "a")
    with db.write() as tx:
        restored = versions.restore(tx, job_id, Text(FOUND, {}, 5), "ann", 0)
    after = save(db, job_id, "b")

    assert (restored.number, restored.restored, after.number, after.restored) == (2, 0, 3, None)
    assert [version.restored for version in listing(db, job_id)] == [None, 0, None]


def test_the_oldest_versions_are_forgotten(db: Database, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds the whole transcript, and going back makes another one."""
    monkeypatch.setattr(versions, "MOST_KEPT", 3)
    for author in ("ann", "ben", "ann", "ben", "ann"):
        save(db, job_id, author, author=author)

    assert [version.number for version in listing(db, job_id)] == [5, 4, 3]
    assert read(db, job_id, 2) is None
    assert read(db, job_id, 0) == Text(FOUND, {}, 5)


def test_an_author_has_the_name_of_the_user(db: Database, job_id: str) -> None:
    with db.write() as tx:
        facts = {"email": "a@b.c", "password": "", "role": "user", "is_active": True, "settings": "{}"}
        times = {"created_at": 0.0, "password_at": 0.0, "must_change": False}
        tx.connection.execute(users.insert().values(id="u1", name="Ann", **facts, **times))
    save(db, job_id, "a", author="u1")

    assert [version.author_name for version in listing(db, job_id)] == ["Ann"]


def test_versions_go_with_the_job(db: Database, job_id: str) -> None:
    save(db, job_id, "a")
    with db.write() as tx:
        jobs.remove(tx, [job_id])

    assert listing(db, job_id) == []


def test_of_two_at_once_none_is_lost(db: Database, job_id: str) -> None:
    """Each adds to what it read: with the lock, every one of them reads what the one before saved."""

    def add(number: int) -> None:
        with db.write() as tx:
            versions.lock(tx, job_id)
            text = versions.find(tx.connection, job_id)
            assert text is not None
            segments = (*text.transcript.segments, Segment(100 + number, 0.0, 1.0, str(number)))
            versions.save(tx, job_id, Text(replace(text.transcript, segments=segments)), f"author {number % 3}", 1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(24)))
    found = read(db, job_id)

    assert found is not None
    assert {segment.id for segment in found.transcript.segments} == {0, 4, *range(100, 124)}
    assert listing(db, job_id)[0].number == 24


def test_whoever_deletes_a_job_and_whoever_saves_do_not_lock_each_other_out(db: Database, job_id: str) -> None:
    def act(number: int) -> None:
        with db.write() as tx:
            if number == 10:
                jobs.remove(tx, [job_id])
                return
            versions.lock(tx, job_id)
            text = versions.find(tx.connection, job_id)
            if text is not None:
                versions.save(tx, job_id, text, "ann", 1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(20)))

    assert listing(db, job_id) == []


def test_a_save_of_a_job_that_is_not_there_is_refused(db: Database) -> None:
    with pytest.raises(DatabaseError):
        save(db, "absent", "a")


def test_what_was_found_stays_for_identical_jobs(db: Database, job_id: str) -> None:
    save(db, job_id, "edited")
    with db.read() as connection:
        assert results.find(connection, job_id) == FOUND
