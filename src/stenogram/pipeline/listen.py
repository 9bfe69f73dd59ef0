"""The front end of the chain: file -> samples -> speech -> chunks, each stage fed as soon as there is something.

Runs in a thread of its own, so that the engine starts on the first chunk while the rest is still being decoded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stenogram.audio.chunk import Chunker
from stenogram.audio.decode import Decoder
from stenogram.audio.vad import Vad
from stenogram.events import Stage
from stenogram.protocols import Stop
from stenogram.types import SAMPLE_RATE, Audio, Chunk, ChunkOptions, RunOptions, Sound, Span, VadOptions


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out of the front end since the last one, and how far it is."""

    chunks: tuple[Chunk, ...] = ()
    bounds: Mapping[int | None, float] = field(default_factory=dict)
    """Channel -> no later chunk of it starts before this time."""
    heard_s: float = 0.0
    total_s: float | None = None
    """Length of the recording, where it is known."""
    finished: bool = False
    warnings: tuple[str, ...] = ()
    busy_s: Mapping[Stage, float] = field(default_factory=dict)
    """CPU seconds of each stage so far."""
    spans: Sequence[Sequence[Span]] | None = None
    """With the last one: the speech of each channel, when it was found in this run."""
    sounds: tuple[Sound, ...] = ()
    """Each channel as far as it is heard."""


@dataclass(slots=True)
class _Channel:
    """One channel on its way: speech from the network, or replayed from an earlier run."""

    number: int | None
    chunker: Chunker
    vad: Vad | None
    spans: list[Span]
    replayed: int = 0
    fed: int = 0

    def hear(self, audio: Audio, *, finished: bool) -> list[Span]:
        """Spans that are final now that the recording is decoded up to the end of ``audio``."""
        if self.vad is None:
            return self._replay(audio, finished=finished)
        found: list[Span] = []
        while self.fed < audio.sample_count:
            block = audio.window(self.fed, self.fed + WINDOW)
            found += self.vad.feed(block)
            self.fed += len(block)
        if finished:
            found += self.vad.finish()
        self.spans += found
        return found

    def _replay(self, audio: Audio, *, finished: bool) -> list[Span]:
        end = self.replayed
        while end < len(self.spans) and (finished or self.spans[end].end <= audio.duration):
            end += 1
        found, self.replayed = self.spans[self.replayed : end], end
        return found

    def sound(self, audio: Audio, *, finished: bool) -> Sound:
        """What is known of it now."""
        speech = self.spans if self.vad is not None else self.spans[: self.replayed]
        return Sound(audio, tuple(speech), self.heard_s(audio, finished=finished), finished)

    def heard_s(self, audio: Audio, *, finished: bool) -> float:
        """All speech that begins before this time was given by ``hear``."""
        if finished:
            return audio.duration
        if self.vad is not None:
            return self.vad.heard_s
        kept_back = self.spans[self.replayed : self.replayed + 1]
        return min([audio.duration, *(span.start for span in kept_back)])


WINDOW = 30 * SAMPLE_RATE
"""Samples read from disk at a time."""


@dataclass(slots=True)
class FrontEnd:
    """The front end for one recording."""

    decoder: Decoder
    open_vad: Callable[[VadOptions], Vad]
    shape: ChunkOptions
    options: RunOptions
    known: Sequence[Sequence[Span]] | None = None
    """The speech of each channel, when it is known from an earlier run."""
    busy_s: dict[Stage, float] = field(default_factory=lambda: {"decode": 0.0, "vad": 0.0, "chunk": 0.0})

    def listen(self, source: Path, folder: Path, stop: Stop) -> Iterator[Heard]:
        """Decode ``source`` into ``folder`` and yield its chunks, in order for each channel. Raises ``InputError``."""
        channels: list[_Channel] = []
        for decoded in self.decoder.decode(source, folder, self.options.decode, stop):
            channels = channels or [self._open(audio, place) for place, audio in enumerate(decoded.audios)]
            self.busy_s["decode"] = decoded.busy_s
            chunks: list[Chunk] = []
            for channel, audio in zip(channels, decoded.audios, strict=True):
                chunks += self._hear(channel, audio, finished=decoded.finished)
            heard_s = max(audio.duration for audio in decoded.audios)
            yield Heard(
                chunks=tuple(sorted(chunks, key=lambda chunk: chunk.start)),
                bounds={c.number: math.inf if decoded.finished else c.chunker.bound_s for c in channels},
                heard_s=heard_s,
                total_s=heard_s if decoded.finished else decoded.total_s,  # a picture may outlast its sound
                finished=decoded.finished,
                warnings=decoded.warnings,
                busy_s=dict(self.busy_s),
                spans=[channel.spans for channel in channels] if decoded.finished and self.known is None else None,
                sounds=tuple(
                    channel.sound(audio, finished=decoded.finished)
                    for channel, audio in zip(channels, decoded.audios, strict=True)
                ),
            )

    def _open(self, audio: Audio, place: int) -> _Channel:
        chunker = Chunker(self.shape, self.options.vad, audio.channel)
        if self.known is not None and place < len(self.known):
            return _Channel(audio.channel, chunker, None, list(self.known[place]))
        return _Channel(audio.channel, chunker, self.open_vad(self.options.vad), [])

    def _hear(self, channel: _Channel, audio: Audio, *, finished: bool) -> list[Chunk]:
        began = time.thread_time()
        spans = channel.hear(audio, finished=finished)
        found = time.thread_time()
        chunks = channel.chunker.feed(spans, audio, channel.heard_s(audio, finished=finished))
        if finished:
            chunks += channel.chunker.finish(audio)
        self.busy_s["vad"] += found - began
        self.busy_s["chunk"] += time.thread_time() - found
        return chunks
