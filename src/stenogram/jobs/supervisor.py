"""Starts the workers of this machine, one process for each device, watches them, and starts them anew when they die.

It beats for them: a worker inside a native call that holds the interpreter's lock is not taken for dead, while one that
is stopped, or was killed, is. It also finds the workers of other machines that fell silent, and gives their jobs to
others. A worker ends by itself when this process is gone, for then its standard input is at its end.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from stenogram.errors import DatabaseError, StorageFull
from stenogram.protocols import JobQueue
from stenogram.store import claims, workers
from stenogram.store.database import Database, now

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
_BEATS_PER_LEASE = 5
_RECOVERIES_PER_LEASE = 3
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
"""Before a worker is started anew that died without ever being ready; the pause doubles each time."""
_STUCK_LEASES = 2.0
"""A process that was stopped (as by SIGSTOP) is killed after so many leases, and replaced."""
EXIT_BROKEN = 3
"""The status of a worker that cannot use its device."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a worker's process is started."""

    command: Sequence[str]
    letter: Mapping[str, Any]
    """Given to it as the first line of its standard input, as JSON, with its ``worker_id`` and ``device``."""


@dataclass(slots=True)
class _Place:
    """One device, and the worker that has it now."""

    device: str
    process: subprocess.Popen[bytes] | None = None
    worker_id: str = ""
    stopped_since: float | None = None
    next_start_at: float = 0.0
    pause_s: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Runs in a thread of its own between ``start`` and ``stop``."""

    db: Database
    queue: JobQueue
    start_of: Start
    devices: Sequence[str]
    lease_s: float = 15.0
    max_crashes: int = 3
    gpu_of: Callable[[str], Mapping[str, Any] | None] = lambda _device: None
    """What the driver says of a device's GPU now."""
    host: str = field(default_factory=socket.gethostname)
    _places: list[_Place] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _beaten_at: float = 0.0
    _doubtful_until: float = 0.0
    _recovered_at: float = 0.0

    def start(self) -> None:
        """Give back what workers of this machine held that died with their supervisor, and start the workers."""
        self._bury_the_dead()
        self._places = [_Place(device) for device in self.devices]
        for place in self._places:
            self._employ(place)
        self._thread = threading.Thread(target=self._run, name="stenogram-supervisor", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Let the workers end their jobs for ``grace_s`` seconds, then hand them back."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        for place in self._places:
            _write_line(place, "stop")
        self._wait(time.monotonic() + grace_s, beat=True)
        for place in self._places:
            _write_line(place, "hand back")
        self._wait(time.monotonic() + 5.0, beat=True)
        for place in self._places:
            if place.process is not None and place.process.poll() is None:
                place.process.kill()
                place.process.wait()
            self._buried(place, "stopped")

    def pids(self) -> list[int]:
        """Processes of the workers that live."""
        return [place.process.pid for place in self._places if place.process and place.process.poll() is None]

    # --- in the thread ---

    def _run(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            try:
                self._look()
            except (DatabaseError, StorageFull) as error:
                if time.monotonic() > self._doubtful_until:
                    log.warning("the database cannot be written: %s", error)
                # Nobody could beat meanwhile: who is silent is not dead.
                self._doubtful_until = time.monotonic() + self.lease_s
                self._over.wait(1.0)

    def _look(self) -> None:
        for place in self._places:
            if place.process is not None and place.process.poll() is not None:
                self._mourn(place)
            elif place.process is None and time.monotonic() >= place.next_start_at:
                self._employ(place)
        if time.monotonic() - self._beaten_at >= self.lease_s / _BEATS_PER_LEASE:
            self._beaten_at = time.monotonic()
            self._beat()
            if time.monotonic() > self._doubtful_until:
                self._find_silent()
        if time.monotonic() - self._recovered_at >= self.lease_s / _RECOVERIES_PER_LEASE:
            self._recovered_at = time.monotonic()
            with self.db.write() as tx:
                self.queue.recover(tx)

    def _employ(self, place: _Place) -> None:
        worker_id = f"{self.host}-{place.device}-{uuid.uuid4().hex[:8]}"
        letter = {**self.start_of.letter, "worker_id": worker_id, "device": place.device}
        options: dict[str, Any] = {"start_new_session": True}  # Ctrl-C in the terminal is for us to handle
        if os.name == "nt":
            options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
        process = subprocess.Popen(list(self.start_of.command), stdin=subprocess.PIPE, **options)
        place.process, place.worker_id = process, worker_id
        place.stopped_since = None
        with self.db.write() as tx:
            workers.register(tx, worker_id, self.host, process.pid, place.device)
        _write_line(place, json.dumps(letter))
        log.info("worker %s: process %d", worker_id, process.pid, extra={"worker": worker_id})

    def _mourn(self, place: _Place) -> None:
        """A worker's process ended although nobody asked it to."""
        code = place.process.returncode if place.process else 0
        reason = _cause_of_death(code)
        log.error("worker %s: %s", place.worker_id, reason, extra={"worker": place.worker_id})
        with self.db.read() as connection:
            worked = workers.state_of(connection, place.worker_id) in ("idle", "busy")
        self._buried(place, "lost", reason)
        if worked and code != EXIT_BROKEN:
            place.pause_s = pause_s = 0.0
        else:
            place.pause_s = pause_s = min(max(place.pause_s * 2, _PAUSE_S), _LONGEST_PAUSE_S)
        place.next_start_at = time.monotonic() + pause_s

    def _buried(self, place: _Place, state: workers.Gone, reason: str | None = None) -> None:
        if place.process is not None:
            if place.process.stdin is not None:
                with suppress(OSError):
                    place.process.stdin.close()
            place.process = None
            self._take_back([place.worker_id], state, reason or "its worker was stopped")

    def _take_back(self, worker_ids: Sequence[str], state: workers.Gone, reason: str) -> None:
        with self.db.write() as tx:
            for worker_id in worker_ids:
                workers.end(
                    tx, worker_id, "lost" if state == "lost" else "stopped", reason if state == "lost" else None
                )
            for lease in claims.held_by(tx.connection, worker_ids):
                if state == "lost":
                    released = claims.take_back(tx, lease, reason, self.max_crashes)
                else:
                    released = claims.hand_back(tx, lease, reason)
                if released is not None:
                    self.queue.release(tx, released.job_id, released.rank, released.lock)
                    log.warning("job %s waits again: %s", lease.job_id, reason, extra={"job": lease.job_id})

    def _beat(self) -> None:
        for place in self._places:
            process = place.process
            if process is None:
                continue
            memory_bytes, stopped = _state_of(process.pid)
            if stopped:
                place.stopped_since = place.stopped_since or time.monotonic()
                if time.monotonic() - place.stopped_since > _STUCK_LEASES * self.lease_s:
                    log.error("worker %s: its process was stopped and does not go on; it is killed", place.worker_id)
                    process.kill()
                continue
            place.stopped_since = None
            with self.db.write() as tx:
                known = workers.beat(tx, place.worker_id, memory_bytes, self.gpu_of(place.device))
            if not known and process.poll() is None:
                log.error("worker %s: was given up for lost by another machine; it begins anew", place.worker_id)
                process.kill()

    def _find_silent(self) -> None:
        with self.db.read() as connection:
            found = workers.silent(connection, now(connection) - self.lease_s)
        if found:
            reason = f"nothing was heard of its worker for {self.lease_s:g} s"
            self._take_back([worker.id for worker in found], "lost", reason)

    def _bury_the_dead(self) -> None:
        with self.db.read() as connection:
            mine = [worker for worker in workers.all_of(connection) if worker.host == self.host]
        dead = [worker.id for worker in mine if worker.state in workers.ALIVE and not _lives(worker)]
        if dead:
            self._take_back(dead, "lost", "it ended together with its supervisor")

    def _wait(self, until: float, *, beat: bool) -> None:
        while self.pids() and time.monotonic() < until:
            time.sleep(0.05)
            if beat and time.monotonic() - self._beaten_at >= self.lease_s / _BEATS_PER_LEASE:
                self._beaten_at = time.monotonic()
                with suppress(DatabaseError, StorageFull):
                    self._beat()


def _write_line(place: _Place, line: str) -> None:
    if place.process is not None and place.process.stdin is not None:
        with suppress(OSError, ValueError):  # it is gone
            place.process.stdin.write(line.encode() + b"\n")
            place.process.stdin.flush()


def _state_of(pid: int) -> tuple[int, bool]:
    """Memory of a process in bytes, and whether it is stopped."""
    try:
        process = psutil.Process(pid)
        return process.memory_info().rss, process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return 0, False


def _lives(worker: workers.Worker) -> bool:
    """Whether the process is still there, and not another one of the same number."""
    try:
        return bool(psutil.Process(worker.pid).create_time() <= worker.started_at + 1)
    except psutil.Error:
        return False


def _cause_of_death(code: int) -> str:
    if code == EXIT_BROKEN:
        return "it cannot use its device"
    if code < 0:
        import signal

        with suppress(ValueError):
            return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with status {code}"
