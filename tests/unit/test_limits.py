"""Limits: how many requests a minute, and how many at once, each caller may have."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.errors import TooManyRequests
from stenogram.server.errors import response_of
from stenogram.server.limits import Allowance, Limits

LEFT = "x-ratelimit-remaining-requests"


class Hand:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(limits: Limits, allowance: Allowance, who: str = "anna") -> dict[str, str]:
    """One request that is over at once; gives the headers."""
    told: dict[str, str] = {}
    with limits.admit(who, allowance, told):
        return told


def test_without_limits_nothing_is_counted_or_told() -> None:
    limits = Limits()

    assert [ask(limits, Allowance()) for _ in range(1000)] == [{}] * 1000
    assert not limits._buckets
    assert not limits._running


def test_a_minute_s_worth_may_come_at_once_and_no_more() -> None:
    limits = Limits(Hand())
    told = [ask(limits, Allowance(3)) for _ in range(3)]
    with pytest.raises(TooManyRequests) as refused:
        ask(limits, Allowance(3))

    assert [headers[LEFT] for headers in told] == ["2", "1", "0"]
    assert told[0] == {"x-ratelimit-limit-requests": "3", LEFT: "2", "x-ratelimit-reset-requests": "20s"}
    assert refused.value.facts["retry_after_s"] == 20


def test_who_waits_as_told_is_let_in() -> None:
    clock = Hand()
    limits = Limits(clock)
    for _ in range(7):
        ask(limits, Allowance(7))
    with pytest.raises(TooManyRequests) as refused:
        ask(limits, Allowance(7))
    clock.now += float(response_of(refused.value).headers["retry-after"])

    ask(limits, Allowance(7))


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=200))
def test_no_pattern_of_requests_gets_more_than_its_minutes_worth(per_minute: int, pauses_s: list[float]) -> None:
    clock = Hand()
    limits = Limits(clock)
    began, admitted = clock.now, 0
    for pause_s in pauses_s:
        clock.now += pause_s
        try:
            ask(limits, Allowance(per_minute))
        except TooManyRequests:
            continue
        admitted += 1

    assert admitted <= per_minute + (clock.now - began) * per_minute / 60 + 1e-6


def test_callers_are_counted_apart() -> None:
    limits = Limits(Hand())
    ask(limits, Allowance(1), "anna")
    ask(limits, Allowance(1), "bert")

    with pytest.raises(TooManyRequests):
        ask(limits, Allowance(1), "anna")


def test_only_so_many_run_at_once_and_those_that_end_make_room() -> None:
    limits = Limits()
    allowance = Allowance(max_concurrent=2)
    with ExitStack() as running:
        for _ in range(2):
            running.enter_context(limits.admit("anna", allowance, {}))
        with pytest.raises(TooManyRequests, match="2 at once"):
            ask(limits, allowance)
        ask(limits, allowance, "bert")

    ask(limits, allowance)
    assert not limits._running


def test_a_request_that_fails_makes_room_too() -> None:
    limits = Limits()
    with pytest.raises(ZeroDivisionError), limits.admit("anna", Allowance(max_concurrent=1), {}):
        _ = 1 / 0

    ask(limits, Allowance(max_concurrent=1))


def test_what_is_refused_for_running_beside_others_costs_nothing_of_the_minute() -> None:
    limits = Limits(Hand())
    told: dict[str, str] = {}
    allowance = Allowance(10, 1)
    with limits.admit("anna", allowance, {}), pytest.raises(TooManyRequests):  # noqa: SIM117 - the inner one is refused
        with limits.admit("anna", allowance, told):
            pytest.fail("was let in")

    assert told[LEFT] == "9"


def test_a_limit_that_was_lowered_holds_at_once() -> None:
    limits = Limits(Hand())
    ask(limits, Allowance(100))

    assert ask(limits, Allowance(2))[LEFT] == "1"


def test_the_refusal_tells_clients_to_try_again_and_when() -> None:
    answer = response_of(TooManyRequests(cause="3 a minute are allowed", retry_after_s=1.2))

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["x-should-retry"] == "true"
