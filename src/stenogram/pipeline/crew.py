"""The workers of a run and the weights lent to them: from the loading to the last worker's end.

A crew lives in one thread that borrows the weights, and ``parallelism`` more that decode with them. It talks to the
driving thread by messages only. The weights are given back when the last worker has left, so that nobody computes with
weights that are gone, not even inside a native call that outlives a stop.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from stenogram.errors import OutOfMemory
from stenogram.pipeline.recognise import Done, Recogniser
from stenogram.protocols import Loaded, Stop
from stenogram.types import Chunk, LoadOptions

Lend = Callable[[LoadOptions, Stop], AbstractContextManager[Loaded]]
"""Lends the weights for as long as the context is open; who waits for them can be stopped."""
Start = Callable[..., None]
"""Runs a function in a thread; what it raises reaches the driving thread."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Task: decode these chunks."""

    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class Question:
    """Task: which language is this?"""

    chunk: Chunk


Task = Batch | Question


@dataclass(frozen=True, slots=True)
class Ready:
    """Message: the weights are in memory and the workers wait."""

    loaded: Loaded
    busy_s: float


@dataclass(frozen=True, slots=True)
class Recognised:
    """Message: a batch is done."""

    chunks: list[Chunk]
    done: Done


@dataclass(frozen=True, slots=True)
class Answered:
    """Message: the languages of a chunk (code -> probability)."""

    probabilities: Mapping[str, float]
    busy_s: float


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Message: memory ran out over this task, or (None) over the loading."""

    task: Task | None
    error: OutOfMemory


@dataclass(frozen=True, slots=True)
class Left:
    """Message: the last worker has ended, and the weights are given back."""


@dataclass(slots=True)
class Crew:
    """All who compute with one load of the weights."""

    recogniser: Recogniser
    lend: Lend
    inbox: queue.SimpleQueue[Any]
    stop: Stop
    work: queue.SimpleQueue[Task | None] = field(default_factory=queue.SimpleQueue)
    leaving: threading.Event = field(default_factory=threading.Event)
    hiring: threading.Lock = field(default_factory=threading.Lock)
    workers: list[threading.Thread] = field(default_factory=list)
    loaded: Loaded | None = None
    """Set by the driving thread when it hears that they are ready."""
    idle: int = 0
    """Workers without a task, as the driving thread knows it."""

    @property
    def parallelism(self) -> int:
        """Workers there are; 0 while the weights are loaded."""
        return self.loaded.parallelism if self.loaded else 0

    def give(self, task: Task) -> None:
        """Hand a task to an idle worker."""
        self.idle -= 1
        self.work.put(task)

    def leave(self) -> None:
        """End, after the tasks that were given; none may be given after this. ``Left`` follows. Idempotent."""
        with self.hiring:
            self.leaving.set()
            for _ in self.workers:
                self.work.put(None)

    def live(self) -> None:
        """Borrow the weights, work, give them back: the body of the crew's own thread."""
        began = time.thread_time()
        try:
            with self.lend(self.recogniser.load, self._unwanted) as loaded:
                self._hire(loaded)
                self.inbox.put(Ready(loaded, time.thread_time() - began))
                for worker in self.workers:
                    worker.join()
        except OutOfMemory as error:
            self.inbox.put(Exhausted(None, error))
        self.inbox.put(Left())

    def _unwanted(self) -> bool:
        return self.leaving.is_set() or self.stop()

    def _hire(self, loaded: Loaded) -> None:
        def work() -> None:
            try:
                self._work(loaded)
            except BaseException as error:  # noqa: BLE001 - raised again in the driving thread
                self.inbox.put(error)
                self.leave()

        with self.hiring:  # who leaves now is heard before the first worker waits for a task, or by all of them
            if self.leaving.is_set():
                return
            self.workers = [
                threading.Thread(target=work, name="stenogram_worker", daemon=True) for _ in range(loaded.parallelism)
            ]
        for worker in self.workers:
            worker.start()

    def _work(self, loaded: Loaded) -> None:
        while (task := self.work.get()) is not None:
            try:
                self.inbox.put(self._do(loaded, task))
            except OutOfMemory as error:
                self.inbox.put(Exhausted(task, error))

    def _do(self, loaded: Loaded, task: Task) -> Recognised | Answered:
        if isinstance(task, Question):
            began = time.thread_time()
            return Answered(loaded.detect_language(task.chunk), time.thread_time() - began)
        return Recognised(task.chunks, self.recogniser.recognise(loaded, task.chunks, self.stop))
