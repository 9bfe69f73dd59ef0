"""How much one caller may ask for."""

from __future__ import annotations

import pytest

from stenogram.errors import TooManyRequests
from stenogram.server.limits import Allowance, Limits


def test_a_minute_s_worth_and_then_steadily() -> None:
    now = [0.0]
    limits, allowance = Limits(clock=lambda: now[0]), Allowance(requests_per_minute=60)
    for _ in range(60):
        with limits.admit("a", allowance):
            pass
    with pytest.raises(TooManyRequests) as raised, limits.admit("a", allowance):
        pass
    assert raised.value.facts["retry_after_s"] == 1.0
    now[0] = 2.5
    for _ in range(2):
        with limits.admit("a", allowance):
            pass
    with pytest.raises(TooManyRequests), limits.admit("a", allowance):
        pass


def test_one_caller_does_not_use_up_another_s() -> None:
    limits, allowance = Limits(clock=lambda: 0.0), Allowance(requests_per_minute=1)
    for who in ("a", "b"):
        with limits.admit(who, allowance):
            pass


def test_at_once_means_at_once() -> None:
    limits, allowance = Limits(), Allowance(max_concurrent=2)
    with (
        limits.admit("a", allowance),
        limits.admit("a", allowance),
        pytest.raises(TooManyRequests),
        limits.admit("a", allowance),
    ):
        pass
    with limits.admit("a", allowance):
        pass


def test_zero_is_no_limit() -> None:
    limits = Limits()
    for _ in range(1000):
        with limits.admit("a", Allowance()):
            pass
