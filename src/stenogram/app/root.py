"""The composition root: the one place where the real parts are put together.

``with App.open(settings) as app:`` opens what is needed when it is first needed, and closes all of it.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from stenogram import diarization, engines
from stenogram.audio.decode import Decoder
from stenogram.audio.silero import SpeechNetwork
from stenogram.audio.vad import Vad
from stenogram.cache import open_cache
from stenogram.config import Settings
from stenogram.diarization import Means
from stenogram.diarization.networks import Networks
from stenogram.engines.options import settle
from stenogram.enhance.choose import open_chat
from stenogram.errors import StenogramError
from stenogram.hardware import available_cpus, free_memory, used_memory
from stenogram.models.choose import Choice, choose
from stenogram.models.residency import Residency
from stenogram.performance import optimize_memory
from stenogram.protocols import Cache, Chat, Diarizer, Engine
from stenogram.types import Device, LoadOptions, ModelFiles, VadOptions

log = logging.getLogger(__name__)

MODELS_SHARE = 0.7
"""Of the memory that models could have, where no budget is set: the rest is for the work with them."""


@dataclass(slots=True)
class App:
    """Everything that lives longer than one recording. Safe to use from several threads."""

    settings: Settings
    cache: Cache
    decoder: Decoder
    engine_named: Callable[[str], Engine] = engines.find
    model_for: Callable[[str, str | None, Settings], Choice] = choose
    cores: int = field(default_factory=available_cpus)
    """Cores this process may use."""
    free_bytes: Callable[[Device], int] = lambda _device: sys.maxsize
    """Memory that is free on a device now."""
    diarizer_named: Callable[[str, Means], Diarizer] = diarization.find
    chat_for: Callable[[Settings], Chat] = open_chat
    models: Residency = field(init=False)
    """Who has which weights in memory."""
    _networks: list[SpeechNetwork] = field(default_factory=list)
    voices: Networks = field(default_factory=Networks)
    """What hears voices."""
    _diarizers: dict[tuple[str, Device], Diarizer] = field(default_factory=dict)
    _chats: list[Chat] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.models = Residency(
            lambda files, options: self.engine_named(files.engine).load(files, options),
            budget_bytes=self._budget_bytes,
            idle_unload_s=self.settings.idle_unload_s,
            used_bytes=used_memory,
            free=optimize_memory,
        )

    @classmethod
    def open(cls, settings: Settings | None = None) -> Self:
        """The app with its real parts, and the models in memory that the settings name."""
        settings = settings or Settings()
        app = cls(settings, open_cache(settings), Decoder(), free_bytes=free_memory)
        app.preload([name.strip() for name in settings.preload.split(",") if name.strip()])
        return app

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the weights and end the decoder's process; idempotent."""
        with self._lock:
            self._networks.clear()
            self.voices.forget()
            for diarizer in self._diarizers.values():
                diarizer.close()
            self._diarizers.clear()
            for chat in self._chats:
                chat.close()
            self._chats.clear()
            self.decoder.close()
        self.models.close()

    def preload(self, names: Sequence[str], load: LoadOptions | None = None, told: int = logging.WARNING) -> None:
        """Load models, as far as they are installed and fit (R22); one that is not is logged at the level ``told``."""
        wanted = []
        for name in names:
            try:
                wanted.append(self._weights(name, load))
            except StenogramError as error:
                log.log(told, "%s is not preloaded: %s", name, error)
        self.models.preload(wanted)

    def load(self, name: str, load: LoadOptions | None = None) -> None:
        """Have a model in memory. Raises ``ModelError``, ``EngineError``."""
        files, options = self._weights(name, load)
        with self.models.lend(files, options):
            pass

    def unload(self, name: str) -> bool:
        """Free a model that nobody uses, however it was loaded; whether there was one. Raises ``ModelError``."""
        return self.models.unload(self.model_for(name, None, self.settings).files.digest)

    def _weights(self, name: str, load: LoadOptions | None) -> tuple[ModelFiles, LoadOptions]:
        files = self.model_for(name, None, self.settings).files
        return files, settle(self.engine_named(files.engine), load or LoadOptions())

    def _budget_bytes(self, device: Device) -> int:
        """What models may take: as set, or a share of what is free and what they have already."""
        settings = self.settings
        wished = settings.gpu_memory_budget_mb if device == "cuda" else settings.cpu_memory_budget_mb
        if wished:
            return wished * 2**20
        taken = sum(model.memory_bytes for model in self.models.resident() if model.device == device)
        return int(MODELS_SHARE * (self.free_bytes(device) + taken))

    def open_vad(self, options: VadOptions) -> Vad:
        """A new stream through the speech network, which is loaded once."""
        with self._lock:
            if not self._networks:
                self._networks.append(SpeechNetwork())
            return Vad(self._networks[0], options)

    def diarizer(self, name: str, device: Device) -> Diarizer:
        """A diarizer, made once for each device; its networks are loaded when it is first asked.

        Raises ``DiarizationError``, ``DiarizerNotInstalled``.
        """
        with self._lock:
            if (name, device) not in self._diarizers:
                means = Means(self.settings, self.cache, device, self.cores)
                self._diarizers[name, device] = self.diarizer_named(name, means)
            return self._diarizers[name, device]

    def chat(self) -> Chat:
        """The language model that the settings name; it connects, or is loaded, when it is first asked.

        Raises ``ModelError`` where it is one of ours that is not here.
        """
        with self._lock:
            if not self._chats:
                self._chats.append(self.chat_for(self.settings))
            return self._chats[0]
