"""A deliverer whose tries a test makes one by one, with names and a clock of the test's own."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection

from stenogram.job import Media
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.jobs.callbacks.send import Sender
from stenogram.store import callbacks, jobs
from stenogram.store.callbacks import Callback, CallbackState
from stenogram.store.database import Database, now

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the standard's own example
BODY = json.dumps({"job_id": "1", "result": {"text": "Привет"}}, ensure_ascii=False).encode()
DAY_S = 86_400.0


@dataclass(slots=True)
class Names:
    """What names mean; asked for one that is not in it, it is unknown."""

    known: dict[str, Sequence[str]] = field(default_factory=lambda: {"receiver.example": ["127.0.0.1"]})

    def __call__(self, host: str, port: int) -> Sequence[str]:
        if host in self.known:
            return self.known[host]
        if host[0].isdigit():
            return [host]
        raise OSError("Name or service not known")


@dataclass(slots=True)
class Clock:
    """The database's clock, put forward."""

    forward_s: float = 0.0

    def __call__(self, connection: Connection) -> float:
        return now(connection) + self.forward_s


@dataclass(slots=True)
class Office:
    """A deliverer whose tries the test makes one by one."""

    db: Database
    names: Names = field(default_factory=Names)
    clock: Clock = field(default_factory=Clock)
    allow: str = "receiver.example"
    timeout_s: float = 20.0
    trust: ssl.SSLContext | None = None

    def deliverer(self, allow: str | None = None) -> Deliverer:
        sender = Sender(self.allow if allow is None else allow, self.timeout_s, self.names, self.trust)
        return Deliverer(self.db, sender, SECRET, DAY_S, self.clock, lambda: 1.0)

    def put(self, url: str) -> str:
        """The id of a job that has ended, and whose callback waits."""
        with self.db.write() as tx:
            job, _ = jobs.put(tx, jobs.NewJob("service", Media("file:///a.wav", "0" * 64, 3, "a.wav"), "auto", {}))
            callbacks.put(tx, f"msg_{job.id}", job.id, url, BODY)
        return job.id

    def try_once(self, deliverer: Deliverer | None = None) -> int:
        """Send what is due; how many that were."""
        deliverer = deliverer or self.deliverer()
        claimed = deliverer.claim()
        for each in claimed:
            deliverer.deliver(each)
        return len(claimed)

    def pass_time(self, seconds: float) -> None:
        self.clock.forward_s += seconds

    def find(self, job_id: str) -> Callback:
        with self.db.read() as connection:
            found = callbacks.of_job(connection, job_id)
        assert found is not None
        return found

    def attempts(self, job_id: str) -> Sequence[callbacks.CallbackAttempt]:
        with self.db.read() as connection:
            return callbacks.attempts_of(connection, f"msg_{job_id}")

    def pause_s(self, job_id: str) -> float:
        """Between the end of the last try and the next, seconds."""
        last = self.attempts(job_id)[-1]
        return self.find(job_id).next_at - (last.at + last.duration_s)

    def pass_pause(self, job_id: str) -> None:
        """Put the clock forward to the next try."""
        with self.db.read() as connection:
            self.pass_time(max(self.find(job_id).next_at - self.clock(connection), 0.0) + 0.01)

    def wait_for(self, job_id: str, *states: CallbackState) -> Callback:
        end = time.monotonic() + 20.0
        while time.monotonic() < end:
            found = self.find(job_id)
            if found.state in states:
                return found
            time.sleep(0.01)
        pytest.fail(f"still {self.find(job_id)}")
