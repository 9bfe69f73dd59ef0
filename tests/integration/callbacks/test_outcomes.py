"""What comes of a callback, by what the receiver does: a real one, on a real database."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

import pytest
from standardwebhooks.webhooks import Webhook

from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.jobs.callbacks.send import Sender
from stenogram.store import callbacks
from tests.integration.callbacks.office import BODY, DAY_S, SECRET, Office
from tests.integration.callbacks.receiver import (
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


def test_once_it_said_2xx_its_body_may_break_off(office: Office, receiver: Receiver) -> None:
    receiver.behaviours = [hang_up_in_body]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "delivered"


def test_an_answer_without_an_end_is_not_read_to_the_end(office: Office, receiver: Receiver) -> None:
    """A little is read, for politeness; the rest is what the system's buffers hold."""
    receiver.behaviours = [flood(receiver)]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.find(job_id).state == "delivered"
    assert receiver.released.wait(20.0)
    assert receiver.flooded_bytes < 1 << 26


@pytest.mark.parametrize(("wished", "waited_s"), [("120", 120), ("999999", 3600), ("soon", 5), ("1", 5)])
def test_retry_after(office: Office, receiver: Receiver, wished: str, waited_s: float) -> None:
    """The receiver may ask for a longer pause, up to an hour."""
    receiver.behaviours = [status(429, Retry_After=wished)]
    job_id = office.put(receiver.url())

    office.try_once()

    assert office.pause_s(job_id) == pytest.approx(waited_s, abs=0.001)


@pytest.mark.slow_on("postgresql")
def test_it_is_given_up_after_a_day(office: Office, receiver: Receiver) -> None:
    """The last try is made when the day is over; its reason stays."""
    receiver.behaviours = [status(503)]
    job_id = office.put(receiver.url())

    while office.find(job_id).state == "pending":
        assert office.try_once() == 1
        office.pass_pause(job_id)

    found = office.find(job_id)
    assert (found.state, found.error) == ("failed", "the receiver answered 503 Service Unavailable")
    attempts = office.attempts(job_id)
    assert 30 < len(attempts) < 40
    assert attempts[-2].at < found.created_at + DAY_S <= attempts[-1].at < found.created_at + DAY_S + 600
    assert callbacks.report(found) == {"delivered": False, "delivered_at_ms": None, "error": found.error}


def test_after_a_long_stop_of_the_service_there_is_one_more_try(office: Office, receiver: Receiver) -> None:
    job_id = office.put(receiver.url())
    office.pass_time(3 * DAY_S)

    office.try_once()

    assert office.find(job_id).state == "delivered"


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
    assert office.pause_s(job_id) == pytest.approx(5.0, abs=0.001)


def test_there_is_nothing_to_replay_for_a_job_without_a_callback(office: Office) -> None:
    with office.db.write() as tx:
        assert not callbacks.replay(tx, "no such job")


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
