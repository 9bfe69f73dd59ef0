"""Use case: put away what nobody needs any more, in small batches, so that nothing else has to wait."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict

import msgspec

from stenogram.accounts import audit
from stenogram.app import enhancing, enrol, library, transcripts
from stenogram.app.house import House
from stenogram.errors import StenogramError
from stenogram.store import idempotency, jobs, search

log = logging.getLogger(__name__)

FAILED_MEDIA_S = 7 * 86_400.0
"""The recording of a failed job, which may be tried again, is kept so long where it would have been deleted."""
_EVERY_S = 60.0
_INDEXED_AT_ONCE = 10
_TELL_EVERY = 100
_BREATH_S = 0.05
"""Between two batches, so that others can write."""
_DAY_S = 86_400.0


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
        for job in old:
            audit.note(tx, None, "job_deleted", job.id, name=audit.ITSELF, why="age")
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

    The index of words is completed at the start, and settled then and once a day.
    """
    house.media.sweep()
    settled_at: float | None = None
    while True:
        try:
            if settled_at is None or time.monotonic() - settled_at > _DAY_S:
                index_old(house, stop)
                search.settle(house.db)
                settled_at = time.monotonic()
            else:
                tidy(house)
        except StenogramError as error:
            log.warning("housekeeping goes on later: %s", error)
        if stop.wait(_EVERY_S):
            return
