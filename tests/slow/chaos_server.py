"""A server without HTTP: three workers with a fake engine, and the sender of callbacks; reads its letter as they do."""

from __future__ import annotations

import json
import signal
import sys
import threading

import msgspec

from stenogram.app.house import House
from stenogram.app.letter import letter_of
from stenogram.config import ServerSettings, Settings
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.jobs.callbacks.send import Sender
from stenogram.jobs.supervisor import Start, Supervisor

if __name__ == "__main__":
    letter = json.loads(sys.stdin.readline())
    settings = msgspec.convert(letter["settings"], Settings)
    server = msgspec.convert(letter["server"], ServerSettings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with House.open(settings, server) as house:
        start = Start(sys.argv[1:], letter_of(settings, server))
        supervisor = Supervisor(house.db, house.queue, start, ("cpu",) * 3, lease_s=server.lease_s)
        supervisor.start()
        deliverer = Deliverer(house.db, Sender(server.callback_allow, 5.0))
        deliverer.start()
        stop.wait()
        supervisor.stop(1.0)
        deliverer.stop()
