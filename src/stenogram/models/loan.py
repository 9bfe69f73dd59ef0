"""A model in memory, and what a borrower gets of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stenogram.errors import Cancelled, EngineError
from stenogram.protocols import Loaded, Stop
from stenogram.types import Chunk, LoadOptions, ModelFiles, Segment, TranscribeOptions

POLL_S = 0.1
"""How often who waits looks whether to stop, seconds."""


@dataclass(slots=True)
class Entry:
    """A model that is being loaded, is in memory, or is being freed; ``Residency`` alone changes it."""

    files: ModelFiles
    options: LoadOptions
    memory_bytes: int
    state: Literal["loading", "ready", "freeing", "failed"] = "loading"
    loaded: Loaded | None = None
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))
    uses: int = 0
    used_at: float = 0.0
    error: BaseException | None = None


class Lent:
    """A model as its borrower sees it: of no use once it is given back."""

    def __init__(self, entry: Entry) -> None:
        self._entry: Entry | None = entry

    def give_back(self) -> None:
        """End the loan."""
        self._entry = None

    @property
    def memory_bytes(self) -> int:
        """As measured."""
        return self._held().memory_bytes

    @property
    def chunk_bytes(self) -> int:
        """As the engine says."""
        return self._loaded().chunk_bytes

    @property
    def options(self) -> LoadOptions:
        """As the engine says."""
        return self._loaded().options

    @property
    def parallelism(self) -> int:
        """As the engine says; all borrowers share it."""
        return self._loaded().parallelism

    @property
    def batch_size(self) -> int:
        """As the engine says."""
        return self._loaded().batch_size

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """As the engine does, when a place is free."""
        with self._slot(stop) as loaded:
            return loaded.transcribe(chunks, options, stop)

    def transcribe_sequential(self, chunk: Chunk, options: TranscribeOptions, stop: Stop) -> list[Segment]:
        """As the engine does, when a place is free."""
        with self._slot(stop) as loaded:
            return loaded.transcribe_sequential(chunk, options, stop)

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:
        """As the engine does, when a place is free."""
        with self._slot(lambda: False) as loaded:
            return loaded.detect_language(chunk)

    def close(self) -> None:
        """Nothing: the owner frees it."""

    @contextlib.contextmanager
    def _slot(self, stop: Stop) -> Iterator[Loaded]:
        slots = self._held().slots
        while not slots.acquire(timeout=POLL_S):
            if stop():
                raise Cancelled
        try:
            yield self._loaded()
        finally:
            slots.release()

    def _held(self) -> Entry:
        if self._entry is None:
            raise EngineError(engine="lent", cause="this model was given back; borrow it again")
        return self._entry

    def _loaded(self) -> Loaded:
        loaded = self._held().loaded
        if loaded is None:
            raise EngineError(engine="lent", cause="this model was freed; borrow it again")
        return loaded
