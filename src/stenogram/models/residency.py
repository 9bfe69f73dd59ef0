"""Who has which weights in memory: loaded once, lent while they are used, freed when memory is short or nobody asks.

The rules:

1. There is one copy of a model loaded one way. Who asks while it is loaded waits for that load, and gets its error if
   it fails; the next one tries again. Who asks while it is being freed waits, and gets one fresh copy.
2. What is in use is never freed. Of the rest, the least recently used goes first: before a load that would exceed the
   budget of its device, and after ``idle_unload_s`` without use.
3. When all that could make room is in use, a load waits until something is given back. So a thread must not borrow a
   second model while it holds one.
4. A model larger than the whole budget is loaded alone; whether memory suffices is then for the engine to find out.
5. All borrowers of a model together call it from ``parallelism`` threads at most.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stenogram.errors import Cancelled, EngineError, StenogramError
from stenogram.models.loan import POLL_S, Entry, Lent
from stenogram.protocols import Loaded, Stop
from stenogram.types import Device, LoadOptions, ModelFiles

log = logging.getLogger(__name__)

Key = tuple[str, LoadOptions]
Load = Callable[[ModelFiles, LoadOptions], Loaded]


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory."""

    name: str
    device: Device
    compute_type: str
    memory_bytes: int
    uses: int
    """Borrowers at this moment."""
    idle_s: float
    """Since the last one gave it back; 0 while it is in use."""


class Residency:
    """The owner of all loaded models of a process. Safe to use from several threads."""

    def __init__(
        self,
        load: Load,
        *,
        budget_bytes: Callable[[Device], int],
        idle_unload_s: float,
        used_bytes: Callable[[Device], int] = lambda _device: 0,
        free: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing loaded.

        ``budget_bytes``: what all models together may take on a device. ``used_bytes``: what this process takes there
        now; its growth by a load is believed where it is more than the engine claims. ``free`` is called after a model
        was closed, to give memory back to the system.
        """
        self._load = load
        self._budget_bytes = budget_bytes
        self._idle_unload_s = idle_unload_s
        self._used_bytes = used_bytes
        self._free = free
        self._clock = clock
        self._entries: dict[Key, Entry] = {}
        self._known: dict[Key, int] = {}
        """What models took when they were loaded before: the best guess for the next time."""
        self._changed = threading.Condition()
        self._one_load: dict[Device, threading.Lock] = {"cpu": threading.Lock(), "cuda": threading.Lock()}
        """Loads on a device go one by one, so that the growth of memory is that of one model."""
        self._watching = False
        self._closed = False

    @contextlib.contextmanager
    def lend(self, files: ModelFiles, options: LoadOptions, stop: Stop = lambda: False) -> Iterator[Loaded]:
        """Lend a model for as long as the context is open; ``options`` are settled.

        Raises what loading raises, ``EngineError`` after ``close``, ``Cancelled`` when ``stop`` says so.
        """
        key = (files.digest, options)
        entry = self._acquire(key, files, options, stop)
        lent = Lent(entry)
        try:
            yield lent
        finally:
            lent.give_back()
            self._release(key, entry)

    def preload(self, wanted: Sequence[tuple[ModelFiles, LoadOptions]]) -> None:
        """Load models in advance, in order, as long as they fit; one that cannot be loaded is logged."""
        for files, options in wanted:
            with self._changed:
                free = self._budget_bytes(options.device) - self._total(options.device)
            if _size(files) > free and (files.digest, options) not in self._entries:
                log.warning("%s is not preloaded: it takes more than the %d MB that are left", files.name, free / 1e6)
                continue
            try:
                with self.lend(files, options):
                    pass
            except StenogramError as error:
                log.warning("%s is not preloaded: %s", files.name, error)

    def unload(self, digest: str, options: LoadOptions | None = None) -> bool:
        """Free a model in all ways it is loaded (or one); False where one is in use or being loaded."""
        with self._changed:
            keys = [key for key in self._entries if key[0] == digest and options in (None, key[1])]
        freed = [self._evict(key) for key in keys]
        return all(freed)

    def unload_idle(self) -> None:
        """Free what nobody used for ``idle_unload_s``."""
        with self._changed:
            due = [key for key, entry in self._entries.items() if self._due_s(entry) <= 0]
        for key in due:
            self._evict(key)

    def resident(self) -> list[Resident]:
        """What is in memory, the most recently used first."""
        with self._changed:
            ready = [entry for entry in self._entries.values() if entry.state == "ready"]
            ready.sort(key=lambda entry: entry.used_at, reverse=True)
            now = self._clock()
            return [
                Resident(
                    entry.files.name,
                    entry.options.device,
                    entry.options.compute_type,
                    entry.memory_bytes,
                    entry.uses,
                    0.0 if entry.uses else now - entry.used_at,
                )
                for entry in ready
            ]

    def close(self) -> None:
        """Free everything, what is in use as soon as it is given back; idempotent."""
        with self._changed:
            self._closed = True
            keys = list(self._entries)
            self._changed.notify_all()
        for key in keys:
            self._evict(key)

    # --- borrowing ---

    def _acquire(self, key: Key, files: ModelFiles, options: LoadOptions, stop: Stop) -> Entry:
        with self._changed:
            while True:
                if self._closed:
                    raise EngineError(engine=files.engine, cause="the app was closed; open another one")
                entry = self._entries.get(key)
                if entry is None:
                    entry = self._entries[key] = Entry(files, options, self._known.get(key) or _size(files))
                    break
                if entry.state == "ready":
                    entry.uses += 1
                    return entry
                self._await(stop)
                if entry.error is not None:
                    raise entry.error
        self._fill(key, entry, stop)
        return entry

    def _fill(self, key: Key, entry: Entry, stop: Stop) -> None:
        """Load what was entered by this thread; the others wait for it."""
        try:
            with self._turn(entry.options.device, stop):
                self._make_room(entry, stop)
                before = self._used_bytes(entry.options.device)
                loaded = self._load(entry.files, entry.options)
                self._admit(key, entry, loaded, self._used_bytes(entry.options.device) - before)
        except BaseException as error:
            with self._changed:
                # what stopped this one does not stop those who wait: one of them loads instead
                entry.error, entry.state = None if isinstance(error, Cancelled) else error, "failed"
                del self._entries[key]
                self._changed.notify_all()
            raise
        log.info("loaded %s, %.0f MB", entry.files.name, entry.memory_bytes / 1e6, extra={"model": entry.files.name})
        try:
            self._shrink(entry)
        except BaseException:
            self._release(key, entry)
            raise

    @contextlib.contextmanager
    def _turn(self, device: Device, stop: Stop) -> Iterator[None]:
        """Wait for the loads before this one."""
        lock = self._one_load[device]
        while not lock.acquire(timeout=POLL_S):
            if stop():
                raise Cancelled
        try:
            yield
        finally:
            lock.release()

    def _admit(self, key: Key, entry: Entry, loaded: Loaded, grown_bytes: int) -> None:
        """Let others have what is in memory now."""
        with self._changed:
            others_work = any(other.uses for other in self._entries.values())
            entry.memory_bytes = max(loaded.memory_bytes, 0 if others_work else grown_bytes)
            self._known[key] = entry.memory_bytes
            entry.loaded, entry.slots = loaded, threading.Semaphore(loaded.parallelism)
            entry.state, entry.uses = "ready", 1
            self._changed.notify_all()
            self._watch()

    def _release(self, key: Key, entry: Entry) -> None:
        with self._changed:
            entry.uses -= 1
            entry.used_at = self._clock()
            last = self._closed and not entry.uses
            self._changed.notify_all()
        if last:
            self._evict(key)

    # --- freeing ---

    def _make_room(self, wanted: Entry, stop: Stop) -> None:
        """Free what is least recently used until ``wanted`` fits; wait where that is in use."""
        device = wanted.options.device
        while True:
            with self._changed:
                taken = self._total(device)
                if not taken or taken + wanted.memory_bytes <= self._budget_bytes(device):
                    return
                victim = self._oldest_idle(device)
                if victim is None:
                    self._await(stop)
                    continue
            self._evict(victim)

    def _shrink(self, kept: Entry) -> None:
        """After a load that took more than was expected: free others, as far as nobody uses them."""
        device = kept.options.device
        while True:
            with self._changed:
                victim = self._oldest_idle(device) if self._total(device) > self._budget_bytes(device) else None
            if victim is None:
                return
            self._evict(victim)

    def _evict(self, key: Key) -> bool:
        """Free one model unless it is in use; False: it is."""
        with self._changed:
            entry = self._entries.get(key)
            if entry is None:
                return True
            if entry.state != "ready" or entry.uses:
                return False
            entry.state = "freeing"
        try:
            if entry.loaded is not None:
                entry.loaded.close()
                entry.loaded = None
            self._free()
        finally:
            with self._changed:
                del self._entries[key]
                self._changed.notify_all()
        log.info("freed %s", entry.files.name, extra={"model": entry.files.name})
        return True

    def _oldest_idle(self, device: Device) -> Key | None:
        idle = [
            (entry.used_at, key)
            for key, entry in self._entries.items()
            if entry.state == "ready" and not entry.uses and entry.options.device == device
        ]
        return min(idle, key=lambda pair: pair[0])[1] if idle else None

    def _total(self, device: Device) -> int:
        """What models take; those that wait for their load do not yet (loads go one by one)."""
        there = [entry for entry in self._entries.values() if entry.options.device == device]
        return sum(entry.memory_bytes for entry in there if entry.state in ("ready", "freeing"))

    def _due_s(self, entry: Entry) -> float:
        """Seconds until an entry has been idle for too long."""
        if entry.state != "ready" or entry.uses:
            return self._idle_unload_s
        return entry.used_at + self._idle_unload_s - self._clock()

    def _watch(self) -> None:
        """Keep a thread that frees what is idle, for as long as anything is loaded."""
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._free_idle, name="idle models", daemon=True).start()

    def _free_idle(self) -> None:
        while True:
            with self._changed:
                if self._closed or not self._entries:
                    self._watching = False
                    return
                wait_s = min(self._due_s(entry) for entry in self._entries.values())
                if wait_s > 0:
                    self._changed.wait(wait_s)
            self.unload_idle()

    def _await(self, stop: Stop) -> None:
        """Wait for a change, with the lock held."""
        if stop():
            raise Cancelled
        self._changed.wait(POLL_S)


def _size(files: ModelFiles) -> int:
    """A first guess of the memory a model takes: its files."""
    return sum(path.stat().st_size for path in files.paths.values() if path.exists())
