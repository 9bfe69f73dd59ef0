"""A worker that gets a job, says so, and waits to be killed: ``dying_worker.py DATABASE_URL claimed|delivered``."""

from __future__ import annotations

import sys
import threading
import time

from stenogram.app.house import open_queue
from stenogram.store import claims
from stenogram.store.database import Database

if __name__ == "__main__":
    database_url, when = sys.argv[1:]
    db = Database.open(database_url)

    def take(job_id: str) -> None:
        if when == "claimed":
            with db.write() as tx:
                assert claims.claim(tx, job_id, "dying")
        sys.stdout.write("has it\n")
        sys.stdout.flush()
        time.sleep(600)

    open_queue(db, 15.0).work(take, threading.Event())
