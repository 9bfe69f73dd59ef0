"""One worker's attempt at one job: tells how far it is, and learns when to stop.

Telling is cheap for whoever works: it only notes; a thread writes what was noted ten times a second at most. While the
database is gone the notes are kept, and the work goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self

from stenogram.errors import DatabaseError, StorageFull
from stenogram.job import Job
from stenogram.store import claims
from stenogram.store.claims import Lease, LeaseLost, Progress
from stenogram.store.database import Database
from stenogram.store.events import Happening

log = logging.getLogger(__name__)

_WRITE_EVERY_S = 0.1
_ASK_EVERY_S = 0.5
"""So often it is asked whether to stop, where no wake-up came."""

Reason = Literal["cancelled", "lease_lost", "handed_back"]


class Attempt:
    """To be used as a context: its thread runs inside the block. Safe to use from several threads."""

    def __init__(self, db: Database, job: Job, lease: Lease) -> None:
        self.job = job
        self.lease = lease
        self.reason: Reason | None = None
        """Why it is to stop."""
        self._db = db
        self._lock = threading.Lock()
        self._progress = Progress(stage=None, share=0.0, duration=None, advanced=False)
        self._happenings: list[Happening] = []
        self._dirty = False
        self._over = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stenogram-attempt", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._woken.set()
        self._thread.join()

    def tell(self, progress: Progress | None = None, happenings: Sequence[Happening] = ()) -> None:
        """Note how far it is and what happened; written soon."""
        with self._lock:
            if progress is not None:
                self._progress = replace(progress, advanced=progress.advanced or self._progress.advanced)
            self._happenings.extend(happenings)
            self._dirty = True

    def stop(self) -> bool:
        """Whether the work should end."""
        return self.reason is not None

    def hand_back(self) -> None:
        """Stop, and let another worker go on."""
        self.reason = self.reason or "handed_back"

    def wake(self) -> None:
        """Ask at once whether to stop."""
        self._woken.set()

    def _run(self) -> None:
        asked_s = _ASK_EVERY_S
        while not self._over.is_set():
            woken = self._woken.wait(_WRITE_EVERY_S)
            self._woken.clear()
            asked_s += _WRITE_EVERY_S
            if self._dirty or woken or asked_s >= _ASK_EVERY_S:
                asked_s = 0.0
                self.write()

    def write(self) -> None:
        """Write what was noted, and learn whether to stop."""
        with self._lock:
            progress, happenings, dirty = self._progress, self._happenings, self._dirty
            self._happenings, self._dirty = [], False
        try:
            if dirty:
                with self._db.write() as tx:
                    cancelled = claims.record(tx, self.lease, progress, happenings)
            else:
                with self._db.read() as connection:
                    cancelled = claims.cancel_requested(connection, self.lease)
        except LeaseLost:
            self.reason = self.reason or "lease_lost"
        except (DatabaseError, StorageFull) as error:
            log.debug("what happened is written later: %s", error)
            with self._lock:
                self._happenings, self._dirty = [*happenings, *self._happenings], self._dirty or dirty
            self._over.wait(_ASK_EVERY_S)
        else:
            if cancelled:
                self.reason = self.reason or "cancelled"
