"""Chunks to segments: from the cache where they are known, else by the engine and the guard, and into the cache.

An engine works on the clock of the chunk (its first sample is 0 s), so that equal sound gives equal bytes wherever it
stands in a recording.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from stenogram.events import Stage
from stenogram.formats import stored
from stenogram.performance import batch_process
from stenogram.pipeline import guard, keys
from stenogram.protocols import Cache, Engine, Loaded, Stop
from stenogram.types import Chunk, Device, LoadOptions, ModelFiles, Segment, Span, TranscribeOptions


@dataclass(frozen=True, slots=True)
class Done:
    """A batch that was decoded."""

    results: list[guard.Checked]
    busy_s: Mapping[Stage, float]
    """CPU seconds of the worker's thread in each stage."""
    fitted: int
    """So many chunks at once fitted into memory."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """One engine with one model and one set of options; safe in several threads."""

    engine: Engine
    files: ModelFiles
    cache: Cache
    options: TranscribeOptions
    load: LoadOptions
    """How the weights are loaded, settled: int8 and float32 may differ in a word."""
    free_bytes: Callable[[Device], int]
    """Memory that is free on a device now."""

    def known(self, chunk: Chunk) -> guard.Checked | None:
        """What an earlier run found in the same samples, or None."""
        checked = stored.read(guard.Checked, self.cache.get("chunk", self._key(chunk)))
        return checked and _placed(checked, chunk)

    def recognise(self, loaded: Loaded, chunks: Sequence[Chunk], stop: Stop) -> Done:
        """Decode a batch, let the guard look at each chunk, and store each before returning it.

        Where memory runs out, it is decoded in halves. Raises ``OutOfMemory`` when a single chunk does not fit.
        """
        local = [_local(chunk) for chunk in chunks]
        began = time.thread_time()
        found, fitted = self._decode(loaded, local, stop)
        decoded = time.thread_time()
        checked = []
        for chunk, segments in zip(local, found, strict=True):
            again = functools.partial(loaded.transcribe_sequential, chunk, self.options, stop)
            result = guard.check(chunk, segments, self.options, None if self.options.sequential else again)
            self.cache.put("chunk", self._key(chunk), stored.write(result))
            checked.append(result)
        placed = [_placed(result, chunk) for result, chunk in zip(checked, chunks, strict=True)]
        busy_s: dict[Stage, float] = {"transcribe": decoded - began, "guard": time.thread_time() - decoded}
        return Done(placed, busy_s, fitted)

    def _decode(self, loaded: Loaded, chunks: list[Chunk], stop: Stop) -> tuple[list[list[Segment]], int]:
        """The segments of each chunk, and how many chunks at once fitted into memory."""
        sizes: list[int] = []

        def decode(part: list[Chunk]) -> list[list[Segment]]:
            if self.options.sequential:
                found = [loaded.transcribe_sequential(chunk, self.options, stop) for chunk in part]
            else:
                found = loaded.transcribe(part, self.options, stop)
            sizes.append(len(part))
            return found

        device = loaded.options.device
        found = batch_process(
            chunks,
            len(chunks),
            decode,
            use_gpu=device == "cuda",
            item_bytes=loaded.chunk_bytes * loaded.parallelism,
            free_memory=self.free_bytes,
        )
        return found, max(sizes)

    def _key(self, chunk: Chunk) -> str:
        return keys.of_chunk(chunk, self.options, keys.Model(self.engine, self.files, self.load))


def _local(chunk: Chunk) -> Chunk:
    """The chunk on its own clock."""
    spans = tuple(Span(_rounded(span.start - chunk.start), _rounded(span.end - chunk.start)) for span in chunk.spans)
    return replace(chunk, start=0.0, spans=spans)


def _placed(checked: guard.Checked, chunk: Chunk) -> guard.Checked:
    """The segments on the clock of the recording."""
    segments = tuple(_moved(segment, chunk) for segment in checked.segments)
    return guard.Checked(segments, tuple(_moved(segment, chunk) for segment in checked.dropped))


def _moved(segment: Segment, chunk: Chunk) -> Segment:
    def at(time: float) -> float:
        return _rounded(time + chunk.start)

    words = tuple(replace(word, start=at(word.start), end=at(word.end)) for word in segment.words)
    return replace(segment, start=at(segment.start), end=at(segment.end), words=words, channel=chunk.channel)


def _rounded(time: float) -> float:
    """Tenths of a millisecond: adding and subtracting a start leaves no trace."""
    return round(time, 4)
