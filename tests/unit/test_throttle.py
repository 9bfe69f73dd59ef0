"""Who tries passwords is slowed down, more and more, and no owner is locked out for good; on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from stenogram.accounts import throttle
from stenogram.accounts.errors import SignInSlowed
from stenogram.accounts.throttle import (
    FORGIVEN_EVERY_S,
    FREE_FROM_ADDRESS,
    FREE_ON_ACCOUNT,
    KNOWN_FOR_S,
    MOST_WAIT_S,
    left,
    network_of,
    wait_s,
)
from stenogram.store.database import Database, Transaction
from stenogram.store.failures import Failures
from stenogram.store.tables import sign_in_failures

NOW = 1_800_000_000.0
same_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)


@pytest.fixture
def tx(db: Database) -> Iterator[Transaction]:
    with db.write() as transaction:
        yield transaction


def somebody() -> str:
    return f"{uuid.uuid4().hex}@example.org"


def somewhere() -> str:
    return uuid.uuid4().hex


def fail(tx: Transaction, account: str | None, address: str, now: float) -> float:
    """Try a wrong password; gives the wait that it was told to take, 0 where it was let through."""
    try:
        throttle.begin(tx, account, address, now)
    except SignInSlowed as error:
        told = error.facts["retry_after_s"]
        assert isinstance(told, int)
        return float(told)
    return 0.0


def enter(tx: Transaction, account: str, address: str, now: float) -> None:
    throttle.succeed(tx, throttle.begin(tx, account, address, now), now)


@given(st.integers(0, 10_000), st.integers(0, 50))
def test_waits_grow_with_failures_up_to_a_bound(count: int, free: int) -> None:
    assert 0 <= wait_s(count, free) <= wait_s(count + 1, free) <= MOST_WAIT_S
    assert (wait_s(count, free) == 0) is (count < free)


@given(st.integers(0, 100), st.floats(0, 1e7), st.floats(0, 1e7))
def test_failures_are_forgiven_with_time_and_never_more_than_there_were(
    count: int, some_s: float, more_s: float
) -> None:
    found = Failures(count, NOW)

    assert count >= left(found, NOW + some_s) >= left(found, NOW + some_s + more_s) >= 0
    assert left(found, NOW + (count + 1) * FORGIVEN_EVERY_S) == 0
    assert left(found, NOW - some_s) == count  # a clock that was set back forgives nothing


def test_a_few_failures_cost_nothing_and_then_each_doubles_the_wait(tx: Transaction) -> None:
    account, address, now, waits = somebody(), somewhere(), NOW, []
    for _ in range(FREE_ON_ACCOUNT):
        assert fail(tx, account, address, now) == 0
    for _ in range(12):
        wait = fail(tx, account, address, now)
        waits.append(wait)
        assert fail(tx, account, address, now + wait - 0.5) > 0  # refused attempts change nothing
        now += wait
        assert fail(tx, account, address, now) == 0

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_after_a_quiet_time_all_is_forgiven(tx: Transaction) -> None:
    """However often it failed before: what is counted is bounded."""
    account, address, now = somebody(), somewhere(), NOW
    for _ in range(40):
        now += fail(tx, account, address, now)
        now += fail(tx, account, address, now)
    now += 15 * FORGIVEN_EVERY_S

    assert [fail(tx, account, address, now) for _ in range(FREE_ON_ACCOUNT)] == [0.0] * FREE_ON_ACCOUNT


@same_database
@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 3)), max_size=60))
def test_an_owner_enters_from_where_they_did_before_whatever_strangers_do(
    tx: Transaction, attempts: list[tuple[float, int]]
) -> None:
    account, home, now = somebody(), somewhere(), NOW
    strangers = [somewhere() for _ in range(4)]
    enter(tx, account, home, now)
    for pause_s, stranger in attempts:
        now += pause_s
        fail(tx, account, strangers[stranger], now)
        enter(tx, account, home, now)


@same_database
@given(st.lists(st.floats(0, 600), min_size=20, max_size=120))
def test_nobody_has_more_attempts_on_an_account_than_the_waits_allow(tx: Transaction, pauses: list[float]) -> None:
    """From a new address each time."""
    account, now, tried = somebody(), NOW, 0
    for pause_s in pauses:
        now += pause_s
        tried += fail(tx, account, somewhere(), now) == 0
    steps = FREE_ON_ACCOUNT + 9

    assert tried <= steps + (now - NOW) / MOST_WAIT_S + (now - NOW) / FORGIVEN_EVERY_S + 1


@same_database
@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 2)), max_size=60))
def test_no_wait_is_longer_than_the_bound_and_who_waits_it_may_try(
    tx: Transaction, attempts: list[tuple[float, int]]
) -> None:
    accounts, address, now = [somebody() for _ in range(3)], somewhere(), NOW
    for pause_s, who in attempts:
        now += pause_s
        wait = fail(tx, accounts[who], address, now)
        assert wait <= MOST_WAIT_S
        if wait:
            assert fail(tx, accounts[who], address, now + wait) == 0
            now += wait


def test_an_address_that_tries_many_accounts_is_slowed(tx: Transaction) -> None:
    address = somewhere()
    waits = [fail(tx, somebody(), address, NOW) for _ in range(FREE_FROM_ADDRESS + 1)]

    assert waits == [0.0] * FREE_FROM_ADDRESS + [1.0]
    assert fail(tx, None, address, NOW) > 0  # keys, too


def test_others_at_the_same_address_who_signed_in_there_before_are_not_slowed_with_it(tx: Transaction) -> None:
    """An office has one address."""
    office, colleague = somewhere(), somebody()
    enter(tx, colleague, office, NOW)
    for _ in range(FREE_FROM_ADDRESS + 5):
        fail(tx, somebody(), office, NOW)

    enter(tx, colleague, office, NOW)


def test_who_guesses_from_an_owner_s_own_address_is_slowed_too(tx: Transaction) -> None:
    account, home = somebody(), somewhere()
    enter(tx, account, home, NOW)
    waits = [fail(tx, account, home, NOW) for _ in range(FREE_ON_ACCOUNT + 1)]

    assert waits[-1] > 0


def test_a_success_takes_back_itself_and_no_failure(tx: Transaction) -> None:
    """Who has an account could otherwise try those of others without end."""
    address = somewhere()
    for _ in range(FREE_FROM_ADDRESS - 1):
        fail(tx, somebody(), address, NOW)
    enter(tx, somebody(), address, NOW)

    assert fail(tx, somebody(), address, NOW) == 0
    assert fail(tx, somebody(), address, NOW) > 0


def test_what_is_stored_names_neither_account_nor_address(tx: Transaction) -> None:
    enter(tx, "ann@example.org", "192.0.2.7", NOW)
    stored = str(tx.connection.execute(select(sign_in_failures)).all())

    assert "ann" not in stored
    assert "192.0" not in stored


def test_what_is_too_old_is_forgotten_in_batches_and_known_addresses_are_kept_longer(tx: Transaction) -> None:
    account, home = somebody(), somewhere()
    enter(tx, account, home, NOW)
    for _ in range(5):
        fail(tx, somebody(), somewhere(), NOW)

    def count() -> int:
        return len(tx.connection.execute(select(sign_in_failures)).all())

    assert count() == 13  # home and account, account at home, five strangers with five accounts
    assert throttle.expire(tx, NOW + 3600, 5) == 0
    assert throttle.expire(tx, NOW + 2 * 86_400, 5) == 5
    while throttle.expire(tx, NOW + 2 * 86_400, 5):
        pass
    assert count() == 1
    assert throttle.expire(tx, NOW + KNOWN_FOR_S + 1, 5) == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    """One customer has 2^64 of them."""
    assert network_of(address) == network
