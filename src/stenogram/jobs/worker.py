"""A worker: takes jobs from the queue one at a time, has them done, and writes how they ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stenogram.errors import (
    Cancelled,
    DatabaseError,
    DeviceNotUsable,
    InputError,
    InternalError,
    StenogramError,
    StorageError,
    StorageFull,
)
from stenogram.job import Job, Lane
from stenogram.jobs.attempt import Attempt
from stenogram.protocols import JobQueue
from stenogram.store import claims, workers
from stenogram.store.claims import Lease, LeaseLost
from stenogram.store.database import Database, Transaction
from stenogram.types import Transcript

log = logging.getLogger(__name__)

_PAUSE_S = 5.0
"""After a job could not be done for a reason that lies not in it, such as a full disk."""
_RETRY_S = 0.5
"""Between attempts to write how a job ended, while the database is gone."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job."""

    transcript: Transcript | None
    """None: the job was about something else, which ``also`` writes."""
    gpu: Mapping[str, Any] | None = None
    cached: bool = False
    also: Callable[[Transaction, Sequence[Job]], None] = lambda _tx, _ended: None
    """Writes what else belongs to the end, in the transaction that ends the job, only where the job is still its
    worker's. It is given the job as it ended, and those that waited for the same."""


Handler = Callable[[Attempt], Done]
"""Does a job; raises ``StenogramError``, and ``Cancelled`` soon after ``attempt.stop()`` says so."""


@dataclass(slots=True)
class Worker:
    """One at a time on each device, of the jobs of its lane."""

    db: Database
    queue: JobQueue
    id: str
    handler: Handler
    lane: Lane = "speech"
    after: Callable[[Job], None] = lambda _job: None
    """Called when a job is over, whatever came of it."""
    loaded: Callable[[], list[str]] = list
    """Names of the models in memory."""
    totals: Callable[[], Mapping[str, Any]] = dict
    """What this worker has done so far."""
    broken: StenogramError | None = None
    """Why it cannot go on; set when ``run`` returned by itself."""
    _attempt: Attempt | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, and end the job in hand; or until the device is lost (``broken``)."""
        self.db.listen(self._on_topic)
        self._tell("idle")
        ended = threading.Event()
        watch = threading.Thread(target=self._pass_on, args=(stop, ended), name="stenogram-stop", daemon=True)
        watch.start()
        self.queue.work(lambda job_id: self._take(job_id, ended), ended, self.lane)
        ended.set()

    def hand_back(self) -> None:
        """Let another worker go on with the job in hand."""
        with self._lock:
            if self._attempt is not None:
                self._attempt.hand_back()

    def _pass_on(self, stop: threading.Event, ended: threading.Event) -> None:
        while not ended.is_set():
            if stop.wait(0.2):
                ended.set()

    def _on_topic(self, topic: str) -> None:
        attempt = self._attempt
        if attempt is not None and topic in ("", "control", f"job:{attempt.job.id}"):
            attempt.wake()

    def _take(self, job_id: str, ended: threading.Event) -> None:
        try:
            with self.db.write() as tx:
                claimed = claims.claim(tx, job_id, self.id)
        except (DatabaseError, StorageFull) as error:
            log.warning("job %s is not taken up: %s", job_id, error)
            ended.wait(1.0)
            return
        if claimed is None:
            return
        job, lease = claimed
        log.info("job %s: attempt %d begins", job.id, job.attempt, extra={"job": job.id})
        pause_s = self._do(job, lease)
        self.after(job)
        if self.broken is not None:
            ended.set()
            return
        ended.wait(pause_s)
        self._tell("idle", job_id=None, model=None, fault=None)

    def _do(self, job: Job, lease: Lease) -> float:
        """The whole of an attempt; gives the time to pause after it, seconds."""
        attempt = Attempt(self.db, job, lease)
        with self._lock:
            self._attempt = attempt
        try:
            with attempt:
                done = self.handler(attempt)
                attempt.write()
            self._write(lambda tx: _succeed(tx, lease, done))
            log.info("job %s: succeeded", job.id, extra={"job": job.id})
        except Cancelled:
            self._stopped(attempt)
        except (StorageError, DeviceNotUsable) as error:
            return self._unable(attempt, error)
        except StenogramError as error:
            self._fail(attempt, error)
        except Exception as error:
            log.exception("job %s: failed", job.id, extra={"job": job.id})
            self._fail(attempt, InternalError(cause=f"{type(error).__name__}: {error}"))
        finally:
            with self._lock:
                self._attempt = None
        return 0.0

    def _stopped(self, attempt: Attempt) -> None:
        match attempt.reason:
            case "handed_back":
                self._hand_back(attempt, "its worker was stopped")
            case "lease_lost":
                log.warning("job %s: was given to another worker meanwhile", attempt.job.id)
            case _:
                self._write(lambda tx: claims.end_cancelled(tx, attempt.lease))
                log.info("job %s: cancelled", attempt.job.id, extra={"job": attempt.job.id})

    def _fail(self, attempt: Attempt, error: StenogramError) -> None:
        log.warning("job %s: failed: %s", attempt.job.id, error, extra={"job": attempt.job.id, "code": error.code})
        attempt.write()
        shared = isinstance(error, InputError)  # it lies in the recording, which is the same for all
        self._write(lambda tx: claims.fail(tx, attempt.lease, error, shared=shared))

    def _unable(self, attempt: Attempt, error: StenogramError) -> float:
        """The fault is this machine's: another worker may do better, or this one later."""
        log.error("job %s is handed back: %s", attempt.job.id, error, extra={"code": error.code})
        self._tell("starting", fault=str(error))
        self._hand_back(attempt, str(error))
        if isinstance(error, DeviceNotUsable):
            self.broken = error
        return _PAUSE_S

    def _hand_back(self, attempt: Attempt, reason: str) -> None:
        def write(tx: Transaction) -> None:
            released = claims.hand_back(tx, attempt.lease, reason)
            if released is not None:
                self.queue.submit(tx, released.job_id, released.rank, released.lock)

        self._write(write)

    def _write(self, action: Callable[[Transaction], None]) -> None:
        """Write the end of a job, however long the database is gone; whoever took the job over wins."""
        told = False
        while True:
            try:
                with self.db.write() as tx:
                    action(tx)
            except LeaseLost:
                log.warning("the end of a job is not written: it was given to another worker")
            except (DatabaseError, StorageFull) as error:
                if not told:
                    log.warning("waiting for the database to write how a job ended: %s", error)
                told = True
                time.sleep(_RETRY_S)
                continue
            return

    def _tell(self, state: workers.WorkerState, **facts: Any) -> None:
        try:
            with self.db.write() as tx:
                workers.tell(tx, self.id, state, loaded=self.loaded(), totals=self.totals(), **facts)
        except (DatabaseError, StorageFull) as error:
            log.debug("what the worker does is not told: %s", error)


def _succeed(tx: Transaction, lease: Lease, done: Done) -> None:
    done.also(tx, claims.succeed(tx, lease, done.transcript, done.gpu, cached=done.cached))
