"""The queue on PostgreSQL, for many machines: Procrastinate delivers the ids, the table of jobs says what they are.

An entry of Procrastinate is made in the transaction that lets a job wait, and is gone when its delivery is over. What
could part them, a worker that dies between the delivery and its claim, a database that is gone when a delivery ends, or
an entry that somebody deletes, is mended by ``recover``.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException, ProcrastinateException
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import select, text

from stenogram.errors import DatabaseError, DatabaseUnavailable
from stenogram.job import Lane
from stenogram.protocols import Transaction
from stenogram.store.database import Database
from stenogram.store.tables import jobs

log = logging.getLogger(__name__)

QUEUES: Mapping[Lane, str] = {"speech": "stenogram", "chat": "stenogram-chat"}
"""Lane -> the name by which Procrastinate knows its queue."""
TASK = "stenogram.work"

_DELIVERED = text(
    "SELECT id FROM procrastinate_jobs WHERE task_name = :task AND status = 'doing' AND args->>'job_id' = :job_id "
    "FOR UPDATE"
)
_END = text(
    "SELECT procrastinate_finish_job_v1(CAST(:entry AS bigint), CAST('failed' AS procrastinate_job_status), true)"
)
_STALLED = text(
    """
    SELECT entry.id FROM procrastinate_jobs AS entry
    LEFT JOIN jobs ON jobs.id = entry.args->>'job_id'
    LEFT JOIN procrastinate_workers AS worker ON worker.id = entry.worker_id
    WHERE entry.task_name = :task AND entry.status = 'doing' AND jobs.state IS DISTINCT FROM 'running' AND (
        worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => :silent_s)
        OR jobs.state = 'queued'
        AND NOT EXISTS (
            SELECT 1 FROM procrastinate_jobs AS other
            WHERE other.task_name = :task AND other.status = 'todo' AND other.args->>'job_id' = jobs.id
        )
        AND NOT EXISTS (
            SELECT 1 FROM procrastinate_events AS event WHERE event.job_id = entry.id AND event.type = 'started'
            AND event.at > now() - make_interval(secs => :claimed_within_s)
        )
    )
    FOR UPDATE OF entry SKIP LOCKED
    """
)
"""Deliveries that nobody attends to: of a worker that is silent, or that should have claimed the job long ago. A job
that runs is its worker's, however long that is silent here: its lease says whether it lives (``claims``)."""
_FORGOTTEN = text(
    "SELECT id, rank, dedupe_key FROM jobs WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs "
    "WHERE task_name = :task AND status IN ('todo', 'doing') AND args->>'job_id' = jobs.id) "
    "ORDER BY created_at FOR UPDATE SKIP LOCKED"
)
_CLAIMED_WITHIN_S = 5.0
_HIGHEST = 2**30 - 1
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_LOOK_AGAIN_S = 2.0
"""A wake-up may be lost, and none comes when a lock is given free; this long at most does a job wait for it."""
_STOP_WITHIN_S = 2.0
"""How long a worker without a job may take to end, as it does where the database is gone."""


class ProcrastinateQueue:
    """Implements ``protocols.JobQueue``."""

    def __init__(self, db: Database, lease_s: float = 15.0) -> None:
        self._conninfo = db.conninfo
        self._where = db.url
        self._lease_s = lease_s
        self._app = App(connector=PsycopgConnector(conninfo=self._conninfo))  # never opened: it only writes queries

    def submit(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:
        """Make an entry, in the same transaction; a job that was begun before goes before its equals."""
        found = select((jobs.c.attempt > 0).label("begun"), jobs.c.lane).where(jobs.c.id == job_id)
        job = transaction.connection.execute(found).one()
        task = self._app.configure_task(
            TASK,
            queue=QUEUES[job.lane],
            lock=lock,
            priority=2 * max(min(rank, _HIGHEST), -_HIGHEST) + bool(job.begun),
            connection=transaction.connection.connection.driver_connection,  # on which the transaction is open
        )
        with self._translated():
            task.defer(job_id=job_id)

    def release(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:
        """End the delivery to the worker that is gone, so that its lock is free, and make a new entry."""
        found = transaction.connection.execute(_DELIVERED, {"task": TASK, "job_id": job_id}).scalars().all()
        for entry in found:
            transaction.connection.execute(_END, {"entry": entry})
        self.submit(transaction, job_id, rank, lock)

    def recover(self, transaction: Transaction) -> None:
        """End the deliveries that nobody attends to, and make entries for jobs that wait without one."""
        values = {"task": TASK, "silent_s": 2 * self._lease_s, "claimed_within_s": _CLAIMED_WITHIN_S}
        for entry in transaction.connection.execute(_STALLED, values).scalars().all():
            transaction.connection.execute(_END, {"entry": entry})
        for row in transaction.connection.execute(_FORGOTTEN, {"task": TASK}).all():
            self.submit(transaction, row.id, row.rank, row.dedupe_key)

    def work(self, handler: Callable[[str], None], stop: threading.Event, lane: Lane = "speech") -> None:
        """Take what Procrastinate delivers of a lane, until ``stop``."""
        delivery = _Delivery(handler, QUEUES[lane])
        pause_s = _PAUSE_S
        while not stop.is_set():
            delivery.connected = False
            try:
                # psycopg needs the selector loop, which is not Windows' own
                factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
                with asyncio.Runner(loop_factory=factory) as runner:
                    runner.run(self._work(delivery, stop))
            except (psycopg.Error, ConnectorException, ProcrastinateException, OSError) as error:
                if delivery.connected or pause_s == _PAUSE_S:
                    log.warning("waiting for the database: %s", _cause(error))
            if delivery.raised is not None:
                raise delivery.raised
            pause_s = _PAUSE_S if delivery.connected else min(pause_s * 2, _LONGEST_PAUSE_S)
            stop.wait(pause_s)

    async def _work(self, delivery: _Delivery, stop: threading.Event) -> None:
        asyncio.get_running_loop().set_exception_handler(_tell_stray)
        serving = asyncio.create_task(self._serve(delivery))
        while not (serving.done() or stop.is_set() or delivery.raised):
            await asyncio.wait({serving}, timeout=0.1)
        serving.cancel()  # which lets the job in hand come to its end
        while not serving.done():
            idle = not delivery.under_way
            await asyncio.wait({serving}, timeout=_STOP_WITHIN_S)
            if idle:
                serving.cancel()
        if not serving.cancelled():
            serving.result()

    async def _serve(self, delivery: _Delivery) -> None:
        async with await psycopg.AsyncConnection.connect(self._conninfo):
            delivery.connected = True  # the pool would try for long before it says that it cannot
        pool = AsyncConnectionPool(_hasty(self._conninfo), min_size=1, max_size=4, timeout=5.0, open=False)
        app = App(connector=PsycopgConnector())
        app.task(name=TASK, queue=delivery.queue)(delivery)
        async with pool, app.open_async(pool):
            await app.run_worker_async(
                queues=[delivery.queue],
                concurrency=1,
                fetch_job_polling_interval=_LOOK_AGAIN_S,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=self._lease_s / 3,
                stalled_worker_timeout=2 * self._lease_s,
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ConnectorException as error:
            if isinstance(error.__cause__, (psycopg.OperationalError, psycopg.InterfaceError)):
                raise DatabaseUnavailable(where=self._where, cause=_cause(error)) from error
            raise DatabaseError(cause=_cause(error)) from error


class _Delivery:
    """What Procrastinate calls, in a thread."""

    __name__ = TASK

    def __init__(self, handler: Callable[[str], None], queue: str) -> None:
        self._handler = handler
        self.queue = queue
        self.connected = False
        """Whether the database was reached."""
        self.under_way = False
        self.raised: BaseException | None = None
        """By the handler."""

    def __call__(self, job_id: str) -> None:
        """Hand the id over."""
        self.under_way = True
        try:
            self._handler(job_id)
        except BaseException as error:
            self.raised = error
            raise
        finally:
            self.under_way = False


def _hasty(conninfo: str) -> str:
    """Without waiting for the disk: what is noted of a delivery may be lost in a crash, for ``recover`` mends it."""
    options = conninfo_to_dict(conninfo).get("options") or ""
    return make_conninfo(conninfo, options=f"{options} -c synchronous_commit=off".strip())


def _cause(error: BaseException) -> str:
    lines = str(error.__cause__ or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _tell_stray(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """A delivery could not be ended: the database was gone, or it was ended by somebody else. ``recover`` mends it."""
    error = context.get("exception")
    if isinstance(error, ConnectorException):
        log.debug("a delivery is not ended: %s", error.__cause__ or error)
    else:
        log.error("%s", context.get("message"), exc_info=error)
