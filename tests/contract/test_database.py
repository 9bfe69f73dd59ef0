"""Transactions and wake-ups, workers and small tables, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseError, DatabaseUnavailable, OptionError
from stenogram.store import downloads, idempotency, workers
from stenogram.store.database import Database, url_of
from stenogram.store.downloads import Download
from stenogram.store.idempotency import Remembered
from tests.service import until

Heard = queue.Queue[str]


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """The same database as another process has it."""
    opened = Database.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def heard(other: Database) -> Heard:
    """What is told to the other process."""
    topics: Heard = queue.Queue()
    other.listen(topics.put)
    time.sleep(0.6)  # so that whoever sent before knows of the listener
    while not topics.empty():
        topics.get()
    return topics


def put(db: Database, model: str = "tiny") -> None:
    with db.write() as tx:
        downloads.put(tx, Download(model, "here", "downloading"))


def models(db: Database) -> list[str]:
    with db.read() as connection:
        return sorted(downloads.all_of(connection, "here"))


class Fault(Exception):
    """Of the one who writes."""


# --- transactions ---


def test_what_is_written_is_there_for_others(db: Database, other: Database) -> None:
    put(db)
    assert models(other) == ["tiny"]


def test_a_fault_undoes_the_whole_transaction(db: Database, other: Database, heard: Heard) -> None:
    """And nobody is woken for it."""
    with pytest.raises(Fault), db.write() as tx:  # noqa: PT012
        downloads.put(tx, Download("tiny", "here", "installed"))
        raise Fault
    put(db, "base")

    assert models(other) == ["base"]
    assert heard.get(timeout=30) == "models"
    assert heard.empty()


def test_nothing_is_seen_before_it_is_committed(db: Database, other: Database) -> None:
    with db.write() as tx:
        downloads.put(tx, Download("tiny", "here", "installed"))
        assert models(other) == []
    assert models(other) == ["tiny"]


def test_many_write_at_once(db: Database, other: Database) -> None:
    """Writers wait for each other instead of failing."""

    def write(number: int) -> None:
        for step in range(10):
            put((db, other)[number % 2], f"{number}-{step}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert len(models(db)) == 60


def test_a_query_that_cannot_be_is_our_error(db: Database) -> None:
    with pytest.raises(DatabaseError), db.read() as connection:
        connection.execute(text("SELECT * FROM no_such_table"))
    put(db)


def test_a_constraint_is_our_error(db: Database) -> None:
    with pytest.raises(DatabaseError) as caught, db.write() as tx:
        tx.connection.execute(text("INSERT INTO results (job_id, transcript) VALUES ('no such job', 'x')"))
    assert not isinstance(caught.value, DatabaseUnavailable)  # trying again would not help


def test_the_clock_is_shared(db: Database) -> None:
    with db.write() as tx:
        assert abs(tx.now() - time.time()) < 60


# --- waking ---


def test_a_wake_up_comes_after_the_commit(db: Database, other: Database, heard: Heard) -> None:
    with db.write() as tx:
        tx.wake("jobs")
        tx.wake("job:1")
        tx.wake("jobs")
        assert heard.empty()

    assert [heard.get(timeout=30), heard.get(timeout=30)] == ["jobs", "job:1"]
    assert heard.empty()


def test_every_listener_is_woken(db: Database) -> None:
    first, second = threading.Event(), threading.Event()
    db.listen(lambda topic: first.set() if topic == "jobs" else None)
    db.listen(lambda topic: second.set() if topic == "jobs" else None)
    with db.write() as tx:
        tx.wake("jobs")

    assert first.wait(30)
    assert second.wait(30)


def test_who_listens_is_told_to_look_once(other: Database) -> None:
    """For what was told before anybody knew of it."""
    topics: Heard = queue.Queue()
    other.listen(topics.put)

    assert topics.get(timeout=30) == ""


# --- the address ---


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (ServerSettings(), "sqlite:////data/stenogram.db"),
        (ServerSettings(database_url="postgresql://db/x", db_host="other"), "postgresql://db/x"),
        (
            ServerSettings(db_host="db", db_name="a b", db_user="me@there", db_pass="p:/@ss"),  # noqa: S106
            "postgresql://me%40there:p%3A%2F%40ss@db:5432/a%20b",
        ),
        (ServerSettings(db_host="::1", db_port=5433, db_name="x", db_user="me"), "postgresql://me@[::1]:5433/x"),
    ],
)
def test_the_address_is_made_of_the_settings(settings: ServerSettings, url: str, tmp_path: object) -> None:
    assert url_of(Settings(home=str(tmp_path)), settings).endswith(url.removeprefix("sqlite:////data"))


def test_every_client_gets_the_same_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Password, odd names and all; and what is shown holds neither the password nor our own additions."""
    psycopg = pytest.importorskip("psycopg")
    db = Database.open("postgresql://me%40there:p%3A%2F%40ss+w@[::1]:5433/a%20b?sslmode=require", "My schema")
    parsed = psycopg.conninfo.conninfo_to_dict(db.conninfo)

    assert (parsed["user"], parsed["password"], parsed["host"]) == ("me@there", "p:/@ss+w", "::1")
    assert (parsed["port"], parsed["dbname"], parsed["sslmode"]) == ("5433", "a b", "require")
    assert parsed["options"] == '-c search_path="My\\ schema"'
    assert parsed["connect_timeout"] == "5"
    assert db.url == "postgresql+psycopg://me%40there:***@[::1]:5433/a b"
    db.close()


@pytest.mark.parametrize("url", ["mysql://host/x", "no url at all", "sqlite://", "sqlite:///:memory:"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(OptionError, match="DATABASE_URL"):
        Database.open(url)


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:1/x", "sqlite:////proc/no/such/folder/x.db"])
def test_a_database_that_does_not_answer(url: str) -> None:
    with pytest.raises(DatabaseUnavailable):  # noqa: PT012
        db = Database.open(url)
        try:
            put(db)
        finally:
            db.close()


# --- workers ---


def register(db: Database, worker_id: str = "w1") -> None:
    with db.write() as tx:
        workers.register(tx, worker_id, "host", 123, "cpu")


def only(db: Database) -> workers.Worker:
    with db.read() as connection:
        [found] = workers.all_of(connection)
    return found


def test_a_worker_tells_what_it_does(db: Database) -> None:
    register(db)
    assert only(db).state == "starting"
    with db.write() as tx:
        workers.tell(tx, "w1", "busy", job_id="j", model="base", loaded=["base"], totals={"runs": 1})
        assert workers.beat(tx, "w1", 1 << 40, {"name": "GPU"})
    worker = only(db)
    assert (worker.state, worker.job_id, worker.model, worker.loaded) == ("busy", "j", "base", ("base",))
    assert (worker.memory_bytes, worker.gpu, worker.totals) == (1 << 40, {"name": "GPU"}, {"runs": 1})


def test_a_worker_given_up_for_lost_lives_no_more(db: Database) -> None:
    """Whatever it says: its jobs are others' now."""
    register(db)
    with db.write() as tx:
        workers.end(tx, "w1", "lost", "it fell silent")
    with db.write() as tx:
        assert not workers.beat(tx, "w1", 1, None)
        workers.tell(tx, "w1", "idle")
    worker = only(db)
    assert (worker.state, worker.fault, worker.job_id) == ("lost", "it fell silent", None)


def test_the_silent_are_found(db: Database) -> None:
    register(db, "early")
    with db.write() as tx:
        between = tx.now()
    time.sleep(0.01)
    register(db, "late")
    register(db, "ended")
    with db.write() as tx:
        workers.end(tx, "ended", "stopped")
    with db.read() as connection:
        assert [worker.id for worker in workers.silent(connection, between)] == ["early"]


def test_orders_are_carried_out_in_turn(db: Database) -> None:
    register(db)
    with db.write() as tx:
        first, second = workers.order(tx, "w1", "load", "base"), workers.order(tx, "w1", "unload", "tiny")
        workers.order(tx, "w2", "load", "small")
    with db.read() as connection:
        assert [order.command for order in workers.orders(connection, "w1")] == ["load", "unload"]
        assert workers.order_done(connection, first) == (False, None)
    with db.write() as tx:
        workers.carry_out(tx, first, "no room")
    with db.read() as connection:
        assert [order.id for order in workers.orders(connection, "w1")] == [second]
        assert workers.order_done(connection, first) == (True, "no room")
    with db.write() as tx:
        workers.end(tx, "w1", "stopped")
    with db.read() as connection:
        assert workers.order_done(connection, second) == (True, "the worker is gone")


# --- small tables ---


def test_a_key_of_idempotency_is_used_once(db: Database) -> None:
    """Two requests at once: the second is refused by the database itself."""
    with db.write() as tx:
        idempotency.put(tx, None, "key", Remembered("print", ("a", "b")))
        idempotency.put(tx, "ann", "key", Remembered("other", ("c",)))
    with pytest.raises(DatabaseError), db.write() as tx:
        idempotency.put(tx, "ann", "key", Remembered("print", ("d",)))
    with db.read() as connection:
        assert idempotency.find(connection, None, "key") == Remembered("print", ("a", "b"))
        assert idempotency.find(connection, "ann", "key") == Remembered("other", ("c",))
        assert idempotency.find(connection, "bob", "key") is None
    with db.write() as tx:
        idempotency.expire(tx, time.time() + 1)
        assert idempotency.find(tx.connection, "ann", "key") is None


def test_the_last_word_on_a_download_counts(db: Database) -> None:
    put(db)
    installed = Download("tiny", "here", "installed", 10**12, 10**12)
    with db.write() as tx:
        downloads.put(tx, installed)
        downloads.put(tx, Download("tiny", "there", "failed", error="no route"))
    with db.read() as connection:
        assert downloads.all_of(connection, "here") == {"tiny": installed}


def test_a_listener_goes_on_when_its_connection_is_cut(postgres_with_tables: str) -> None:
    """PostgreSQL was restarted: it listens again by itself, and looks at everything."""
    db = Database.open(postgres_with_tables)
    topics: Heard = queue.Queue()
    db.listen(topics.put)
    assert topics.get(timeout=30) == ""
    with db.write() as tx:
        tx.connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
    assert topics.get(timeout=30) == ""
    with db.write() as tx:
        tx.wake("jobs")

    assert until(lambda: topics.get(timeout=30)) == "jobs"
    db.close()
