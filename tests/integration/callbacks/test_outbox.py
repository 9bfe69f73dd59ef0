"""Who sends a callback and when: several servers, crashes, hosts that hang, a stop."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Connection

from stenogram.errors import DatabaseUnavailable
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.store import callbacks
from tests.integration.callbacks.office import Office
from tests.integration.callbacks.receiver import (
    Receiver,
    hang,
    serve,
    status,
)


def test_each_callback_is_sent_by_one(office: Office, receiver: Receiver) -> None:
    """Several servers share the database."""
    office.put(receiver.url())

    first, second = office.deliverer().claim(), office.deliverer().claim()

    assert (len(first), len(second)) == (1, 0)


def test_a_process_that_dies_before_it_sent(office: Office, receiver: Receiver) -> None:
    """Its claim runs out, and another sends."""
    job_id = office.put(receiver.url())
    office.deliverer().claim()

    assert office.try_once() == 0
    office.pass_time(office.timeout_s + 61.0)
    assert office.try_once() == 1

    assert office.find(job_id).state == "delivered"


def test_a_process_that_dies_after_it_sent(office: Office, receiver: Receiver) -> None:
    """The receiver gets it twice, and can tell by the id."""
    office.put(receiver.url())
    deliverer = office.deliverer()
    [claimed] = deliverer.claim()
    deliverer.sender.send(claimed.url, claimed.body, {"webhook-id": claimed.id})

    office.pass_time(office.timeout_s + 61.0)
    office.try_once()

    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert len(receiver.received) == 2


_DELIVER = """
import sys, threading
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.jobs.callbacks.send import Sender
from stenogram.store.database import Database

Deliverer(Database.open(sys.argv[1]), Sender("127.0.0.1", 600.0)).start()
threading.Event().wait()
"""


def test_kill_9_while_it_is_sent(office: Office, receiver: Receiver, database_url: str) -> None:
    """Nothing is lost: the next process sends it when the claim of the dead one has run out."""
    receiver.behaviours = [hang(receiver), status(200)]
    job_id = office.put(receiver.url(host="127.0.0.1"))
    with subprocess.Popen([sys.executable, "-c", _DELIVER, database_url]) as process:
        receiver.wait_for(1)
        process.kill()

    office.pass_time(661.0)
    office.try_once(office.deliverer("127.0.0.1"))

    assert office.find(job_id).state == "delivered"
    assert [request.headers["webhook-id"] for request in receiver.received] == [f"msg_{job_id}"] * 2


def test_who_lost_its_claim_changes_nothing_but_by_a_delivery(office: Office, receiver: Receiver) -> None:
    """A server that slept cannot make a failure of what another delivered; a delivery of its own counts."""
    job_id = office.put(receiver.url())
    sleeper = office.deliverer()
    [claimed] = sleeper.claim()
    office.pass_time(office.timeout_s + 61.0)
    office.try_once()
    receiver.behaviours = [status(404)]

    sleeper.deliver(claimed)
    assert office.find(job_id).state == "delivered"
    assert [attempt.status for attempt in office.attempts(job_id)] == [200, 404]

    with office.db.write() as tx:
        callbacks.replay(tx, job_id)
    receiver.behaviours = [status(200)]
    sleeper.deliver(claimed)
    assert office.find(job_id).state == "delivered"


def test_a_callback_that_was_removed_while_it_was_sent(office: Office, receiver: Receiver) -> None:
    """Its job was retried or deleted: there is nothing to note, and nothing fails."""
    job_id = office.put(receiver.url())
    deliverer = office.deliverer()
    [claimed] = deliverer.claim()
    with office.db.write() as tx:
        callbacks.remove(tx, job_id)

    deliverer.deliver(claimed)

    assert office.attempts(job_id) == []


def test_only_so_many_go_to_one_host_at_once(office: Office, receiver: Receiver) -> None:
    """And so a host that does not answer leaves room for others, also when hundreds wait for it."""
    for _ in range(30):
        office.put("http://dead.example/")
    other = office.put(receiver.url())

    claimed = office.deliverer().claim()

    assert [each.url for each in claimed] == ["http://dead.example/"] * 4 + [receiver.url()]
    assert claimed[-1].job_id == other


def test_it_is_sent_as_soon_as_it_is_there(office: Office, receiver: Receiver, run: Callable[[], Deliverer]) -> None:
    run()
    job_id = office.put(receiver.url())

    assert office.wait_for(job_id, "delivered").attempts == 1


def test_many_arrive_once_each_from_several_servers(
    office: Office, receiver: Receiver, run: Callable[[], Deliverer]
) -> None:
    run(), run()
    sent = {office.put(receiver.url()) for _ in range(40)}
    for job_id in sent:
        office.wait_for(job_id, "delivered")

    assert sorted(request.headers["webhook-id"] for request in receiver.received) == sorted(
        f"msg_{id_}" for id_ in sent
    )


def test_a_receiver_that_hangs_holds_up_no_other(
    office: Office, receiver: Receiver, run: Callable[[], Deliverer]
) -> None:
    with serve() as stuck:
        stuck.behaviours = [hang(stuck)]
        run()
        waiting = [office.put(stuck.url()) for _ in range(10)]
        stuck.wait_for(4)
        job_id = office.put(receiver.url())

        office.wait_for(job_id, "delivered")
        assert len(stuck.received) == 4
        assert {office.find(each).state for each in waiting} == {"pending"}


def test_a_stop_gives_back_what_is_under_way(office: Office, receiver: Receiver) -> None:
    """It ends although the receiver hangs; the next process sends at once, and the cut counts for nothing."""
    receiver.behaviours = [hang(receiver), status(200)]
    job_id = office.put(receiver.url())
    deliverer = office.deliverer()
    deliverer.start()
    receiver.wait_for(1)

    deliverer.stop(0.1)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stenogram-callback")]
    assert office.attempts(job_id) == []
    assert office.try_once() == 1
    assert office.find(job_id).state == "delivered"


def test_a_stop_lets_end_what_ends_soon(office: Office, receiver: Receiver) -> None:
    receiver.behaviours = [hang(receiver)]
    job_id = office.put(receiver.url())
    deliverer = office.deliverer()
    deliverer.start()
    receiver.wait_for(1)
    threading.Timer(0.05, receiver.released.set).start()

    deliverer.stop(20.0)

    assert len(office.attempts(job_id)) == 1


def test_a_database_that_is_away_for_a_while_does_not_double_it(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came of the try is noted as soon as it can be."""
    monkeypatch.setattr("stenogram.jobs.callbacks.deliver._PAUSE_S", 0.01)
    job_id = office.put(receiver.url())
    deliverer = office.deliverer()
    [claimed] = deliverer.claim()
    record, failures = callbacks.record, iter([True, True])

    def failing(*arguments: object) -> None:
        if next(failures, False):
            raise DatabaseUnavailable(where="here", cause="it restarts")
        record(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(callbacks, "record", failing)
    deliverer.deliver(claimed)

    assert office.find(job_id).state == "delivered"


def test_waiting_costs_nothing(office: Office, run: Callable[[], Deliverer], monkeypatch: pytest.MonkeyPatch) -> None:
    """With one callback that is due in an hour, and one that is held by another process, the loop sleeps."""
    looked: list[float] = []
    next_due = callbacks.next_due

    def counting(connection: Connection, without: Sequence[str] = ()) -> float | None:
        looked.append(time.monotonic())
        return next_due(connection, without)

    office.put("http://later.example/")
    office.try_once()
    office.put("http://held.example/")
    office.deliverer().claim()
    monkeypatch.setattr(callbacks, "next_due", counting)
    run()
    time.sleep(0.5)

    assert len(looked) <= 3
