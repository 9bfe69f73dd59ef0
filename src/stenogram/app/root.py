"""The composition root: the one place where the real parts are put together.

``with App.open(settings) as app:`` opens what is needed when it is first needed, and closes all of it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from stenogram import engines
from stenogram.audio.decode import Decoder
from stenogram.audio.silero import SpeechNetwork
from stenogram.audio.vad import Vad
from stenogram.cache import open_cache
from stenogram.config import Settings
from stenogram.hardware import available_cpus, free_memory
from stenogram.models import store
from stenogram.protocols import Cache, Engine, Loaded
from stenogram.types import Device, LoadOptions, ModelFiles, VadOptions


@dataclass(slots=True)
class App:
    """Everything that lives longer than one recording. Safe to use from several threads."""

    settings: Settings
    cache: Cache
    decoder: Decoder
    engine_named: Callable[[str], Engine] = engines.find
    model_for: Callable[[str, str | None, Settings], ModelFiles] = store.choose
    cores: int = field(default_factory=available_cpus)
    """Cores this process may use."""
    free_bytes: Callable[[Device], int] = lambda _device: sys.maxsize
    """Memory that is free on a device now."""
    _loaded: dict[tuple[str, LoadOptions], Loaded] = field(default_factory=dict)
    _networks: list[SpeechNetwork] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loading: threading.Lock = field(default_factory=threading.Lock)
    """Held while weights are loaded, which takes seconds: never waited for by ``open_vad`` and ``close``."""

    @classmethod
    def open(cls, settings: Settings | None = None) -> Self:
        """The app with its real parts."""
        settings = settings or Settings()
        return cls(settings, open_cache(settings), Decoder(), free_bytes=free_memory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the weights and end the decoder's process; idempotent."""
        with self._lock:
            while self._loaded:
                self._loaded.popitem()[1].close()
            self._networks.clear()
            self.decoder.close()

    @contextmanager
    def lend(self, files: ModelFiles, options: LoadOptions) -> Iterator[Loaded]:
        """Lend the weights of a model; loaded once, however many threads ask."""
        key = (files.digest, options)
        with self._loading:
            loaded = self._loaded.get(key)
            if loaded is None:
                loaded = self._loaded[key] = self.engine_named(files.engine).load(files, options)
        yield loaded

    def open_vad(self, options: VadOptions) -> Vad:
        """A new stream through the speech network, which is loaded once."""
        with self._lock:
            if not self._networks:
                self._networks.append(SpeechNetwork())
            return Vad(self._networks[0], options)
