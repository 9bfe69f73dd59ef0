"""A diarizer without networks. It implements the real Protocol and passes its contract suite."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stenogram.errors import Cancelled, DiarizationError
from stenogram.protocols import Cache, Stop
from stenogram.types import DiarizeOptions, Sound, SpeakerTurn


def take_turns(sound: Sound, options: DiarizeOptions) -> list[SpeakerTurn]:
    """Each stretch of speech is the next speaker's, of two unless another number is asked for."""
    count = options.num_speakers or min(max(2, options.min_speakers or 1), options.max_speakers or 100)
    return [SpeakerTurn(span.start, span.end, f"voice {place % count}") for place, span in enumerate(sound.speech)]


@dataclass(slots=True)
class FakeDiarizer:
    """Says what ``tell`` makes of the whole recording, and keeps count; several threads may use it."""

    tell: Callable[[Sound, DiarizeOptions], list[SpeakerTurn]] = take_turns
    name: str = "fake"
    version: str = "1"
    cause: str | None = None
    """Why it cannot be used."""
    calls: int = 0
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self) -> str | None:
        """As told."""
        return self.cause

    def using(self, cache: Cache) -> FakeDiarizer:  # noqa: ARG002 - it keeps nothing
        """Itself: it keeps nothing."""
        return self

    def diarize(
        self, sound: Iterable[Sound], options: DiarizeOptions, progress: Callable[[float], None], stop: Stop
    ) -> list[SpeakerTurn]:
        """Hear it all, then say something."""
        if self.closed:
            raise DiarizationError(diarizer=self.name, cause="it was closed")
        with self.lock:
            self.calls += 1
        whole: Sound | None = None
        for whole in sound:
            if stop():
                raise Cancelled
            progress(whole.heard_s)
        if stop():
            raise Cancelled
        return self.tell(whole, options) if whole else []

    def close(self) -> None:
        """Refuse all further work."""
        self.closed = True
