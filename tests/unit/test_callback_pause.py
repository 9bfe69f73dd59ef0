"""How long a callback waits for its next try."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.jobs.callbacks.deliver import pause_s
from stenogram.jobs.callbacks.send import _retry_after_s


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1e12), st.floats(0, 1))
def test_it_is_never_shorter_than_a_second_nor_longer_than_an_hour(
    attempts: int, retry_after_s: float | None, drawn: float
) -> None:
    assert 1.0 <= pause_s(attempts, retry_after_s, lambda: drawn) <= 3600.0


def test_it_doubles_up_to_an_hour() -> None:
    longest = [pause_s(attempts, None, lambda: 1.0) for attempts in range(1, 13)]

    assert longest == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_the_jitter_is_full() -> None:
    """Receivers that failed together are not asked together again."""
    assert pause_s(6, None, lambda: 0.5) == 80
    assert pause_s(6, None, lambda: 0.0) == 1


def test_the_receiver_may_ask_for_more_but_not_for_less() -> None:
    assert pause_s(1, 120.0, lambda: 0.5) == 120
    assert pause_s(6, 2.0, lambda: 1.0) == 160


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("120", 120), ("0", 0), ("9" * 400, 999_999_999_999), ("-5", None), ("1.5", None), ("nan", None)],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert _retry_after_s(value) == seconds


def test_retry_after_as_a_date() -> None:
    wanted = _retry_after_s(formatdate(time.time() + 600, usegmt=True))

    assert wanted is not None
    assert 500 < wanted <= 600
    assert _retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@given(st.text(max_size=40))
def test_whatever_a_receiver_asks_for_is_a_time_or_nothing(value: str) -> None:
    asked = _retry_after_s(value)

    assert asked is None or asked >= 0
