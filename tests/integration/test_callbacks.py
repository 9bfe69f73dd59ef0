"""Callbacks against a real receiver on a real database: what goes wrong, and what comes of it."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection
from standardwebhooks.webhooks import Webhook

from stenogram.errors import CallbackRefused, DatabaseUnavailable
from stenogram.job import Media
from stenogram.jobs.callbacks.address import check
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.jobs.callbacks.send import Sender
from stenogram.store import callbacks, jobs
from stenogram.store.callbacks import Callback, CallbackState
from stenogram.store.database import Database, now
from tests.integration.callback_receiver import (
    CERTIFICATE,
    Behaviour,
    Receiver,
    drip,
    flood,
    hang,
    hang_up,
    hang_up_in_answer,
    hang_up_in_body,
    serve,
    status,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the standard's own example
BODY = json.dumps({"job_id": "1", "result": {"text": "Привет"}}, ensure_ascii=False).encode()
DAY_S = 86_400.0


@dataclass(slots=True)
class Names:
    """What names mean; asked for one that is not in it, it is unknown."""

    known: dict[str, Sequence[str]] = field(default_factory=lambda: {"receiver.example": ["127.0.0.1"]})

    def __call__(self, host: str, port: int) -> Sequence[str]:
        if host in self.known:
            return self.known[host]
        if host[0].isdigit():
            return [host]
        raise OSError("Name or service not known")


@dataclass(slots=True)
class Clock:
    """The database's clock, put forward."""

    forward_s: float = 0.0

    def __call__(self, connection: Connection) -> float:
        return now(connection) + self.forward_s


@dataclass(slots=True)
class Office:
    """A deliverer whose tries the test makes one by one."""

    db: Database
    names: Names = field(default_factory=Names)
    clock: Clock = field(default_factory=Clock)
    allow: str = "receiver.example"
    timeout_s: float = 20.0
    trust: ssl.SSLContext | None = None

    def deliverer(self, allow: str | None = None) -> Deliverer:
        sender = Sender(self.allow if allow is None else allow, self.timeout_s, self.names, self.trust)
        return Deliverer(self.db, sender, SECRET, DAY_S, self.clock, lambda: 1.0)

    def put(self, url: str) -> str:
        """The id of a job that has ended, and whose callback waits."""
        with self.db.write() as tx:
            job, _ = jobs.put(tx, jobs.NewJob("service", Media("file:///a.wav", "0" * 64, 3, "a.wav"), "auto", {}))
            callbacks.put(tx, f"msg_{job.id}", job.id, url, BODY)
        return job.id

    def try_once(self, deliverer: Deliverer | None = None) -> int:
        """Send what is due; how many that were."""
        deliverer = deliverer or self.deliverer()
        claimed = deliverer.claim()
        for each in claimed:
            deliverer.deliver(each)
        return len(claimed)

    def pass_time(self, seconds: float) -> None:
        self.clock.forward_s += seconds

    def find(self, job_id: str) -> Callback:
        with self.db.read() as connection:
            found = callbacks.of_job(connection, job_id)
        assert found is not None
        return found

    def attempts(self, job_id: str) -> Sequence[callbacks.CallbackAttempt]:
        with self.db.read() as connection:
            return callbacks.attempts_of(connection, f"msg_{job_id}")

    def wait_s(self, job_id: str) -> float:
        """Until the next try, seconds."""
        with self.db.read() as connection:
            return self.find(job_id).next_at - self.clock(connection)

    def wait_for(self, job_id: str, *states: CallbackState) -> Callback:
        end = time.monotonic() + 20.0
        while time.monotonic() < end:
            found = self.find(job_id)
            if found.state in states:
                return found
            time.sleep(0.01)
        pytest.fail(f"still {self.find(job_id)}")


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serve() as served:
        yield served


@pytest.fixture
def run(office: Office) -> Iterator[Callable[[], Deliverer]]:
    """Start deliverers that work by themselves, and end them with the test."""
    running: list[Deliverer] = []

    def start() -> Deliverer:
        running.append(office.deliverer())
        running[-1].start()
        return running[-1]

    yield start
    for deliverer in running:
        deliverer.stop(0.5)


# What arrives


def test_it_arrives_signed_with_its_id(office: Office, receiver: Receiver) -> None:
    """A POST of the very bytes, which the receiver's library of Standard Webhooks accepts."""
    job_id = office.put(receiver.url("/done?token=a%20b"))

    assert office.try_once() == 1

    [request] = receiver.received
    assert (request.path, request.body) == ("/done?token=a%20b", BODY)
    assert request.headers["host"] == f"receiver.example:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("stenogram/")
    assert request.headers["webhook-id"] == f"msg_{job_id}"
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)


def test_what_is_told_of_it(office: Office, receiver: Receiver) -> None:
    """``/status`` says that it arrived, and when; each try is on record."""
    before = time.time()
    job_id = office.put(receiver.url())
    assert callbacks.report(office.find(job_id)) == {"delivered": False, "delivered_at_ms": None, "error": None}

    office.try_once()

    told = callbacks.report(office.find(job_id))
    assert (told["delivered"], told["error"]) == (True, None)
    assert before * 1000 - 1 <= told["delivered_at_ms"] <= time.time() * 1000 + 1
    [attempt] = office.attempts(job_id)
    assert (attempt.number, attempt.status, attempt.error) == (1, 200, None)
    assert office.try_once() == 0


def test_without_a_secret_it_has_its_id_and_no_signature(office: Office, receiver: Receiver) -> None:
    job_id = office.put(receiver.url())
    deliverer = Deliverer(office.db, Sender(office.allow, 20.0, office.names), clock=office.clock)

    office.try_once(deliverer)

    assert receiver.received[0].headers["webhook-id"] == f"msg_{job_id}"
    assert "webhook-signature" not in receiver.received[0].headers


def test_proxies_of_the_environment_are_not_used(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would connect to what nobody checked."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "delivered"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_each_answer_2xx_is_an_arrival(office: Office, receiver: Receiver, code: int) -> None:
    receiver.behaviours = [status(code)]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "delivered"


# What may pass by itself


@pytest.mark.parametrize("code", [500, 502, 503, 504, 408, 429, 300, 304])
def test_it_is_sent_again_after_an_answer_that_may_pass(office: Office, receiver: Receiver, code: int) -> None:
    """The same id and bytes, a signature of its own time."""
    receiver.behaviours = [status(code), status(200)]
    job_id = office.put(receiver.url())

    office.try_once()
    pending = office.find(job_id)
    assert (pending.state, pending.attempts) == ("pending", 1)
    assert callbacks.report(pending)["delivered"] is False
    assert str(code) in (pending.error or "")
    assert office.try_once() == 0, "it waits"
    office.pass_time(6.0)
    assert office.try_once() == 1

    assert office.find(job_id).state == "delivered"
    first, second = receiver.received
    assert first.body == second.body == BODY
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) in range(6, 60)
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert [(attempt.number, attempt.status) for attempt in office.attempts(job_id)] == [(1, code), (2, 200)]


def test_a_refused_connection(office: Office) -> None:
    with serve() as gone:
        url = gone.url()
    job_id = office.put(url)

    office.try_once()

    found = office.find(job_id)
    assert (found.state, found.error) == ("pending", "the connection was refused")
    assert office.attempts(job_id)[0].status is None


def test_a_name_that_is_not_known(office: Office) -> None:
    """It may come up; until then each try fails."""
    job_id = office.put("http://later.example/")

    office.try_once()

    found = office.find(job_id)
    assert (found.state, found.error) == ("pending", "the name later.example is not known")


@pytest.mark.parametrize("behave", [hang, drip])
def test_a_receiver_that_is_too_slow(
    office: Office, receiver: Receiver, behave: Callable[[Receiver], Behaviour]
) -> None:
    """Also one that drips: the time is for the whole try, not for each byte."""
    office.timeout_s = 0.3
    receiver.behaviours = [behave(receiver)]
    job_id = office.put(receiver.url())

    office.try_once()

    found = office.find(job_id)
    assert (found.state, found.error) == ("pending", "no answer within 0.3 s")


@pytest.mark.parametrize("behaviour", [hang_up, hang_up_in_answer])
def test_a_receiver_that_hangs_up(office: Office, receiver: Receiver, behaviour: Behaviour) -> None:
    receiver.behaviours = [behaviour, status(200)]
    job_id = office.put(receiver.url())

    office.try_once()
    assert office.find(job_id).state == "pending"
    office.pass_time(6.0)
    office.try_once()

    assert office.find(job_id).state == "delivered"


@pytest.mark.parametrize("behaviour", [hang_up_in_body, flood])
def test_once_it_said_2xx_it_may_say_what_it_likes(office: Office, receiver: Receiver, behaviour: Behaviour) -> None:
    """A body that breaks off or never ends changes nothing, and is not read to the end."""
    receiver.behaviours = [behaviour]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "delivered"


@pytest.mark.parametrize(("wished", "waited_s"), [("120", 120), ("999999", 3600), ("soon", 5), ("1", 5)])
def test_retry_after(office: Office, receiver: Receiver, wished: str, waited_s: float) -> None:
    """The receiver may ask for a longer pause, up to an hour."""
    receiver.behaviours = [status(429, Retry_After=wished)]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.wait_s(job_id) == pytest.approx(waited_s, abs=3.0)


def test_it_is_given_up_after_a_day(office: Office, receiver: Receiver) -> None:
    """The last try is made when the day is over; its reason stays."""
    receiver.behaviours = [status(503)]
    job_id = office.put(receiver.url())

    while office.find(job_id).state == "pending":
        assert office.try_once() == 1
        office.pass_time(max(office.wait_s(job_id), 0.0) + 0.01)

    found = office.find(job_id)
    assert (found.state, found.error) == ("failed", "the receiver answered 503 Service Unavailable")
    attempts = office.attempts(job_id)
    assert 30 < len(attempts) < 40
    assert attempts[-1].at - attempts[0].at == pytest.approx(DAY_S, abs=30.0)
    assert callbacks.report(found) == {"delivered": False, "delivered_at_ms": None, "error": found.error}


def test_after_a_long_stop_of_the_service_there_is_one_more_try(office: Office, receiver: Receiver) -> None:
    job_id = office.put(receiver.url())
    office.pass_time(3 * DAY_S)

    office.try_once()

    assert office.find(job_id).state == "delivered"


# What will not pass


@pytest.mark.parametrize(
    ("code", "state"), [(400, "failed"), (401, "failed"), (404, "failed"), (425, "failed"), (410, "disabled")]
)
def test_an_answer_that_says_no_is_the_last(office: Office, receiver: Receiver, code: int, state: str) -> None:
    receiver.behaviours = [status(code)]
    job_id = office.put(receiver.url())

    office.try_once()
    office.pass_time(2 * 3600.0)

    assert office.try_once() == 0
    found = office.find(job_id)
    assert found.state == state
    assert str(code) in (found.error or "")


# Where it may go


@pytest.mark.parametrize("code", [307, 308])
def test_a_redirect_that_keeps_the_post_is_followed(office: Office, receiver: Receiver, code: int) -> None:
    receiver.behaviours = [status(code, Location="/moved"), status(200)]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "delivered"
    assert [(request.path, request.body) for request in receiver.received] == [("/done", BODY), ("/moved", BODY)]
    assert Webhook(SECRET).verify(receiver.received[1].body, receiver.received[1].headers)


@pytest.mark.parametrize("code", [301, 302, 303])
def test_a_redirect_that_would_lose_the_post_is_a_failure(office: Office, receiver: Receiver, code: int) -> None:
    receiver.behaviours = [status(code, Location="/moved")]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "pending"
    assert len(receiver.received) == 1


@pytest.mark.parametrize("inside", ["127.0.0.1", "inside.example", "2130706433"])
def test_a_redirect_to_this_machine_is_not_followed(office: Office, receiver: Receiver, inside: str) -> None:
    """The receiver may be reached by its name; where it leads to may not."""
    office.names.known |= {"inside.example": ["127.0.0.1"], "2130706433": ["127.0.0.1"]}
    with serve() as secret:
        receiver.behaviours = [status(307, Location=secret.url("/admin", inside))]
        job_id = office.put(receiver.url())
        office.try_once()

        assert secret.received == []
    found = office.find(job_id)
    assert found.state == "failed"
    assert "STENOGRAM_CALLBACK_ALLOW" in (found.error or "")


@pytest.mark.parametrize("location", ["ftp://receiver.example/", "http://user:x@receiver.example/", "http://["])
def test_a_redirect_to_what_is_no_web_address_is_not_followed(
    office: Office, receiver: Receiver, location: str
) -> None:
    receiver.behaviours = [status(308, Location=location)]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "failed"
    assert len(receiver.received) == 1


def test_a_loop_of_redirects_ends(office: Office, receiver: Receiver) -> None:
    receiver.behaviours = [status(307, Location="/again")]
    job_id = office.put(receiver.url())

    office.try_once()

    found = office.find(job_id)
    assert (found.state, found.error) == ("pending", "more than 3 redirects")
    assert len(receiver.received) == 4


def test_a_name_that_changes_its_meaning_after_submission(office: Office, receiver: Receiver) -> None:
    """Public when the job was submitted, this machine when it ended: nothing is sent."""
    url = receiver.url(host="rebinding.example")
    office.names.known["rebinding.example"] = ["93.184.216.34"]
    assert check(url, office.allow, office.names) == ["93.184.216.34"]
    office.names.known["rebinding.example"] = ["127.0.0.1"]
    job_id = office.put(url)

    office.try_once()

    assert receiver.received == []
    found = office.find(job_id)
    assert found.state == "failed"
    assert "this machine itself" in (found.error or "")


def test_a_name_that_changes_its_meaning_between_check_and_connection(office: Office, receiver: Receiver) -> None:
    """The name is asked for once; the connection goes to the number that was checked, here of the true receiver."""
    answers = iter([["127.0.0.1"]])
    asked: list[str] = []

    def changing(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers, ["127.0.0.2"])

    job_id = office.put(receiver.url())
    office.try_once(Deliverer(office.db, Sender("127.0.0.1", 20.0, changing), clock=office.clock))

    assert asked == ["receiver.example"]
    assert office.find(job_id).state == "delivered"
    assert receiver.received[0].headers["host"] == f"receiver.example:{receiver.port}"


def test_a_number_that_does_not_answer_is_passed_over(office: Office, receiver: Receiver) -> None:
    """A name may mean several; one that is down is no failure of the try."""
    office.names.known["receiver.example"] = ["::1", "127.0.0.1"]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "delivered"


# TLS


@pytest.fixture
def secure() -> Iterator[Receiver]:
    with serve(tls=True) as served:
        yield served


def test_over_tls_the_name_is_what_the_certificate_must_be_of(office: Office, secure: Receiver) -> None:
    """Although the connection goes to a number."""
    office.trust = ssl.create_default_context(cafile=CERTIFICATE)
    job_id = office.put(secure.url(scheme="https"))

    office.try_once()

    assert office.find(job_id).state == "delivered"


@pytest.mark.parametrize(("host", "trusts"), [("other.example", True), ("receiver.example", False)])
def test_a_certificate_of_another_name_or_of_nobody_is_a_failure(
    office: Office, secure: Receiver, host: str, trusts: bool
) -> None:
    office.names.known["other.example"] = ["127.0.0.1"]
    office.allow = "*.example"
    if trusts:
        office.trust = ssl.create_default_context(cafile=CERTIFICATE)
    job_id = office.put(secure.url(host=host, scheme="https"))

    office.try_once()

    assert secure.received == []
    found = office.find(job_id)
    assert found.state == "pending"
    assert "certificate is not trusted" in (found.error or "")


def test_a_redirect_from_https_to_http_is_not_followed(office: Office, secure: Receiver, receiver: Receiver) -> None:
    """What was said in confidence is not sent on in the clear."""
    office.trust = ssl.create_default_context(cafile=CERTIFICATE)
    secure.behaviours = [status(307, Location=receiver.url())]
    job_id = office.put(secure.url(scheme="https"))

    office.try_once()

    assert receiver.received == []
    assert office.find(job_id).state == "pending"


# Who sends


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


# By itself


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
    office.put(receiver.url())
    deliverer = office.deliverer()
    deliverer.start()
    receiver.wait_for(1)
    threading.Timer(0.05, receiver.released.set).start()

    deliverer.stop(20.0)

    with office.db.read() as connection:
        assert callbacks.counts(connection)["pending"] == 1
    assert len(receiver.received) == 1


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


# On demand


@pytest.mark.parametrize("first", [status(200), status(410), status(404), status(500)])
def test_a_replay_sends_the_same_once_more(office: Office, receiver: Receiver, first: Behaviour) -> None:
    receiver.behaviours = [first, status(200)]
    job_id = office.put(receiver.url())
    office.try_once()

    with office.db.write() as tx:
        assert callbacks.replay(tx, job_id)
    assert office.try_once() == 1

    assert office.find(job_id).state == "delivered"
    before, after = receiver.received
    assert (before.body, before.headers["webhook-id"]) == (after.body, after.headers["webhook-id"])
    assert [attempt.number for attempt in office.attempts(job_id)] == [1, 2]


def test_a_replay_that_fails_takes_nothing_back(office: Office, receiver: Receiver) -> None:
    """It did arrive once; and the replay has a day of its own, and short pauses first."""
    receiver.behaviours = [status(200), status(500)]
    job_id = office.put(receiver.url())
    office.try_once()
    delivered_at_ms = office.find(job_id).delivered_at_ms

    office.pass_time(0.5)
    with office.db.write() as tx:
        callbacks.replay(tx, job_id)
    office.try_once()

    found = office.find(job_id)
    assert (found.state, found.attempts) == ("pending", 1)
    assert callbacks.report(found) == {"delivered": True, "delivered_at_ms": delivered_at_ms, "error": found.error}
    assert office.wait_s(job_id) == pytest.approx(5.0, abs=3.0)


def test_there_is_nothing_to_replay_for_a_job_without_a_callback(office: Office) -> None:
    with office.db.write() as tx:
        assert not callbacks.replay(tx, "no such job")


# What is told


def test_the_address_and_the_text_are_not_logged(
    office: Office, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """They may hold a token, and what was said."""
    receiver.behaviours = [status(500), status(200)]
    office.put(receiver.url("/done?token=hunter2"))
    with caplog.at_level(logging.DEBUG, "stenogram"):
        office.try_once()
        office.pass_time(6.0)
        office.try_once()

    assert "delivered" in caplog.text
    assert "hunter2" not in caplog.text
    assert "Привет" not in caplog.text
