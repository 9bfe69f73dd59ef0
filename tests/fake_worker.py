"""A worker's process with a fake engine: slow, and deadly to itself for a recording of several channels.

It logs each chunk that is taken and each that is stored, for tests that count over processes. Everything else is real.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from stenogram.app.house import House
from stenogram.app.worker import leave, main
from stenogram.cache import open_cache
from stenogram.config import ServerSettings, Settings
from stenogram.engines.options import settle
from stenogram.errors import DeviceNotUsable, StorageFull
from stenogram.pipeline.keys import Model, of_chunk
from stenogram.protocols import Cache
from stenogram.testing import FAKE_FILES, FakeEngine, make_app
from stenogram.testing.fakes import spell
from stenogram.types import Chunk, LoadOptions, Segment, TranscribeOptions

LOG = Path(sys.argv[1])
DELAY_S = float(sys.argv[2])


class LoggingCache:
    """Writes down what is stored."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def get(self, kind: str, key: str) -> bytes | None:
        return self._cache.get(kind, key)

    def put(self, kind: str, key: str, value: bytes) -> None:
        self._cache.put(kind, key, value)
        if kind == "chunk":
            write(f"stored {key}")


def write(line: str) -> None:
    with LOG.open("a") as log:
        log.write(f"{line}\n")


def say(chunk: Chunk) -> list[Segment]:
    model = Model(engine, FAKE_FILES, settle(engine, LoadOptions()))
    write(f"taken {of_chunk(chunk, TranscribeOptions(), model)}")
    if LOG.with_suffix(".lost").exists():
        raise DeviceNotUsable(engine="fake", device="cuda:0", cause="the GPU fell off the bus")
    if LOG.with_suffix(".full").exists():
        raise StorageFull(path="/cache", cause="no space")
    if chunk.channel is not None:
        write("died")
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(DELAY_S)
    return spell(chunk)


engine = FakeEngine(say=say, batch_size=1, parallelism=1)


def open_house(settings: Settings, server: ServerSettings) -> House:
    house = House.open(settings, server)
    app = make_app(engine=engine, cache=LoggingCache(open_cache(settings)), settings=settings)
    app.chat_for = house.app.chat_for
    return replace(house, app=app)


if __name__ == "__main__":
    leave(main(open_house))
