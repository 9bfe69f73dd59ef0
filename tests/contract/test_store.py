"""What the table of jobs and the leases on it must do, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from stenogram.errors import InputError, InternalError, StenogramError
from stenogram.job import Job, JobState, Media
from stenogram.store import callbacks, claims, events, jobs, results, workers
from stenogram.store.claims import Lease, LeaseLost, Progress
from stenogram.store.database import Database
from stenogram.store.events import Happening
from stenogram.store.jobs import Filter, NewJob
from stenogram.types import Segment, Transcript

MEDIA = Media("file:///media/a.wav", "digest", 1000, "a talk.wav")
NEW = NewJob("v1", MEDIA, "auto", {"profile": "auto"})
TRANSCRIPT = Transcript((Segment(0, 0.0, 1.5, "Hello.", tokens=(1, 2, 3)),), 1.5, "en")
HALF = Progress("transcribe", 0.5, 60.0, advanced=False)
SEGMENT: Happening = ("segment", {"id": 0, "text": "Hello."})
RUNNING: tuple[JobState, ...] = ("running",)
FAULT = InternalError(cause="no luck")


def put(db: Database, **changes: Any) -> str:
    with db.write() as tx:
        return jobs.put(tx, replace(NEW, **changes))[0].id


def find(db: Database, job_id: str) -> Job:
    with db.read() as connection:
        found = jobs.find(connection, job_id)
    assert found is not None
    return found


def claim(db: Database, job_id: str, worker_id: str = "w1") -> Lease | None:
    with db.write() as tx:
        claimed = claims.claim(tx, job_id, worker_id)
    return claimed[1] if claimed is not None else None


def held(db: Database, job_id: str, worker_id: str = "w1") -> Lease:
    lease = claim(db, job_id, worker_id)
    assert lease is not None
    return lease


def record(db: Database, lease: Lease, progress: Progress = HALF, *happenings: Happening) -> bool:
    with db.write() as tx:
        return claims.record(tx, lease, progress, happenings)


def succeed(db: Database, lease: Lease, transcript: Transcript = TRANSCRIPT) -> None:
    with db.write() as tx:
        claims.succeed(tx, lease, transcript, {"gpu_name": "none"}, cached=False)


def fail(db: Database, lease: Lease, error: StenogramError = FAULT, *, shared: bool = False) -> None:
    with db.write() as tx:
        claims.fail(tx, lease, error, shared=shared)


def cancel(db: Database, job_id: str) -> None:
    with db.write() as tx:
        claims.cancel(tx, job_id)


def hand_back(db: Database, lease: Lease) -> claims.Released | None:
    with db.write() as tx:
        return claims.hand_back(tx, lease, "its worker was stopped")


def take_back(db: Database, lease: Lease, max_crashes: int = 3) -> claims.Released | None:
    with db.write() as tx:
        return claims.take_back(tx, lease, "it was killed", max_crashes)


def result(db: Database, job_id: str) -> Transcript | None:
    with db.read() as connection:
        return results.find(connection, job_id)


def states(db: Database, job_id: str) -> list[str]:
    with db.read() as connection:
        found = events.after(connection, job_id, 0)
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    return [event.payload["state"] for event in found if event.kind == "state"]


def texts(db: Database, job_id: str) -> list[str]:
    with db.read() as connection:
        return [event.payload["text"] for event in events.after(connection, job_id, 0) if event.kind == "segment"]


# --- putting in and finding ---


def test_a_new_job_waits(db: Database) -> None:
    job = find(db, put(db, owner="ann", language="ru", batch="b", callback_url="http://x/"))

    assert (job.state, job.position, job.attempt, job.progress) == ("queued", 1, 0, 0.0)
    assert (job.media, job.filename, job.options) == (MEDIA, "a talk.wav", {"profile": "auto"})
    assert (job.owner, job.language, job.batch, job.callback_url) == ("ann", "ru", "b", "http://x/")
    assert states(db, job.id) == ["queued"]


def test_what_is_not_there_is_not_found(db: Database) -> None:
    with db.read() as connection:
        assert jobs.find(connection, "nothing") is None
        assert claims.next_id(connection) is None
        assert jobs.wait_s(connection, 1) is None
        assert jobs.oldest_wait_s(connection) == 0.0


def test_rank_is_priority_less_what_the_owner_has_in_hand(db: Database) -> None:
    with db.write() as tx:
        ranks = [jobs.put(tx, replace(NEW, owner=owner, priority=priority))[1] for owner, priority in ORDERS]
    assert ranks == [0, -1, 2998, 0, 0, 0]


ORDERS = (("ann", 0), ("ann", 0), ("ann", 3), ("bob", 0), (None, 0), (None, 0))


def test_what_is_over_counts_no_more_against_its_owner(db: Database) -> None:
    succeed(db, held(db, put(db, owner="ann")))
    with db.write() as tx:
        assert jobs.put(tx, replace(NEW, owner="ann"))[1] == 0


def test_the_position_follows_the_order_of_the_claims(db: Database) -> None:
    submitted = [put(db, priority=priority) for priority in (0, -1, 5, 0)]
    by_position = sorted(submitted, key=lambda job_id: find(db, job_id).position or 0)
    order: list[str] = []
    while len(order) < 4:
        with db.read() as connection:
            found = claims.next_id(connection)
            assert jobs.ids(connection, "queued", None, everybody=True)[0] == found
        assert found is not None
        order.append(found)
        held(db, found)

    assert order == by_position == [submitted[2], submitted[0], submitted[3], submitted[1]]


def test_the_wait_is_estimated_from_recent_jobs(db: Database) -> None:
    with db.write() as tx:
        workers.register(tx, "w1", "host", 1, "cpu")
        workers.tell(tx, "w1", "idle")
    succeed(db, held(db, put(db)))
    held(db, put(db))

    assert find(db, put(db)).wait_s is not None


def test_a_page_goes_on_where_the_last_one_ended(db: Database) -> None:
    submitted = [put(db) for _ in range(5)]
    seen: list[str] = []
    before = None
    while True:
        with db.read() as connection:
            page = jobs.listing(connection, Filter(), limit=2, before=before)
        if not page:
            break
        seen += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)

    assert seen == submitted[::-1]


def test_a_listing_is_filtered(db: Database) -> None:
    ann = put(db, owner="ann", batch="b1")
    bob = put(db, owner="bob", source="openai", media=replace(MEDIA, filename="100%_Über.WAV"))
    held(db, bob)
    found = {
        Filter(owner="ann"): [ann],
        Filter(states=RUNNING): [bob],
        Filter(source="openai"): [bob],
        Filter(batch="b1"): [ann],
        Filter(text="TALK"): [ann],
        Filter(text="0%_"): [bob],
        Filter(text="a%k"): [],
    }
    with db.read() as connection:
        assert {wanted: [job.id for job in jobs.listing(connection, wanted)] for wanted in found} == found
        assert jobs.counts(connection) == {"queued": 1, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0}
        assert jobs.ids(connection, "queued", "bob", everybody=False) == []


def test_a_job_removed_takes_all_that_is_its_own_along(db: Database) -> None:
    job_id, other = put(db, callback_url="http://x/"), put(db)
    succeed(db, held(db, job_id))
    with db.write() as tx:
        jobs.remove(tx, [job_id])
    with db.read() as connection:
        assert jobs.find(connection, job_id) is None
        assert results.find(connection, job_id) is None
        assert callbacks.of_job(connection, job_id) is None
        assert events.after(connection, job_id, 0) == []
    assert find(db, other).state == "queued"


def test_media_that_nobody_needs_any_more(db: Database) -> None:
    """Of jobs that are over and say so; of a failed one, which may be tried again, only after a while."""
    done, failed, waits = (put(db, delete_media=True) for _ in range(3))
    kept = put(db)
    succeed(db, held(db, done))
    succeed(db, held(db, kept))
    fail(db, held(db, failed))
    with db.read() as connection:
        assert jobs.with_needless_media(connection, 0.0) == [(done, MEDIA.url)]
        late = jobs.with_needless_media(connection, time.time() + 60)
    assert {job_id for job_id, _ in late} == {done, failed}
    with db.write() as tx:
        jobs.forget_media(tx, [done])

    assert find(db, done).media is None
    assert find(db, waits).media == MEDIA


def test_expired_are_the_oldest_that_are_over(db: Database) -> None:
    over = [put(db) for _ in range(3)]
    put(db)
    for job_id in over:
        succeed(db, held(db, job_id))
    with db.read() as connection:
        assert [job.id for job in jobs.expired(connection, time.time() + 1, limit=2)] == over[:2]
        assert jobs.expired(connection, 0.0) == []


# --- claiming ---


def test_a_job_is_claimed_once(db: Database) -> None:
    job_id = put(db)
    with db.write() as tx:
        workers.register(tx, "w1", "host", 1, "cpu")
    lease = held(db, job_id)

    assert claim(db, job_id, "w2") is None
    assert (lease.worker_id, lease.attempt) == ("w1", 1)
    job = find(db, job_id)
    assert (job.state, job.worker, job.attempt, job.position) == ("running", "w1", 1, None)
    with db.read() as connection:
        [worker] = workers.all_of(connection)
    assert (worker.state, worker.job_id) == ("busy", job_id)


def test_of_many_who_claim_at_once_one_wins(db: Database) -> None:
    job_ids = [put(db) for _ in range(5)]
    begin = threading.Barrier(4)

    def run(number: int) -> list[Lease]:
        begin.wait()
        return [lease for job_id in job_ids if (lease := claim(db, job_id, f"w{number}")) is not None]

    with ThreadPoolExecutor(4) as pool:
        won = [lease for leases in pool.map(run, range(4)) for lease in leases]
    assert sorted(lease.job_id for lease in won) == sorted(job_ids)


def test_an_identical_job_waits_for_the_one_that_runs(db: Database) -> None:
    first, twin, other = put(db, dedupe_key="k"), put(db, dedupe_key="k"), put(db, dedupe_key="o")
    held(db, first)

    assert claim(db, twin) is None
    with db.read() as connection:
        assert claims.next_id(connection) == other


# --- how an attempt goes ---


def test_progress_is_kept_and_events_are_numbered(db: Database) -> None:
    lease = held(db, put(db))
    assert not record(db, lease, HALF, SEGMENT, ("warning", {"message": "noisy"}))
    record(db, lease, replace(HALF, share=0.75), ("segment", {"id": 1, "text": "Ü"}))

    job = find(db, lease.job_id)
    assert (job.stage, job.progress, job.duration) == ("transcribe", 0.75, 60.0)
    assert texts(db, job.id) == ["Hello.", "Ü"]
    with db.read() as connection:
        assert events.segments_told(connection, job.id) == 2
        assert [event.seq for event in events.after(connection, job.id, 3, limit=1)] == [4]


def test_success(db: Database) -> None:
    job_id = put(db, callback_url="http://receiver/")
    succeed(db, held(db, job_id))

    job = find(db, job_id)
    assert (job.state, job.progress, job.duration, job.token_count, job.gpu) == (
        "succeeded",
        1.0,
        1.5,
        3,
        {"gpu_name": "none"},
    )
    assert job.processing_s is not None
    assert result(db, job_id) == TRANSCRIPT
    assert states(db, job_id) == ["queued", "running", "succeeded"]


def test_every_end_has_one_callback_with_the_truth_in_it(db: Database) -> None:
    good, bad, cancelled, quiet = (put(db, callback_url=url) for url in ("http://a/", "http://b/", "http://c/", None))
    succeed(db, held(db, good))
    fail(db, held(db, bad))
    cancel(db, cancelled)
    succeed(db, held(db, quiet))
    told = {}
    with db.write() as tx:
        while (claimed := callbacks.claim(tx, time.time() + 1, time.time() + 60)) is not None:
            told[claimed.job_id] = json.loads(claimed.body)

    assert {job_id: body["status"] for job_id, body in told.items()} == {
        good: "completed",
        bad: "failed",
        cancelled: "cancelled",
    }
    assert told[good]["result"]["text"] == "Hello."
    assert "no luck" in told[bad]["error"]


@pytest.mark.parametrize("shared", [True, False])
def test_failure(db: Database, shared: bool) -> None:
    """What lies in the recording is the fault of its twins too; what lies in the machine is not."""
    first, twin = put(db, dedupe_key="k"), put(db, dedupe_key="k")
    fail(db, held(db, first), InputError("it is empty"), shared=shared)

    job = find(db, first)
    assert (job.state, job.error_code, job.error) == ("failed", InputError.code, "it is empty")
    assert find(db, twin).state == ("failed" if shared else "queued")
    assert result(db, first) is None


def test_twins_are_told_and_end_with_the_job_that_runs(db: Database) -> None:
    """Whoever joins late has heard all that was said before; each has its own callback."""
    first, early = (put(db, dedupe_key="k", callback_url="http://x/") for _ in range(2))
    lease = held(db, first)
    record(db, lease, HALF, SEGMENT)
    late = put(db, dedupe_key="k", callback_url="http://x/")
    record(db, lease, HALF, ("segment", {"id": 1, "text": "Bye."}))
    for job_id in (first, early, late):
        assert texts(db, job_id) == ["Hello.", "Bye."]
        assert find(db, job_id).progress == 0.5
    succeed(db, lease)

    for job_id in (early, late):
        job = find(db, job_id)
        assert (job.state, job.cached, job.attempt) == ("succeeded", True, 0)
        assert result(db, job_id) == TRANSCRIPT
        assert states(db, job_id) == ["queued", "succeeded"]
    with db.read() as connection:
        ids = {found.id for job_id in (first, early, late) if (found := callbacks.of_job(connection, job_id))}
    assert len(ids) == 3


def test_what_an_identical_job_had_found_answers(db: Database) -> None:
    first = put(db, dedupe_key="k")
    succeed(db, held(db, first))
    again = put(db, dedupe_key="k", callback_url="http://x/")
    with db.write() as tx:
        twin = jobs.twin_with_result(tx.connection, "k")
        assert twin is not None
        stored = results.find_stored(tx.connection, twin.id)
        assert stored is not None
        claims.answer(tx, again, results.unpack(stored), stored)
        claims.answer(tx, first, TRANSCRIPT, stored)  # it is over: nothing happens

    job = find(db, again)
    assert (job.state, job.cached, job.token_count) == ("succeeded", True, 3)
    assert texts(db, again) == ["Hello."]
    assert result(db, again) == TRANSCRIPT
    assert states(db, first) == ["queued", "running", "succeeded"]


def test_who_joins_while_the_job_ends_is_not_forgotten(db: Database) -> None:
    """Either it is told and ended with it, or it finds the result: it never waits for what has happened already."""
    for number in range(5):
        key = f"k{number}"
        lease = held(db, put(db, dedupe_key=key))
        begin = threading.Barrier(3)

        def work(lease: Lease = lease, begin: threading.Barrier = begin) -> None:
            begin.wait()
            record(db, lease, HALF, SEGMENT)
            succeed(db, lease)

        def join(key: str = key, begin: threading.Barrier = begin) -> list[str]:
            begin.wait()
            return [submit(db, key) for _ in range(3)]

        with ThreadPoolExecutor(3) as pool:
            joined = [pool.submit(join) for _ in range(2)]
            pool.submit(work).result()
            late = [job_id for future in joined for job_id in future.result()]
        assert {find(db, job_id).state for job_id in late} == {"succeeded"}
        assert {tuple(texts(db, job_id)) for job_id in late} == {("Hello.",)}


def submit(db: Database, key: str) -> str:
    """As ``app.jobs`` puts a job in: one that is done already answers at once."""
    with db.write() as tx:
        job, _ = jobs.put(tx, replace(NEW, dedupe_key=key))
        twin = jobs.twin_with_result(tx.connection, key)
        stored = results.find_stored(tx.connection, twin.id) if twin is not None else None
        if stored is not None:
            claims.answer(tx, job.id, results.unpack(stored), stored)
    return job.id


# --- leases that are lost ---


def test_a_zombie_writes_nothing(db: Database) -> None:
    """Stopped, taken over, gone on: whatever it says then is refused, and what the other one says counts."""
    job_id = put(db)
    zombie = held(db, job_id, "zombie")
    assert take_back(db, zombie) == claims.Released(job_id, 0, None)
    successor = held(db, job_id, "successor")
    late = replace(TRANSCRIPT, language="ru")
    for write in (
        lambda: record(db, zombie, HALF, SEGMENT),
        lambda: succeed(db, zombie, late),
        lambda: fail(db, zombie),
    ):
        with pytest.raises(LeaseLost):
            write()
    with pytest.raises(LeaseLost), db.write() as tx:
        claims.end_cancelled(tx, zombie)
    with pytest.raises(LeaseLost), db.read() as connection:
        claims.cancel_requested(connection, zombie)
    assert hand_back(db, zombie) is None
    assert take_back(db, zombie) is None
    assert find(db, job_id).state == "running"
    assert texts(db, job_id) == []
    succeed(db, successor)
    with pytest.raises(LeaseLost):
        succeed(db, zombie, late)

    assert result(db, job_id) == TRANSCRIPT
    assert states(db, job_id) == ["queued", "running", "queued", "running", "succeeded"]


def test_two_who_end_one_attempt_at_once_write_one_result(db: Database) -> None:
    lease = held(db, put(db, callback_url="http://x/"))
    begin = threading.Barrier(3)

    def run(_: int) -> bool:
        begin.wait()
        try:
            succeed(db, lease)
        except LeaseLost:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(run, range(3))) == 1
    assert states(db, lease.job_id) == ["queued", "running", "succeeded"]


def test_a_job_handed_back_waits_where_it_was(db: Database) -> None:
    first, second = put(db, dedupe_key="k", priority=1), put(db, priority=1)
    released = hand_back(db, held(db, first))

    assert released == claims.Released(first, 1000, "k")
    with db.read() as connection:
        assert claims.next_id(connection) == first
    assert held(db, first, "w2").attempt == 2
    assert find(db, second).state == "queued"


def test_three_dead_workers_end_a_job(db: Database) -> None:
    """With the reason; and with it its twins, for the recording is the same."""
    job_id, twin = put(db, dedupe_key="k"), put(db, dedupe_key="k")
    for _ in range(2):
        assert take_back(db, held(db, job_id)) is not None
    assert take_back(db, held(db, job_id)) is None

    job = find(db, job_id)
    assert (job.state, job.crashes, job.error_code) == ("failed", 3, "worker_died")
    assert "it was killed" in (job.error or "")
    assert find(db, twin).state == "failed"


def test_who_gets_further_before_it_dies_is_not_poison(db: Database) -> None:
    """A machine that is restarted again and again does get through a long recording."""
    job_id = put(db)
    for _ in range(5):
        lease = held(db, job_id)
        record(db, lease, replace(HALF, advanced=True))
        record(db, lease, HALF)
        assert take_back(db, lease) is not None

    assert find(db, job_id).crashes == 1
    assert take_back(db, held(db, job_id)) is not None
    assert find(db, job_id).crashes == 2


def test_leases_of_workers_are_found(db: Database) -> None:
    first, second = held(db, put(db), "w1"), held(db, put(db), "w2")
    held(db, put(db), "w3")
    with db.read() as connection:
        found = claims.held_by(connection, ["w1", "w2", "gone"])
        assert claims.held_by(connection, []) == []
    assert set(found) == {first, second}


# --- cancelling and retrying ---


def test_a_queued_job_is_cancelled_at_once(db: Database) -> None:
    job_id = put(db)
    cancel(db, job_id)
    cancel(db, job_id)

    assert claim(db, job_id) is None
    assert states(db, job_id) == ["queued", "cancelled"]


def test_a_running_job_is_asked_to_stop(db: Database) -> None:
    lease = held(db, put(db))
    with db.read() as connection:
        assert not claims.cancel_requested(connection, lease)
    cancel(db, lease.job_id)
    with db.read() as connection:
        assert claims.cancel_requested(connection, lease)
    assert record(db, lease)
    with db.write() as tx:
        claims.end_cancelled(tx, lease)

    assert states(db, lease.job_id) == ["queued", "running", "cancelled"]


def test_a_job_to_be_cancelled_is_not_given_to_another(db: Database) -> None:
    """Nor failed, where its worker died over it."""
    for give_up in (hand_back, take_back, lambda db, lease: take_back(db, lease, max_crashes=1)):
        lease = held(db, put(db))
        cancel(db, lease.job_id)

        assert give_up(db, lease) is None
        assert find(db, lease.job_id).state == "cancelled"


def test_what_is_over_cannot_be_cancelled(db: Database) -> None:
    lease = held(db, put(db))
    succeed(db, lease)
    cancel(db, lease.job_id)

    assert find(db, lease.job_id).state == "succeeded"


def test_a_failed_job_may_run_once_more(db: Database) -> None:
    """And tells of its end anew."""
    job_id = put(db, callback_url="http://x/")
    lease = held(db, job_id)
    fail(db, lease)
    with db.write() as tx:
        first = callbacks.of_job(tx.connection, job_id)
        assert claims.retry(tx, job_id) == claims.Released(job_id, 0, None)
        assert claims.retry(tx, job_id) is None
        assert callbacks.of_job(tx.connection, job_id) is None
    job = find(db, job_id)
    assert (job.state, job.error, job.error_code, job.finished_at, job.crashes) == ("queued", None, None, None, 0)
    with pytest.raises(LeaseLost):
        fail(db, lease)
    succeed(db, held(db, job_id))
    with db.read() as connection:
        second = callbacks.of_job(connection, job_id)

    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_a_job_without_its_recording_or_with_a_result_cannot_be_retried(db: Database) -> None:
    deleted, done, running = put(db), put(db), put(db)
    fail(db, held(db, deleted))
    succeed(db, held(db, done))
    held(db, running)
    with db.write() as tx:
        jobs.forget_media(tx, [deleted])
        assert [claims.retry(tx, job_id) for job_id in (deleted, done, running)] == [None, None, None]


def test_an_error_says_what_a_database_can_keep(db: Database) -> None:
    """A NUL or half of a character in a library's words would else be tried again for ever."""
    job_id = put(db)
    fail(db, held(db, job_id), InternalError("it said \0 and \ud83d"))

    found = find(db, job_id)
    assert found.state == "failed"
    assert found.error == "it said  and ?"
