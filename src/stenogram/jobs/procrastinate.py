"""The queue on PostgreSQL, for many machines: Procrastinate delivers the ids, the table of jobs says what they are.

An entry of Procrastinate is made in the transaction that lets a job wait, and is gone when its delivery is over. What
could part them, a worker that dies between the delivery and its claim, or an entry that somebody deletes, is mended by
``recover``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector, sql
from procrastinate.exceptions import ConnectorException, ProcrastinateException
from sqlalchemy import text

from stenogram.protocols import Transaction
from stenogram.store.database import Database

log = logging.getLogger(__name__)

QUEUE = "stenogram"
TASK = "stenogram.work"

_ENTRIES = text(
    "SELECT id FROM procrastinate_jobs WHERE task_name = :task AND status = 'doing' AND args->>'job_id' = :job_id"
)
_FINISH = text("SELECT procrastinate_finish_job_v1(:entry, 'failed', true)")
_FORGOTTEN = text(
    "SELECT id, rank, dedupe_key FROM jobs WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs "
    "WHERE task_name = :task AND status IN ('todo', 'doing') AND args->>'job_id' = jobs.id) FOR UPDATE SKIP LOCKED"
)
_HIGHEST = 2**31 - 1
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_LOOK_AGAIN_S = 2.0
"""A wake-up may be lost; this long at most does a job wait for it."""


class ProcrastinateQueue:
    """Implements ``protocols.JobQueue``."""

    def __init__(self, db: Database, lease_s: float = 15.0) -> None:
        self._conninfo = db.conninfo
        self._lease_s = lease_s
        self._app = App(connector=PsycopgConnector(conninfo=self._conninfo))  # never opened: it only writes queries

    def submit(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:
        """Make an entry, in the same transaction."""
        task = self._app.configure_task(
            TASK,
            queue=QUEUE,
            lock=lock,
            priority=max(min(rank, _HIGHEST), -_HIGHEST),
            connection=_raw(transaction),
        )
        task.defer(job_id=job_id)

    def release(self, transaction: Transaction, job_id: str, rank: int, lock: str | None) -> None:
        """End what a worker that is gone had begun, so that its lock is free, and make a new entry."""
        found = transaction.connection.execute(_ENTRIES, {"task": TASK, "job_id": job_id}).scalars().all()
        for entry in found:
            transaction.connection.execute(_FINISH, {"entry": entry})
        self.submit(transaction, job_id, rank, lock)

    def recover(self, transaction: Transaction) -> None:
        """Deliver again what was delivered to workers that are gone, and what waits without an entry."""
        raw = _raw(transaction)
        connector = self._app.connector.get_sync_connector()
        stalled = connector.execute_query_all_with_connection(
            raw,
            sql.queries["select_stalled_jobs_by_heartbeat"],
            queue=QUEUE,
            task_name=TASK,
            seconds_since_heartbeat=2 * self._lease_s,
        )
        for entry in stalled:
            connector.execute_query_all_with_connection(
                raw,
                sql.queries["retry_job"],
                job_id=entry["id"],
                retry_at=dt.datetime.now(dt.UTC),
                new_priority=None,
                new_queue_name=None,
                new_lock=None,
            )
        for row in transaction.connection.execute(_FORGOTTEN, {"task": TASK}).all():
            self.submit(transaction, row.id, row.rank, row.dedupe_key)

    def work(self, handler: Callable[[str], None], stop: threading.Event) -> None:
        """Take what Procrastinate delivers, until ``stop``."""
        pause_s = _PAUSE_S
        while not stop.is_set():
            try:
                # psycopg needs the selector loop, which is not Windows' own
                factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
                with asyncio.Runner(loop_factory=factory) as runner:
                    runner.run(self._work(handler, stop))
                pause_s = _PAUSE_S
            except (psycopg.Error, ConnectorException, ProcrastinateException, OSError) as error:
                log.warning("waiting for the database: %s", str(error).strip() or type(error).__name__)
            stop.wait(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _work(self, handler: Callable[[str], None], stop: threading.Event) -> None:
        app = App(connector=PsycopgConnector(conninfo=self._conninfo, min_size=1, max_size=4, timeout=10.0))

        @app.task(name=TASK, queue=QUEUE)
        def work(job_id: str) -> None:
            handler(job_id)

        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=1,
                    fetch_job_polling_interval=_LOOK_AGAIN_S,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    update_heartbeat_interval=self._lease_s / 3,
                    stalled_worker_timeout=2 * self._lease_s,
                )
            )
            try:
                while not worker.done() and not stop.is_set():
                    await asyncio.wait({worker}, timeout=0.2)
            finally:
                worker.cancel()
                await asyncio.gather(worker, return_exceptions=True)
            if not worker.cancelled() and (error := worker.exception()) is not None:
                raise error


def _raw(transaction: Transaction) -> Any:
    """The driver's own connection, on which the transaction is open."""
    return transaction.connection.connection.driver_connection
