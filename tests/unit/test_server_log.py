"""The log of a server: one line for each event, JSON where that is asked for, with the request it belongs to."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from stenogram.app.log import REQUEST_ID, configure

log = logging.getLogger("stenogram.test")


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("stenogram")
    before = [(it, it.handlers[:], it.level, it.propagate) for it in (root, ours)]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.fixture
def _request_id() -> Iterator[None]:
    token = REQUEST_ID.set("abc-1")
    yield
    REQUEST_ID.reset(token)


@pytest.mark.usefixtures("_request_id")
def test_a_json_line_has_all_of_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    configure(logging.INFO, as_json=True)
    log.warning('said "%s"\nЮля', "no", extra={"job": "j1", "stage": "decode", "other": "left out"})
    [line] = capsys.readouterr().err.splitlines()
    told = json.loads(line)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
    assert told == {
        "level": "warning",
        "logger": "stenogram.test",
        "message": 'said "no"\nЮля',
        "job": "j1",
        "stage": "decode",
        "request": "abc-1",
    }


def test_a_fault_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(logging.INFO, as_json=True)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("failed", extra={"job": object()})
    [line] = capsys.readouterr().err.splitlines()

    assert "ZeroDivisionError" in json.loads(line)["exception"]
    assert "request" not in json.loads(line)


@pytest.mark.usefixtures("_request_id")
def test_a_line_for_people_ends_with_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    configure(logging.INFO, as_json=False)
    log.info("begun")

    assert re.fullmatch(r"\S+ \S+ INFO    begun \[abc-1\]\n", capsys.readouterr().err)


@pytest.mark.parametrize("as_json", [True, False])
def test_others_are_heard_from_warnings_on(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """So that no library writes an access log."""
    configure(logging.DEBUG, as_json=as_json)
    logging.getLogger("uvicorn.access").info("GET /secret")
    logging.getLogger("uvicorn.error").warning("heard")
    log.debug("detail")
    lines = capsys.readouterr().err.splitlines()

    assert [("heard" in line, "detail" in line) for line in lines] == [(True, False), (False, True)]


def test_json_is_all_there_is_also_with_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    """``-v`` has given our loggers a handler of its own before."""
    logging.getLogger("stenogram").addHandler(logging.StreamHandler())
    logging.getLogger("stenogram").propagate = False
    configure(logging.DEBUG, as_json=True)
    log.debug("once")
    lines = capsys.readouterr().err.splitlines()

    assert [json.loads(line)["message"] for line in lines] == ["once"]
