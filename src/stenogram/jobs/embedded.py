"""The queue without a server: the table of jobs itself, on SQLite. Who submits wakes who works."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from stenogram.errors import DatabaseError, StorageFull
from stenogram.job import Lane
from stenogram.protocols import Transaction
from stenogram.store import claims
from stenogram.store.database import Database

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 2.0
"""A wake-up may be lost; this long at most does a job wait for it."""
_PAUSE_S = 1.0
"""After the database failed."""


class EmbeddedQueue:
    """Implements ``protocols.JobQueue``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def submit(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:  # noqa: ARG002
        """Wake the workers; what there is to do stands in the table."""
        transaction.wake("jobs")

    def release(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:  # noqa: ARG002
        """Wake the workers."""
        transaction.wake("jobs")

    def recover(self, transaction: Transaction) -> None:
        """What waits is found in the table itself."""

    def work(self, handler: Callable[[str], None], stop: threading.Event, lane: Lane = "speech") -> None:
        """Deliver the job of a lane that goes first, again and again, until ``stop``."""
        woken = threading.Event()
        self._db.listen(lambda topic: woken.set() if topic in ("jobs", "") else None)
        failing = False
        while not stop.is_set():
            woken.clear()
            try:
                with self._db.read() as connection:
                    job_id = claims.next_id(connection, lane)
                failing = False
            except (DatabaseError, StorageFull) as error:
                if not failing:
                    log.warning("waiting for the database: %s", error)
                failing, job_id = True, None
                stop.wait(_PAUSE_S)
            if job_id is not None:
                handler(job_id)
            else:
                _wait(woken, stop)


def _wait(woken: threading.Event, stop: threading.Event) -> None:
    for _ in range(int(_LOOK_AGAIN_S / 0.25)):
        if woken.wait(0.25) or stop.is_set():
            return
