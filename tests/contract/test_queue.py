"""What every ``protocols.JobQueue`` must do, on SQLite and PostgreSQL: it delivers ids, the table of jobs decides."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, event, text

from stenogram.app.house import open_queue
from stenogram.errors import DatabaseUnavailable
from stenogram.job import Lane, Media
from stenogram.jobs import procrastinate
from stenogram.protocols import JobQueue
from stenogram.store import claims, jobs, schema
from stenogram.store.claims import Lease
from stenogram.store.database import Database, Transaction
from tests import postgres
from tests.service import until

LEASE_S = 15.0
DYING = Path(__file__).with_name("dying_worker.py")


@pytest.fixture
def queue(db: Database) -> JobQueue:
    return open_queue(db, LEASE_S)


def new(
    dedupe_key: str | None = None, priority: int = 0, owner: str | None = None, lane: Lane = "speech"
) -> jobs.NewJob:
    media = Media("file:///a.wav", "digest", 1, "a.wav")
    return jobs.NewJob("v1", media, "auto", {}, priority=priority, owner=owner, dedupe_key=dedupe_key, lane=lane)


def put(db: Database, queue: JobQueue, wanted: jobs.NewJob | None = None) -> str:
    wanted = wanted or new()
    with db.write() as tx:
        job, rank = jobs.put(tx, wanted)
        queue.submit(tx, job.id, rank, wanted.dedupe_key)
    return job.id


def again(queue: JobQueue, tx: Transaction, released: claims.Released | None) -> None:
    assert released is not None
    queue.submit(tx, released.job_id, released.rank, released.lock)


def state(db: Database, job_id: str) -> str:
    with db.read() as connection:
        job = jobs.find(connection, job_id)
    assert job is not None
    return job.state


def sql(db: Database, query: str) -> None:
    with db.write() as tx:
        tx.connection.execute(text(query))


def entries(db: Database) -> int:
    """How many deliveries Procrastinate still knows of."""
    if db.dialect == "sqlite":
        return 0
    with db.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM procrastinate_jobs")).scalar_one())


class Desk:
    """A worker: claims what is delivered, and does with it what the test says; as a rule gives it up as cancelled."""

    def __init__(
        self, db: Database, queue: JobQueue, act: Callable[[Lease], None] | None = None, lane: Lane = "speech"
    ) -> None:
        self.db = db
        self.lane = lane
        self.act = act or self.end
        self.delivered: list[str] = []
        self.claimed: list[str] = []
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self.name = f"desk-{id(self)}"
        self.thread = threading.Thread(target=self.run, args=(queue,), daemon=True)

    def run(self, queue: JobQueue) -> None:
        try:
            queue.work(self.take, self.stop, self.lane)
        except BaseException as error:  # noqa: BLE001 - for the test to see
            self.error = error

    def take(self, job_id: str) -> None:
        self.delivered.append(job_id)
        with self.db.write() as tx:
            claimed = claims.claim(tx, job_id, self.name)
        if claimed is not None:
            self.claimed.append(job_id)
            self.act(claimed[1])

    def end(self, lease: Lease) -> None:
        with self.db.write() as tx:
            claims.end_cancelled(tx, lease)

    def start(self) -> Desk:
        self.thread.start()
        return self

    def close(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def desks() -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(db: Database, queue: JobQueue, act: Callable[[Lease], None] | None = None, lane: Lane = "speech") -> Desk:
        made.append(Desk(db, queue, act, lane))
        return made[-1].start()

    yield make
    for desk in made:
        desk.close()


Desks = Callable[..., Desk]


def test_what_was_put_in_is_delivered_and_leaves_nothing_behind(db: Database, queue: JobQueue, desks: Desks) -> None:
    """Before the worker came, and after."""
    early = put(db, queue)
    desk = desks(db, queue)
    until(lambda: desk.claimed == [early])
    late = put(db, queue)

    until(lambda: desk.claimed == [early, late])
    until(lambda: entries(db) == 0)


def test_what_is_rolled_back_is_not_delivered(db: Database, queue: JobQueue, desks: Desks) -> None:
    """The entry in the queue is made by the very transaction of the job."""

    class Fault(Exception):
        pass

    with pytest.raises(Fault), db.write() as tx:  # noqa: PT012
        job, rank = jobs.put(tx, new())
        queue.submit(tx, job.id, rank, None)
        raise Fault
    desk = desks(db, queue)
    kept = put(db, queue)

    until(lambda: desk.delivered == [kept])


def test_the_higher_rank_goes_first_and_among_equals_who_came_first(
    db: Database, queue: JobQueue, desks: Desks
) -> None:
    low, first, second, high = (put(db, queue, new(priority=priority)) for priority in (-1, 0, 0, 1))
    desk = desks(db, queue)

    until(lambda: len(desk.claimed) == 4)
    assert desk.claimed == [high, first, second, low]


def test_owners_take_turns(db: Database, queue: JobQueue, desks: Desks) -> None:
    """Who has much in hand waits behind who has little."""
    greedy = [put(db, queue, new(owner="greedy")) for _ in range(3)]
    modest = put(db, queue, new(owner="modest"))
    desk = desks(db, queue)

    until(lambda: len(desk.claimed) == 4)
    assert desk.claimed == [greedy[0], modest, *greedy[1:]]


def test_each_lane_is_served_by_its_own_workers_alone(db: Database, queue: JobQueue, desks: Desks) -> None:
    """However much waits in the other one, and of whatever rank; so it is with what was handed back, or forgotten."""
    back: list[str] = []

    def act(lease: Lease) -> None:
        if back:
            chat.end(lease)
            return
        back.append(lease.job_id)
        with db.write() as tx:
            again(queue, tx, claims.hand_back(tx, lease, "its worker was stopped"))

    speech = [put(db, queue, new(priority=5)) for _ in range(2)]
    talk = put(db, queue, new(lane="chat"))
    with db.write() as tx:
        forgotten, _ = jobs.put(tx, new(lane="chat"))
        queue.recover(tx)
    chat = Desk(db, queue, act, "chat")
    chat.start()
    until(lambda: len(chat.claimed) == 3)
    assert chat.claimed == [talk, talk, forgotten.id]
    assert [state(db, job_id) for job_id in speech] == ["queued", "queued"]

    late = put(db, queue, new(priority=9, lane="chat"))
    desk = desks(db, queue)
    until(lambda: state(db, late) == "cancelled" and len(desk.claimed) == 2)
    assert desk.delivered == speech
    chat.close()


def test_a_silent_lane_holds_up_nothing(db: Database, queue: JobQueue, desks: Desks) -> None:
    """A worker that is busy with its job, or not there at all: the other lane goes on."""
    entered, leave = threading.Event(), threading.Event()

    def act(lease: Lease) -> None:
        entered.set()
        leave.wait(30)
        chat.end(lease)

    chat = desks(db, queue, act, "chat")
    put(db, queue, new(lane="chat"))
    assert entered.wait(30)
    desk = desks(db, queue)
    done = [put(db, queue) for _ in range(3)]
    until(lambda: desk.claimed == done)
    leave.set()


def test_one_at_a_time_and_each_to_one_worker(db: Database, queue: JobQueue, desks: Desks) -> None:
    at_work: Counter[str] = Counter()
    most = [0]

    def act(desk: Desk, lease: Lease) -> None:
        at_work[desk.name] += 1
        most[0] = max(most[0], at_work[desk.name])
        time.sleep(0.01)
        at_work[desk.name] -= 1
        desk.end(lease)

    both = [desks(db, queue) for _ in range(2)]
    for desk in both:
        desk.act = lambda lease, desk=desk: act(desk, lease)  # type: ignore[misc]
    submitted = [put(db, queue) for _ in range(12)]

    until(lambda: sum(len(desk.claimed) for desk in both) == 12)
    assert sorted(both[0].claimed + both[1].claimed) == sorted(submitted)
    assert most == [1]


def test_jobs_of_one_lock_are_never_done_at_the_same_time(db: Database, queue: JobQueue, desks: Desks) -> None:
    running, overlaps = [0], [0]
    lock = threading.Lock()

    def act(desk: Desk, lease: Lease) -> None:
        with lock:
            running[0] += 1
            overlaps[0] += running[0] > 1
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        desk.end(lease)

    both = [desks(db, queue) for _ in range(2)]
    for desk in both:
        desk.act = lambda lease, desk=desk: act(desk, lease)  # type: ignore[misc]
    submitted = [put(db, queue, new("same")) for _ in range(4)]

    until(lambda: all(state(db, job_id) == "cancelled" for job_id in submitted))
    assert overlaps == [0]


def test_a_job_that_is_over_is_not_taken_up(db: Database, queue: JobQueue, desks: Desks) -> None:
    """Cancelled while it waited: its delivery comes to nothing."""
    cancelled, kept = put(db, queue), put(db, queue)
    with db.write() as tx:
        claims.cancel(tx, cancelled)
    desk = desks(db, queue)

    until(lambda: desk.claimed == [kept])
    until(lambda: entries(db) == 0)
    assert state(db, cancelled) == "cancelled"


def test_a_stop_lets_the_job_in_hand_end_and_takes_no_other(db: Database, queue: JobQueue, desks: Desks) -> None:
    entered, leave = threading.Event(), threading.Event()

    def act(lease: Lease) -> None:
        entered.set()
        leave.wait(30)
        desk.end(lease)

    desk = desks(db, queue)
    desk.act = act
    first, second = put(db, queue), put(db, queue)
    assert entered.wait(30)
    desk.stop.set()
    desk.thread.join(0.5)
    assert desk.thread.is_alive()
    leave.set()
    desk.thread.join(30)

    assert not desk.thread.is_alive()
    assert (state(db, first), state(db, second)) == ("cancelled", "queued")


def test_a_worker_without_work_stops(db: Database, queue: JobQueue, desks: Desks) -> None:
    desk = desks(db, queue)
    marker = put(db, queue)
    until(lambda: desk.claimed == [marker])
    desk.close()

    assert desk.error is None


def test_what_the_handler_raises_ends_the_work(db: Database, queue: JobQueue, desks: Desks) -> None:
    def act(lease: Lease) -> None:
        raise OSError("a fault of ours")

    desk = desks(db, queue, act)
    put(db, queue)
    desk.thread.join(30)

    assert isinstance(desk.error, OSError)


def test_a_job_handed_back_goes_before_its_equals(db: Database, queue: JobQueue, desks: Desks) -> None:
    """It was begun; who waited as long as it did does not overtake it."""
    back: list[str] = []

    def act(lease: Lease) -> None:
        if back:
            desk.end(lease)
            return
        back.append(lease.job_id)
        with db.write() as tx:
            again(queue, tx, claims.hand_back(tx, lease, "its worker was stopped"))

    first, second = put(db, queue, new("a")), put(db, queue, new("b"))
    desk = Desk(db, queue)
    desk.act = act
    desk.start()
    until(lambda: len(desk.claimed) == 3)
    desk.close()

    assert desk.claimed == [first, first, second]


def test_a_job_retried_is_delivered_again(db: Database, queue: JobQueue, desks: Desks) -> None:
    desk = desks(db, queue)
    job_id = put(db, queue, new("key"))
    until(lambda: state(db, job_id) == "cancelled")
    with db.write() as tx:
        again(queue, tx, claims.retry(tx, job_id))

    until(lambda: desk.claimed == [job_id, job_id])


@pytest.fixture
def dying(database_url: str) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a worker in a process of its own, which says when it has a job, and goes no further."""
    started: list[subprocess.Popen[str]] = []

    def start(when: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(DYING), database_url, when]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_job_of_a_killed_worker_goes_to_another(
    db: Database, queue: JobQueue, desks: Desks, dying: Callable[[str], subprocess.Popen[str]]
) -> None:
    """SIGKILL: the delivery and its lock are set free by ``release``."""
    job_id = put(db, queue, new("key"))
    twin = put(db, queue, new("key"))
    dying("claimed").kill()
    with db.write() as tx:
        [lease] = claims.held_by(tx.connection, ["dying"])
        released = claims.take_back(tx, lease, "its process was ended by SIGKILL", 3)
        assert released is not None
        queue.release(tx, released.job_id, released.rank, released.lock)
    desk = desks(db, queue)

    until(lambda: desk.claimed == [job_id, twin])
    until(lambda: entries(db) == 0)


def test_a_delivery_that_its_worker_died_over_is_found(
    db: Database,
    queue: JobQueue,
    desks: Desks,
    dying: Callable[[str], subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed between the delivery and the claim: nobody holds the job, yet it is not delivered, until ``recover``."""
    monkeypatch.setattr(procrastinate, "_CLAIMED_WITHIN_S", 0.1)
    job_id = put(db, queue, new("key"))
    dying("delivered").kill()
    time.sleep(0.2)
    with db.write() as tx:
        queue.recover(tx)
    desk = desks(db, queue)

    until(lambda: desk.claimed == [job_id])


def test_a_job_that_waits_without_being_delivered_is_found(db: Database, queue: JobQueue, desks: Desks) -> None:
    """Whatever became of its delivery; told twice it is done once."""
    with db.write() as tx:
        lost, _ = jobs.put(tx, new("key"))
    known = put(db, queue)
    desk = Desk(db, queue)
    for _ in range(2):
        with db.write() as tx:
            queue.recover(tx)
    desk.start()
    until(lambda: set(desk.claimed) == {lost.id, known})
    until(lambda: entries(db) == 0)
    desk.close()

    assert len(desk.delivered) == 2


def test_recovery_leaves_a_running_job_alone(db: Database, queue: JobQueue, desks: Desks) -> None:
    """However long nothing was heard of its worker by the queue: the lease says whether it lives."""
    entered, leave = threading.Event(), threading.Event()

    def act(lease: Lease) -> None:
        entered.set()
        leave.wait(30)
        desk.end(lease)

    desk = desks(db, queue)
    desk.act = act
    job_id, twin = put(db, queue, new("key")), put(db, queue, new("key"))
    assert entered.wait(30)
    if db.dialect == "postgresql":
        sql(db, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    with db.write() as tx:
        queue.recover(tx)
    other = desks(db, queue)
    marker = put(db, queue)
    until(lambda: other.claimed == [marker])
    leave.set()

    until(lambda: state(db, twin) == "cancelled")
    assert job_id not in other.delivered
    until(lambda: entries(db) == 0)


# --- PostgreSQL alone: a server that may go away ---


def test_what_is_left_of_a_delivery_that_could_not_be_ended_is_removed(postgres_with_tables: str, desks: Desks) -> None:
    """The job is over, its entry still holds the lock, and the worker is silent: the next of that lock may go."""
    db = Database.open(postgres_with_tables)
    queue = open_queue(db, LEASE_S)
    over = put(db, queue, new("key"))
    sql(db, "UPDATE procrastinate_jobs SET status = 'doing'")
    with db.write() as tx:
        claims.cancel(tx, over)
    waiting = put(db, queue, new("key"))
    with db.write() as tx:
        queue.recover(tx)
    desk = desks(db, queue)

    until(lambda: desk.claimed == [waiting])
    until(lambda: entries(db) == 0)
    desk.close()
    db.close()


def test_a_queue_in_a_schema_of_its_own(postgres_url: str, desks: Desks) -> None:
    """Beside a Stenogram, with its Procrastinate, that has its tables in public: each delivers its own jobs."""
    public, own = Database.open(postgres_url), Database.open(postgres_url, 'My "own" one')
    for db in (public, own):
        schema.upgrade(db)
    for db in (public, own):
        queue = open_queue(db, LEASE_S)
        desk = desks(db, queue)
        job_id = put(db, queue)
        until(lambda desk=desk, job_id=job_id: desk.claimed == [job_id])  # type: ignore[misc]
        until(lambda db=db: entries(db) == 0)  # type: ignore[misc]
        desk.close()
        dead = put(db, queue)
        sql(db, "UPDATE procrastinate_jobs SET status = 'doing'")
        with db.write() as tx:
            queue.recover(tx)
            assert claims.claim(tx, dead, "dead") is not None
            [lease] = claims.held_by(tx.connection, ["dead"])
            released = claims.hand_back(tx, lease, "dead")
            assert released is not None
            tx.connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
            queue.release(tx, released.job_id, released.rank, released.lock)
        assert entries(db) == 1
    public.close()
    own.close()


def test_a_connection_lost_while_submitting_is_a_lost_database(postgres_with_tables: str) -> None:
    """Not an error of Procrastinate's, which nobody would know how to handle; and the next transaction works."""
    db = Database.open(postgres_with_tables)
    queue = open_queue(db, LEASE_S)

    def cut(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if "jobs.attempt >" in statement:  # all that is left to do is Procrastinate's own query
            event.remove(db.engine, "after_cursor_execute", cut)
            pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            with psycopg.connect(db.conninfo, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    event.listen(db.engine, "after_cursor_execute", cut)
    with pytest.raises(DatabaseUnavailable):
        put(db, queue)
    assert not event.contains(db.engine, "after_cursor_execute", cut)
    job_id = put(db, queue)

    assert state(db, job_id) == "queued"
    with db.read() as connection:
        assert jobs.counts(connection)["queued"] == 1
    db.close()


def test_a_database_that_is_gone_is_waited_for(desks: Desks) -> None:
    """A worker goes on by itself once it is back, and stops soon also while it is not."""
    folder = Path(tempfile.gettempdir()) / f"stenogram-pg-gone-{os.getpid()}"
    with postgres.running(folder) as server:
        db = Database.open(server.get_uri())
        schema.upgrade(db)
        queue = open_queue(db, LEASE_S)
        desk, brief = desks(db, queue), desks(db, queue)
        before = put(db, queue)
        until(lambda: state(db, before) == "cancelled")
        server.stop()
        time.sleep(1.0)
        brief.close()
        assert desk.thread.is_alive()
        with pytest.raises(DatabaseUnavailable):
            put(db, queue)
        server.ensure_postgres_running()
        after = put(db, queue)

        until(lambda: state(db, after) == "cancelled")
        assert desk.error is None
        assert brief.error is None
        desk.close()
        db.close()
