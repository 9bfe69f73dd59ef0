"""Sends what is in the outbox, again and again until it arrives or there is no hope.

A callback is claimed, sent, and what came of it is noted. A process that dies in between leaves a claim that runs out,
and the callback is sent again: at least once, with the same id and the same bytes.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from stenogram.errors import DatabaseError, StorageFull
from stenogram.jobs.callbacks.send import Outcome, Sender
from stenogram.jobs.callbacks.sign import Signer
from stenogram.store import callbacks
from stenogram.store.callbacks import CallbackAttempt, CallbackState, Claimed
from stenogram.store.database import Database, now

log = logging.getLogger(__name__)

_GONE = 410
_TRY_AGAIN_LATER = (408, 429)
"""Of the answers 4xx those that may pass by themselves; the others say that the request itself is wrong."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _SHORTEST_PAUSE_S = 5.0, 3600.0, 1.0
_AT_ONCE = 16
_AT_ONCE_TO_HOST = 4
"""A host that does not answer holds up no other."""
_LOOK_AGAIN_S = 5.0
"""A wake-up may be lost; this long at most does a callback wait for it."""
_PAUSE_S = 1.0
"""After the database failed, or another process was faster."""
_CLAIMED_BEYOND_TRY_S = 60.0
"""What a claim lasts longer than a try may take: asking for the addresses of a name, and noting what came of it."""


def pause_s(attempts: int, retry_after_s: float | None, draw: Callable[[], float] = random.random) -> float:
    """How long to wait after so many tries: exponential with full jitter, or longer where the receiver asks for it.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ has shown that full jitter spreads best.
    """
    longest = min(_FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 20), _LONGEST_PAUSE_S)
    wished = min(retry_after_s or 0.0, _LONGEST_PAUSE_S)
    return max(longest * draw(), wished, _SHORTEST_PAUSE_S)


@dataclass(slots=True)
class Deliverer:
    """Works in threads of its own between ``start`` and ``stop``. Several processes may share a database.

    Raises ``OptionError`` for a ``secret`` that cannot sign.
    """

    db: Database
    sender: Sender
    secret: str | None = None
    give_up_s: float = 86_400.0
    clock: Callable[[Connection], float] = now
    """The time that all processes share, Unix seconds."""
    draw: Callable[[], float] = random.random
    """0..1, for the jitter."""
    _signer: Signer = field(init=False)
    _woken: threading.Event = field(init=False, default_factory=threading.Event)
    _over: threading.Event = field(init=False, default_factory=threading.Event)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _sending: dict[threading.Thread, Claimed] = field(init=False, default_factory=dict)
    _thread: threading.Thread | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._signer = Signer(self.secret)

    def start(self) -> None:
        """Begin to send."""
        self.db.listen(lambda topic: self._woken.set() if topic in ("callbacks", "") else None)
        self._thread = threading.Thread(target=self._run, name="stenogram-callbacks", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float = 2.0) -> None:
        """Send no more. What is not done after ``grace_s`` is cut off, and sent again by the next process."""
        self._over.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        self._join(grace_s)
        self.sender.close()
        self._join(grace_s)  # they give their claims back; one that still waits for a name leaves its claim to run out

    def claim(self) -> list[Claimed]:
        """Take as many of the callbacks that are due as may be sent at once, besides those under way."""
        with self._lock:
            busy = Counter(claimed.host for claimed in self._sending.values())
        taken: list[Claimed] = []
        with self.db.write() as tx:
            at = self.clock(tx.connection)
            until = at + self.sender.timeout_s + _CLAIMED_BEYOND_TRY_S
            while busy.total() < _AT_ONCE:
                claimed = callbacks.claim(tx, at, until, _full(busy))
                if claimed is None:
                    break
                busy[claimed.host] += 1
                taken.append(claimed)
        return taken

    def deliver(self, claimed: Claimed) -> None:
        """One try, and its record."""
        began = time.monotonic()
        headers = self._signer.headers(claimed.id, claimed.body, claimed.claimed_at)
        outcome = self.sender.send(claimed.url, claimed.body, headers)
        if outcome.error is not None and self.sender.closed:
            with self.db.write() as tx:
                callbacks.release(tx, claimed)
            return
        attempt = CallbackAttempt(claimed.claimed_at, time.monotonic() - began, outcome.status, outcome.error)
        state, next_at = self._verdict(claimed, outcome, attempt.at + attempt.duration_s)
        self._record(claimed, attempt, state, next_at)
        level = logging.INFO if state == "delivered" else logging.WARNING
        text = "callback of job %s: %s%s"
        error = f" ({outcome.error})" if outcome.error else ""
        log.log(level, text, claimed.job_id, state, error, extra={"job": claimed.job_id})

    def _verdict(self, claimed: Claimed, outcome: Outcome, at: float) -> tuple[CallbackState, float]:
        if outcome.error is None:
            return "delivered", at
        status = outcome.status
        if status == _GONE:
            return "disabled", at
        if outcome.refused or (status is not None and 400 <= status < 500 and status not in _TRY_AGAIN_LATER):  # noqa: PLR2004 - a class of HTTP
            return "failed", at
        end = claimed.created_at + self.give_up_s
        if at >= end:
            return "failed", at
        return "pending", min(at + pause_s(claimed.attempts + 1, outcome.retry_after_s, self.draw), end)

    def _record(self, claimed: Claimed, attempt: CallbackAttempt, state: CallbackState, next_at: float) -> None:
        """Note it also when the database is away for a while: otherwise it would be sent twice."""
        end = time.monotonic() + _CLAIMED_BEYOND_TRY_S
        while True:
            try:
                with self.db.write() as tx:
                    return callbacks.record(tx, claimed, attempt, state, next_at)
            except (DatabaseError, StorageFull):
                if time.monotonic() > end or self._over.wait(_PAUSE_S):
                    raise

    def _run(self) -> None:
        failing = False
        while not self._over.is_set():
            self._woken.clear()
            try:
                wait_s = self._send_due()
                failing = False
            except (DatabaseError, StorageFull) as error:
                if not failing:
                    log.warning("callbacks wait for the database: %s", error)
                failing, wait_s = True, _PAUSE_S
            if failing:
                self._over.wait(wait_s)
            else:
                self._woken.wait(wait_s)

    def _send_due(self) -> float:
        """Begin to send what is due; how long there is nothing more to do, unless woken."""
        with self._lock:
            busy = Counter(claimed.host for claimed in self._sending.values())
        if busy.total() >= _AT_ONCE:
            return _LOOK_AGAIN_S
        with self.db.read() as connection:
            due = callbacks.next_due(connection, _full(busy))
            wait_s = _LOOK_AGAIN_S if due is None else due - self.clock(connection)
        if wait_s > 0:
            return min(wait_s, _LOOK_AGAIN_S)
        taken = self.claim()
        for claimed in taken:
            thread = threading.Thread(target=self._deliver, args=(claimed,), name="stenogram-callback", daemon=True)
            with self._lock:
                self._sending[thread] = claimed
            thread.start()
        return 0.0 if taken else _PAUSE_S

    def _deliver(self, claimed: Claimed) -> None:
        try:
            self.deliver(claimed)
        except (DatabaseError, StorageFull) as error:
            log.warning("callback of job %s: not noted, so it will be sent again: %s", claimed.job_id, error)
        finally:
            with self._lock:
                del self._sending[threading.current_thread()]
            self._woken.set()

    def _join(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        with self._lock:
            threads = list(self._sending)
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0.0))


def _full(busy: Counter[str]) -> list[str]:
    return [host for host, number in busy.items() if number >= _AT_ONCE_TO_HOST]
