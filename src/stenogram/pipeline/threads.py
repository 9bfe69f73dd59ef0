"""The threads of a run: what they raise reaches the driving thread, and they end with the run."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

POLL_S = 0.1
"""How often the driving thread looks whether it should stop, seconds."""

CLOSE_S = 0.6
"""A thread inside a long native call (loading weights) is left to end by itself, so that a stop is felt at once."""


class Threads:
    """All threads of one run, or of one part of it."""

    def __init__(self, inbox: queue.SimpleQueue[Any], stop: Callable[[], None]) -> None:
        """``inbox`` takes what a thread raises; ``stop`` asks all of them to end."""
        self._inbox = inbox
        self._stop = stop
        self._threads: list[threading.Thread] = []

    @property
    def begun(self) -> bool:
        """Whether any was started."""
        return bool(self._threads)

    def start(self, target: Callable[..., None], *args: Any) -> None:
        """Run ``target`` in a thread of its own."""
        if not self._threads:
            atexit.register(self._outlive)

        def body() -> None:
            try:
                target(*args)
            except BaseException as error:  # noqa: BLE001 - raised again in the driving thread
                self._inbox.put(error)

        thread = threading.Thread(target=body, name=f"stenogram{target.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Stop all threads; they notice within a step of their work, and are waited for ``CLOSE_S`` at most."""
        self._stop()
        deadline = time.monotonic() + CLOSE_S
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        if not any(thread.is_alive() for thread in self._threads):
            atexit.unregister(self._outlive)

    def _outlive(self) -> None:
        """At exit: Python aborts when it ends while one of its threads is inside onnxruntime."""
        self._stop()
        for thread in self._threads:
            thread.join()
