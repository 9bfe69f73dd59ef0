"""Slows those down who try passwords, and never locks an owner out for good.

Each attempt is counted before the password is looked at, so that many at once are not free, and taken back when it
succeeds. After a few failures the next attempt has to wait, longer each time, up to a bound; in quiet times failures
are forgiven one by one. An attempt that comes too early is refused and changes nothing.

Counted are attempts from an address, and attempts on an account. Who signed in to an account from an address before is
counted apart, by both together: whatever strangers do to the account, or others behind the same address to other
accounts, its owner enters from where they did before. Numbers: NIST SP 800-63B-4, section 3.2.2, asks for a limit and
proposes growing waits.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from dataclasses import dataclass

from stenogram.accounts.errors import SignInSlowed
from stenogram.store import failures
from stenogram.store.database import Transaction
from stenogram.store.failures import Failures

FREE_ON_ACCOUNT = 5
"""Failures on an account before waits begin."""
FREE_FROM_ADDRESS = 20
"""Failures from an address before waits begin: a whole office may be behind one."""
FIRST_WAIT_S = 1.0
"""It doubles with each further failure."""
MOST_WAIT_S = 300.0
"""Longer nobody has to wait; some 300 attempts a day remain."""
FORGIVEN_EVERY_S = 900.0
"""One failure is forgiven for so long without another."""
KNOWN = "known-"
"""What the subjects of owners at their addresses begin with."""
_COUNTED = "count-"
KNOWN_FOR_S = 90 * 86_400.0
"""An address where nobody signed in for so long is a stranger's again."""
FAILURES_KEPT_S = 86_400.0
"""More than enough until all are forgiven."""

_IPV6_NETWORK = 64
"""Of an IPv6 address that one customer has all of, as a rule: bits of its network (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in, which has been counted."""

    subjects: tuple[str, ...]
    """What it was counted for."""
    pair: str
    """Account and address together."""


def wait_s(count: int, free: int) -> float:
    """The wait after so many failures, of which the first ``free`` cost nothing."""
    return 0.0 if count < free else min(FIRST_WAIT_S * 2.0 ** min(count - free, 64), MOST_WAIT_S)


def left(found: Failures, now: float) -> int:
    """The failures that are not forgiven yet."""
    return max(0, found.failures - int(max(0.0, now - found.last_at) // FORGIVEN_EVERY_S))


def begin(tx: Transaction, account: str | None, address: str, now: float) -> Attempt:
    """Count an attempt; ``account`` is the e-mail address asked for, known or not, None where a key is tried.

    Raises ``SignInSlowed`` where it comes too early.
    """
    pair = KNOWN + _hash(f"{account or ''} {network_of(address)}")
    if account is not None and failures.find(tx.connection, pair) is not None:
        frees = {pair: FREE_ON_ACCOUNT}
    else:
        frees = {_COUNTED + _hash(f"address {network_of(address)}"): FREE_FROM_ADDRESS}
        if account is not None:
            frees[_COUNTED + _hash(f"account {account}")] = FREE_ON_ACCOUNT
    found = failures.take(tx, frees.keys(), now)
    wait = max(
        found[subject].last_at + wait_s(left(found[subject], now), free) - now for subject, free in frees.items()
    )
    if wait > 0:
        raise SignInSlowed(retry_after_s=math.ceil(wait))
    for subject, free in frees.items():
        count = min(left(found[subject], now) + 1, free + _steps())
        failures.put(tx, subject, Failures(count, now))
    return Attempt(tuple(frees), pair)


def succeed(tx: Transaction, attempt: Attempt, now: float) -> None:
    """Take an attempt back, and know the address from now on."""
    found = failures.take(tx, {*attempt.subjects, attempt.pair}, now)
    for subject in attempt.subjects:
        failures.put(tx, subject, Failures(max(0, found[subject].failures - 1), found[subject].last_at))
    if attempt.pair not in attempt.subjects:
        failures.put(tx, attempt.pair, Failures(found[attempt.pair].failures, now))


def expire(tx: Transaction, now: float, limit: int) -> int:
    """Forget what is too old to matter, about so much at most; gives how much it was."""
    gone = failures.expire(tx, now - KNOWN_FOR_S, limit, beginning=KNOWN)
    return gone + failures.expire(tx, now - FAILURES_KEPT_S, limit, beginning=_COUNTED)


def network_of(address: str) -> str:
    """What of an address one attacker has one of: an IPv4 address, the network of an IPv6 one; else as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False))


def _steps() -> int:
    """Failures from the first wait to the longest; more are not counted, so that they are forgiven in some hours."""
    return math.ceil(math.log2(MOST_WAIT_S / FIRST_WAIT_S))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
