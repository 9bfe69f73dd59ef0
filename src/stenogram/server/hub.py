"""Wakes whoever waits in the event loop when another process told of a change. Nobody who waits holds a thread."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from stenogram.store.database import Database


class Watch:
    """Waits for the next news of one topic; none is missed between two waits."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There is news."""
        self._news.set()

    async def wait(self, timeout_s: float) -> bool:
        """Until there is news, or the time is over; whether there was."""
        try:
            async with asyncio.timeout(timeout_s):  # ``wait_for`` of Python 3.11 may swallow a cancellation
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True


class Hub:
    """From the thread that listens to the database into the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)
        self.closing = False
        """The server stops: streams should end."""

    def attach(self, db: Database) -> None:
        """Hear what is told through the database."""
        db.listen(self._from_thread)

    @contextmanager
    def watch(self, *topics: str) -> Iterator[Watch]:
        """Wait for topics inside the block."""
        watch = Watch()
        for topic in topics:
            self._watches[topic].add(watch)
        try:
            yield watch
        finally:
            for topic in topics:
                self._watches[topic].discard(watch)
                if not self._watches[topic]:
                    del self._watches[topic]

    def close(self) -> None:
        """Wake everybody, for the last time."""
        self.closing = True
        self._wake("")

    def _from_thread(self, topic: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, topic)

    def _wake(self, topic: str) -> None:
        groups = list(self._watches.values()) if not topic else [self._watches.get(topic, set())]
        for watch in {watch for group in groups for watch in group}:
            watch.wake()
