"""The process of one worker: ``python -m stenogram.app.worker``, started by a supervisor, which writes it a letter.

The first line of standard input is the letter; then come ``stop`` (end after the job in hand) and ``hand back`` (end
now, another worker goes on). At the end of the input the supervisor is gone, and so must the worker be, at once.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec

from stenogram.app import enhance_job, enhancing, enrol
from stenogram.app.doctor import log_facts
from stenogram.app.house import House
from stenogram.app.housekeeping import delete_media
from stenogram.app.log import configure
from stenogram.app.perform import Seat, perform
from stenogram.app.speakers import open_listener
from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseError, StenogramError, StorageFull
from stenogram.job import Job, Lane, lane_of
from stenogram.jobs.attempt import Attempt
from stenogram.jobs.supervisor import EXIT_BROKEN
from stenogram.jobs.worker import Done, Worker
from stenogram.performance import RUNS, log_regularly
from stenogram.store import workers
from stenogram.types import LoadOptions

log = logging.getLogger(__name__)

PRELOADED = "auto,tiny,base,small"
"""Models that a server loads at its start where the setting names none (R22), as far as they are here and fit."""


def main(open_house: Callable[[Settings, ServerSettings], House] = House.open) -> int:
    """Read the letter, work until told to stop; gives the status to exit with."""
    inbox = sys.stdin.buffer
    letter: dict[str, Any] = json.loads(inbox.readline() or b"{}")
    if not letter:
        return 0  # the supervisor changed its mind
    settings = msgspec.convert(letter["settings"], Settings)
    server = msgspec.convert(letter["server"], ServerSettings)
    configure(letter["log_level"], as_json=server.json_log)
    seat = _take_seat(letter["device"])
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with open_house(settings, server) as house:
        worker = _worker(house, seat, letter["worker_id"], lane_of(letter["device"]))
        threading.Thread(target=_heed, args=(inbox, worker, stop), daemon=True).start()
        if server.performance_log_s and worker.lane == "speech":
            every_s = float(server.performance_log_s)
            threading.Thread(target=log_regularly, args=(every_s, stop), daemon=True).start()
        with alone_on(letter["device"], stop):
            if worker.lane == "speech":
                log_facts(LoadOptions(device=seat.device))
                _preload(house, seat)
            worker.run(stop)
    return EXIT_BROKEN if worker.broken is not None else 0


def _worker(house: House, seat: Seat, worker_id: str, lane: Lane) -> Worker:
    def after(job: Job) -> None:
        try:
            delete_media(house, job.id)
        except StenogramError as error:
            log.warning("the recording of job %s is deleted later: %s", job.id, error)

    worker = Worker(
        db=house.db,
        queue=house.queue,
        id=worker_id,
        handler=functools.partial(_do, house, seat),
        lane=lane,
        after=after,
        loaded=lambda: sorted({model.name for model in house.app.models.resident()}),
        totals=enhance_job.totals if lane == "chat" else _totals,
    )
    if lane == "speech":
        house.db.listen(lambda topic: _carry_out_orders(house, seat, worker_id) if topic in ("", "control") else None)
    return worker


def _do(house: House, seat: Seat, attempt: Attempt) -> Done:
    match attempt.job.kind:
        case enrol.KIND:
            return enrol.perform(house, open_listener(house.app), attempt)
        case enhancing.KIND:
            return enhance_job.perform(house, attempt)
        case _:
            return perform(house, seat, attempt)


def _totals() -> Mapping[str, Any]:
    counts = RUNS.counts()
    return {
        "runs": counts.runs,
        "failed": counts.failed,
        "audio_s": round(counts.audio_s, 3),
        "cached_s": round(counts.cached_s, 3),
        "wall_s": round(counts.wall_s, 3),
        "stage_s": {stage: round(seconds, 3) for stage, seconds in counts.stage_s.items()},
    }


def _take_seat(device: str) -> Seat:
    """Let CUDA see the one GPU that is this worker's; to be called before any library looks for GPUs."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return Seat("cpu")  # also of who asks a language model, and computes nothing
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # NVML's order, by which the supervisor counted
    os.environ["CUDA_VISIBLE_DEVICES"] = index or "0"
    return Seat("cuda", int(index or 0))


@contextmanager
def alone_on(device: str, stop: threading.Event, folder: Path | None = None) -> Iterator[None]:
    """Wait until no other worker of this machine has the GPU; a process that dies gives it free."""
    import filelock

    if not device.startswith("cuda"):
        yield
        return
    folder = folder or Path(tempfile.gettempdir())
    lock = filelock.FileLock(folder / f"stenogram-{device.replace(':', '-')}.lock", mode=0o666)
    told = False
    while not lock.is_locked and not stop.is_set():
        try:
            lock.acquire(timeout=0.5)
        except filelock.Timeout:
            if not told:
                log.warning("%s: another worker still has it (%s); waiting", device, lock.lock_file)
            told = True
    try:
        yield
    finally:
        lock.release()


def _heed(inbox: BinaryIO, worker: Worker, stop: threading.Event) -> None:
    for line in inbox:
        stop.set()
        if line.strip() == b"hand back":
            worker.hand_back()
    os._exit(1)  # the supervisor is gone


def _preload(house: House, seat: Seat) -> None:
    names = (house.settings.preload or PRELOADED).split(",")
    level = logging.WARNING if house.settings.preload else logging.DEBUG
    house.app.preload([name.strip() for name in names if name.strip()], LoadOptions(device=seat.device), level)


def _carry_out_orders(house: House, seat: Seat, worker_id: str) -> None:
    try:
        with house.db.read() as connection:
            orders = workers.orders(connection, worker_id)
        for order in orders:
            error = _carry_out(house, seat, order)
            with house.db.write() as tx:
                workers.carry_out(tx, order.id, error)
                workers.note_loaded(tx, worker_id, sorted({model.name for model in house.app.models.resident()}))
    except (DatabaseError, StorageFull) as error:
        log.warning("orders wait: %s", error)


def _carry_out(house: House, seat: Seat, order: workers.Control) -> str | None:
    try:
        if order.command == "load":
            house.app.load(order.argument, LoadOptions(device=seat.device))
        else:
            house.app.unload(order.argument)
    except StenogramError as error:
        return str(error)
    return None


def leave(status: int) -> NoReturn:
    """End the process, although a thread still waits for standard input, which Python would trip over."""
    logging.shutdown()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
