"""Use case: put away what nobody needs any more, in small batches, so that nothing else has to wait."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import msgspec

from stenogram.accounts import throttle
from stenogram.app import enhancing, enrol, library, transcripts
from stenogram.app.house import House
from stenogram.app.jobs import erasing
from stenogram.errors import Conflict, StenogramError
from stenogram.store import audit as audit_rows
from stenogram.store import idempotency, jobs, search, sessions, shares
from stenogram.store.database import Transaction

log = logging.getLogger(__name__)

FAILED_MEDIA_S = 7 * 86_400.0
"""The recording of a failed job, which may be tried again, is kept so long where it would have been deleted."""
_EXPIRED_SHARES_S = 30 * 86_400.0
"""Links that have expired are listed so long."""
_EVERY_S = 60.0
_INDEXED_AT_ONCE = 10
_TELL_EVERY = 100
_BREATH_S = 0.05
"""Between two batches, so that others can write."""
_HOUR_S = 3600.0
_DAY_S = 86_400.0
_BATCH = 1000
"""Rows removed in one transaction: others want to write, too."""
_SHRUNK_AT_ONCE_BYTES = 256 * 2**20
"""A file of this size is written anew within a few seconds."""


def delete_media(house: House, job_id: str | None = None) -> int:
    """Delete recordings of jobs that are over, where the job says so; of one job, or of all. Gives their number."""
    with house.db.read() as connection:
        needless = jobs.with_needless_media(connection, time.time() - FAILED_MEDIA_S, job_id)
    for needless_id, url in needless:
        house.media.delete(url)
        with house.db.write() as tx:
            jobs.forget_media(tx, [needless_id])
    return len(needless)


def retire(house: House) -> int:
    """Archive and delete jobs that ended ``retention_days`` ago. Gives their number.

    What is in the trash is not archived: its owner wants it gone.
    """
    if not house.server.retention_days:
        return 0
    with house.db.read() as connection:
        old = jobs.expired(connection, time.time() - house.server.retention_days * _DAY_S)
        lines = [
            {
                "job": asdict(job),
                "transcript": msgspec.to_builtins(transcripts.read(connection, job.id)),
                "enhancements": enhancing.archived(connection, job.id),
            }
            for job in old
            if job.deleted_at is None
        ]
    if not old:
        return 0
    if house.server.archive_url and lines:
        _archive(house.server.archive_url, [json.dumps(line, ensure_ascii=False) for line in lines])
    for job in old:
        with suppress(Conflict), erasing(house, job.id, None, why="age") as now:
            if now is not None and not now.finished:
                raise Conflict(what=f"job {job.id}", cause="it is tried again")
    return len(old)


def _archive(url: str, lines: list[str]) -> None:
    """Add a file of JSON lines to the archive; a repeat after a crash makes a second one, and loses nothing."""
    import fsspec

    name = (
        f"{url.rstrip('/')}/jobs-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09d}.jsonl.gz"
    )
    with fsspec.open(name, "wt", encoding="utf-8", compression="gzip", auto_mkdir=True) as file:
        file.writelines(line + "\n" for line in lines)


def tidy(house: House) -> None:
    """Everything once, in batches until nothing is left."""
    while delete_media(house):
        pass
    while retire(house):
        pass
    while library.empty_trash(house):
        pass
    while enrol.forget_left(house):
        pass
    with house.db.write() as tx:
        idempotency.expire(tx, time.time() - _DAY_S)


def tidy_daily(house: House) -> None:
    """What once a day is enough for: sessions, failures, links, and entries of the log that are over; space (R31)."""
    moment = time.time()
    _in_batches(house, lambda tx: sessions.expire(tx, moment, _BATCH))
    _in_batches(house, lambda tx: throttle.expire(tx, moment, _BATCH))
    _in_batches(house, lambda tx: shares.expire(tx, moment - _EXPIRED_SHARES_S, _BATCH))
    if house.server.audit_days:
        _in_batches(house, lambda tx: audit_rows.expire(tx, moment - house.server.audit_days * _DAY_S, _BATCH))
    with house.db.read() as connection:
        busy = bool(jobs.owners(connection, "running", limit=1))
    # Workers that could not write for longer than their lease would be taken for dead.
    if house.db.shrink(at_once_bytes=_SHRUNK_AT_ONCE_BYTES if busy else None):
        log.info("the database's file was written anew without what had been deleted")


def _in_batches(house: House, remove: Callable[[Transaction], int]) -> None:
    removed = _BATCH
    while removed >= _BATCH:
        with house.db.write() as tx:
            removed = remove(tx)


def index_old(house: House, stop: threading.Event | None = None) -> int:
    """Have those recordings found by their words that were there before there was an index. Gives their number.

    In batches, so that nobody waits; what was interrupted goes on when called again.
    """
    with house.db.read() as connection:
        missing = search.missing(connection)
    if missing:
        log.info("search: %d recordings are put into the index", missing)
    done = 0
    while missing and not (stop is not None and stop.wait(_BREATH_S)):
        with house.db.write() as tx:
            batch = search.catch_up(tx, _INDEXED_AT_ONCE)
        done += batch
        if batch and done % _TELL_EVERY == 0:
            log.info("search: %d of %d recordings are in the index", done, missing)
        if not batch:
            log.info("search: all recordings are in the index")
            break
    return done


def keep_tidy(house: House, stop: threading.Event) -> None:
    """Tidy at the start of what killed uploads left, and all once a minute until ``stop``; for a thread of its own.

    At the start, and once an hour, the index of words is completed and forgets what was deleted.
    """
    house.media.sweep()
    hourly_at = daily_at = time.monotonic()
    while True:
        try:
            if time.monotonic() >= hourly_at:
                index_old(house, stop)
                if search.settle(house.db):
                    house.db.forget_log()
                hourly_at = time.monotonic() + _HOUR_S
            if time.monotonic() >= daily_at:
                tidy_daily(house)
                daily_at = time.monotonic() + _DAY_S
            else:
                tidy(house)
        except StenogramError as error:
            log.warning("housekeeping goes on later: %s", error)
        if stop.wait(_EVERY_S):
            return
