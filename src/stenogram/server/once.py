"""Long work in threads: little of it at a time, and the same thing only once, however many ask for it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")

AT_ONCE = 2


class Once:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def do(self, key: Hashable, work: Callable[[], T]) -> T:
        """What ``work`` gives or raises; it goes on when who asked is gone, for whoever asks again."""
        task: asyncio.Task[T] | None = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(to_thread.run_sync(work, limiter=self._limiter))
            self._tasks[key] = task
            task.add_done_callback(functools.partial(self._forget, key))
        return await asyncio.shield(task)

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # looked at: perhaps nobody waits for it any more
