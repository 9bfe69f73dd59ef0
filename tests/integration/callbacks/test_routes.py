"""Where callbacks may go when they are sent: redirects, names that change their meaning, certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence

import pytest
from standardwebhooks.webhooks import Webhook

from stenogram.jobs.callbacks.address import check
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.jobs.callbacks.send import Sender
from tests.integration.callbacks.office import BODY, SECRET, Office
from tests.integration.callbacks.receiver import (
    CERTIFICATE,
    Receiver,
    serve,
    status,
)


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
