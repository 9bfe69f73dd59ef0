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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from stenogram.errors import DatabaseError, StorageFull
from stenogram.jobs.callbacks import sign
from stenogram.jobs.callbacks.address import parse
from stenogram.jobs.callbacks.send import Outcome, Sender
from stenogram.store import callbacks
from stenogram.store.callbacks import Callback, CallbackAttempt, CallbackState
from stenogram.store.database import Database

log = logging.getLogger(__name__)

_GONE = 410
_TRY_AGAIN_LATER = (408, 429)
"""Of the answers 4xx those that may pass by themselves; the others say that the request itself is wrong."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 3600.0
_THREADS = 16
_THREADS_OF_HOST = 4
"""A host that does not answer holds up no other."""
_LOOK_AGAIN_S = 30.0
"""A wake-up may be lost; this long at most does a callback wait for it."""


def pause_s(attempts: int, retry_after_s: float | None, draw: Callable[[], float] = random.random) -> float:
    """How long to wait after so many tries: exponential with full jitter, from half of it on; or as asked."""
    longest = min(_FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 20), _LONGEST_PAUSE_S)
    wished = min(retry_after_s or 0.0, _LONGEST_PAUSE_S)
    return max(longest * (0.5 + 0.5 * draw()), wished)


@dataclass(slots=True)
class Deliverer:
    """Works in threads of its own between ``start`` and ``stop``. Several processes may share a database."""

    db: Database
    sender: Sender
    secret: str | None = None
    give_up_s: float = 86_400.0
    claim_s: float = 120.0
    """Longer than any try may take."""
    clock: Callable[[], float] = time.time
    _woken: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _busy: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self.db.listen(lambda topic: self._woken.set() if topic in ("callbacks", "") else None)
        self._pool = ThreadPoolExecutor(_THREADS, "stenogram-callback")
        self._thread = threading.Thread(target=self._run, name="stenogram-callbacks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; what is under way is given up, and sent again by the next process."""
        self._over.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self.sender.close()

    def deliver(self, callback: Callback) -> CallbackState:
        """One try, and its record."""
        at = self.clock()
        began = time.monotonic()
        outcome = self.sender.send(
            callback.url, callback.body, sign.headers(self.secret, callback.id, callback.body, at)
        )
        attempt = CallbackAttempt(callback.attempts + 1, at, time.monotonic() - began, outcome.status, outcome.error)
        state, next_at = self._verdict(callback, attempt, outcome)
        with self.db.write() as tx:
            callbacks.record(tx, callback, attempt, state, next_at)
        level = logging.INFO if state == "delivered" else logging.WARNING
        log.log(
            level,
            "callback of job %s: %s %s",
            callback.job_id,
            state,
            outcome.error or "",
            extra={"job": callback.job_id},
        )
        return state

    def _verdict(
        self, callback: Callback, attempt: CallbackAttempt, outcome: Outcome
    ) -> tuple[CallbackState, float | None]:
        if outcome.error is None:
            return "delivered", None
        status = outcome.status
        if status == _GONE:
            return "disabled", None
        if outcome.refused or (status is not None and 400 <= status < 500 and status not in _TRY_AGAIN_LATER):  # noqa: PLR2004 - classes of HTTP
            return "failed", None
        next_at = self.clock() + pause_s(attempt.number, outcome.retry_after_s)
        if next_at > callback.created_at + self.give_up_s:
            return "failed", None
        return "pending", next_at

    def _run(self) -> None:
        while not self._over.is_set():
            self._woken.clear()
            try:
                self._send_due()
                wait_s = self._until_next()
            except (DatabaseError, StorageFull) as error:
                log.warning("callbacks wait for the database: %s", error)
                wait_s = 2.0
            self._woken.wait(wait_s)

    def _send_due(self) -> None:
        with self._lock:
            free = _THREADS - sum(self._busy.values())
        if free <= 0:
            return
        now = self.clock()
        with self.db.read() as connection:
            due = callbacks.next_due(connection)
        if due is None or due > now:
            return
        with self.db.write() as tx:
            claimed = callbacks.claim(tx, now, now + self.claim_s, free)
            ready = [callback for callback in claimed if self._reserve(_host(callback.url))]
            for callback in claimed:
                if callback not in ready:
                    callbacks.postpone(tx, callback.id, now + 1.0)
        for callback in ready:
            if self._pool is not None:
                self._pool.submit(self._deliver_one, callback, _host(callback.url))
        if claimed:
            self._woken.set()  # there may be more

    def _reserve(self, host: str) -> bool:
        with self._lock:
            free = self._busy[host] < _THREADS_OF_HOST
            self._busy[host] += free
            return free

    def _deliver_one(self, callback: Callback, host: str) -> None:
        try:
            self.deliver(callback)
        except (DatabaseError, StorageFull) as error:
            log.warning("callback of job %s: not recorded, it will be sent again: %s", callback.job_id, error)
        finally:
            with self._lock:
                self._busy[host] -= 1
            self._woken.set()

    def _until_next(self) -> float:
        with self.db.read() as connection:
            due = callbacks.next_due(connection)
        return _LOOK_AGAIN_S if due is None else min(max(due - self.clock(), 0.05), _LOOK_AGAIN_S)


def _host(url: str) -> str:
    target = parse(url)
    return f"{target.host}:{target.port}"
