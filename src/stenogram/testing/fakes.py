"""An engine without weights. It implements the real Protocols and passes their contract suites."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stenogram.engines.options import check, settle
from stenogram.errors import Cancelled, EngineError, OutOfMemory
from stenogram.protocols import Stop
from stenogram.types import (
    Chunk,
    ChunkOptions,
    ComputeType,
    Device,
    LoadOptions,
    ModelFiles,
    Segment,
    Span,
    TranscribeOptions,
    Word,
)

FAKE_FILES = ModelFiles(name="fake", engine="fake", languages=("en",), paths={}, digest="fa4e" * 16)
"""The model of ``FakeEngine``: it has no files."""


STEPS = 8
"""A chunk is decoded in so many steps; before each the engine asks whether it should stop."""


def spell(chunk: Chunk) -> list[Segment]:
    """One segment per stretch of speech; its single word is made from the samples, so equal sound gives equal text."""
    import numpy as np

    if not np.nan_to_num(chunk.samples).any():
        return []
    digest = chunk.digest()
    found = []
    for number, span in enumerate(chunk.spans or (Span(chunk.start, chunk.end),)):
        text = f"{digest[:8]}-{number}"
        word = Word(text, span.start, span.end, probability=0.9)
        found.append(
            Segment(
                number,
                span.start,
                span.end,
                text,
                (word,),
                (number,),
                avg_logprob=-0.1,
                compression_ratio=1.0,
                channel=chunk.channel,
            )
        )
    return found


@dataclass(slots=True)
class FakeEngine:
    """Says what ``say`` makes of a chunk, and keeps count; several threads may use it."""

    say: Callable[[Chunk], list[Segment]] = spell
    say_carefully: Callable[[Chunk], list[Segment]] | None = None
    """The careful path; None: the same as ``say``."""
    hear_language: Callable[[Chunk], Mapping[str, float]] = lambda _chunk: {"en": 1.0}
    fits: Callable[[LoadOptions, int], bool] = lambda _options, _chunks: True
    """Whether memory is enough for weights loaded so and a batch of so many chunks (0: for the weights alone)."""
    name: str = "fake"
    version: str = "1"
    supports: frozenset[str] = frozenset()
    compute_types: Mapping[Device, tuple[ComputeType, ...]] = field(default_factory=lambda: {"cpu": ("int8",)})
    faults: Mapping[Device, str] = field(default_factory=dict)
    """Device -> why it cannot be used."""
    chunking: ChunkOptions = field(default_factory=lambda: ChunkOptions(target_s=4.0, max_s=8.0))
    parallelism: int = 2
    batch_size: int = 4
    memory_bytes: int = 0
    chunk_bytes: int = 0
    loads: int = 0
    batches: list[list[str]] = field(default_factory=list)
    """The digests of the chunks of each batch, in the order of the calls."""
    careful: list[str] = field(default_factory=list)
    """The digests of the chunks that were decoded carefully."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, device: Device) -> str | None:
        """As told."""
        return self.faults.get(device)

    def load(self, files: ModelFiles, options: LoadOptions) -> FakeLoaded:
        """Count a load."""
        with self.lock:
            self.loads += 1
        self.check_memory(options, 0)
        return FakeLoaded(self, files, settle(self, options), options.cpu_threads or self.parallelism)

    def check_memory(self, options: LoadOptions, chunks: int) -> None:
        """Raise ``OutOfMemory`` where it would not fit."""
        if not self.fits(options, chunks):
            raise OutOfMemory(engine=self.name, device=options.device, cause=f"{chunks} chunks do not fit")


@dataclass(slots=True)
class FakeLoaded:
    """The weights of ``FakeEngine``: none."""

    engine: FakeEngine
    files: ModelFiles
    options: LoadOptions
    parallelism: int
    closed: bool = False

    @property
    def memory_bytes(self) -> int:
        """As the engine says."""
        return self.engine.memory_bytes

    @property
    def chunk_bytes(self) -> int:
        """As the engine says."""
        return self.engine.chunk_bytes

    @property
    def batch_size(self) -> int:
        """As the engine says."""
        return self.engine.batch_size

    def transcribe(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> list[list[Segment]]:
        """Say something about each chunk."""
        self._check(chunks, options, stop)
        with self.engine.lock:
            self.engine.batches.append([chunk.digest() for chunk in chunks])
        return [self.engine.say(chunk) for chunk in chunks]

    def transcribe_sequential(
        self,
        chunk: Chunk,
        options: TranscribeOptions,
        stop: Stop,
    ) -> list[Segment]:
        """Say something about one chunk."""
        self._check([chunk], options, stop)
        with self.engine.lock:
            self.engine.careful.append(chunk.digest())
        return (self.engine.say_carefully or self.engine.say)(chunk)

    def detect_language(self, chunk: Chunk) -> Mapping[str, float]:
        """As the engine is told."""
        self.engine.check_memory(self.options, 1)
        return self.engine.hear_language(chunk)

    def close(self) -> None:
        """Refuse all further work."""
        self.closed = True

    def _check(self, chunks: Sequence[Chunk], options: TranscribeOptions, stop: Stop) -> None:
        if self.closed:
            raise EngineError(engine=self.engine.name, cause="the model was closed; load it again")
        check(self.engine, self.files, options)
        self.engine.check_memory(self.options, len(chunks))
        for _ in range(STEPS * len(chunks)):
            if stop():
                raise Cancelled
