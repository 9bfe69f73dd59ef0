"""Use case: put away what nobody needs any more, in small batches, so that nothing else has to wait."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

import msgspec

from stenogram.accounts import throttle
from stenogram.app import enhancing, enrol, transcripts
from stenogram.app.house import House
from stenogram.errors import StenogramError
from stenogram.store import idempotency, jobs, sessions
from stenogram.store.database import Transaction

log = logging.getLogger(__name__)

FAILED_MEDIA_S = 7 * 86_400.0
"""The recording of a failed job, which may be tried again, is kept so long where it would have been deleted."""
_EVERY_S = 60.0
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
    """Archive and delete jobs that ended ``retention_days`` ago. Gives their number."""
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
        ]
    if not old:
        return 0
    if house.server.archive_url:
        _archive(house.server.archive_url, [json.dumps(line, ensure_ascii=False) for line in lines])
    for job in old:
        if job.media is not None:
            house.media.delete(job.media.url)
    with house.db.write() as tx:
        jobs.remove(tx, [job.id for job in old])
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
    while enrol.forget_left(house):
        pass
    with house.db.write() as tx:
        idempotency.expire(tx, time.time() - _DAY_S)


def tidy_daily(house: House) -> None:
    """What once a day is enough for: sessions that ended, failures to sign in of long ago, space that is free (R31)."""
    moment = time.time()
    _in_batches(house, lambda tx: sessions.expire(tx, moment, _BATCH))
    _in_batches(house, lambda tx: throttle.expire(tx, moment, _BATCH))
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


def keep_tidy(house: House, stop: threading.Event) -> None:
    """Tidy at the start of what killed uploads left, and all once a minute until ``stop``; for a thread of its own."""
    house.media.sweep()
    daily_at = time.monotonic()
    while not stop.wait(_EVERY_S):
        try:
            tidy(house)
            if time.monotonic() >= daily_at:
                tidy_daily(house)
                daily_at = time.monotonic() + _DAY_S
        except StenogramError as error:
            log.warning("housekeeping goes on later: %s", error)
