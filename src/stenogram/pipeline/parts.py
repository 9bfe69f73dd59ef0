"""What a run is given: its parts, who watches it, and its recording."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stenogram import events
from stenogram.audio.decode import Decoder, check_readable
from stenogram.audio.vad import Vad
from stenogram.formats import stored
from stenogram.pipeline import keys
from stenogram.pipeline.crew import Lend
from stenogram.pipeline.listen import FrontEnd
from stenogram.protocols import Cache, Diarizer, Engine, Stop
from stenogram.types import (
    Audio,
    Device,
    DiarizeOptions,
    KnownVoice,
    LoadOptions,
    ModelFiles,
    RunOptions,
    Span,
    SpeakerTurn,
    VadOptions,
)


@dataclass(frozen=True, slots=True)
class Diarization:
    """How speakers are told apart in a run."""

    options: DiarizeOptions
    diarizers: tuple[Diarizer, ...]
    """The first works beside the engine; each further one refines what the one before found, where it can."""
    hear_voices: Callable[[Audio, Sequence[SpeakerTurn], Stop], tuple[KnownVoice, ...]]
    """The voice of each speaker, to be compared with the known ones."""
    known: tuple[KnownVoice, ...] = ()
    """People to be called by name."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of; ``app`` puts the real ones together, ``testing`` the fakes."""

    decoder: Decoder
    open_vad: Callable[[VadOptions], Vad]
    engine: Engine
    files: ModelFiles
    options: LoadOptions
    """How the weights are loaded, settled."""
    lend: Lend
    """Lends the weights; called in a thread of its own, while the front end already works."""
    cache: Cache
    fallbacks: Sequence[LoadOptions] = ()
    """How else the weights may be loaded when memory runs out, best first."""
    discard: Callable[[LoadOptions], object] = lambda _options: None
    """Frees weights that nobody uses any more, before others are loaded in their place."""
    free_bytes: Callable[[Device], int] = lambda _device: sys.maxsize
    """Memory that is free on a device now."""
    choices: tuple[str, ...] = ()
    """What was chosen for this run and why, for the transcript."""
    diarization: Diarization | None = None
    """None: nobody asked who speaks."""

    def front_end(self, recording: Recording, options: RunOptions) -> FrontEnd:
        """What hears a recording; speech that was found in an earlier run is not looked for again."""
        known = stored.read(list[list[Span]], self.cache.get("speech", keys.of_speech(recording.digest, options)))
        return FrontEnd(self.decoder, self.open_vad, self.engine.chunking, options, known)


@dataclass(frozen=True, slots=True)
class Watch:
    """How a caller follows a run and ends it."""

    listener: events.Listener = events.ignore
    stop: Stop = lambda: False


@dataclass(frozen=True, slots=True)
class Recording:
    """A file as it was when its bytes were hashed."""

    path: Path
    digest: str
    """SHA-256 of its bytes, hex."""
    version: tuple[int, int] | None
    """Size and time of change before it was hashed."""

    @classmethod
    def read(cls, path: Path, stop: Stop) -> Self:
        """Hash a file. Raises ``FileNotReadable``, ``EmptyFile``, and ``Cancelled`` when ``stop`` says so."""
        check_readable(path)
        version = _version(path)
        return cls(path, keys.of_file(path, stop), version)

    def unchanged(self) -> bool:
        """Whether the file is still what was hashed; what was found in another is not kept under its keys."""
        return _version(self.path) == self.version


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
