"""Diarizers whose library runs in a process of its own, one recording at a time.

Such a library may hold Python's lock for minutes, end the process it is in, or want an environment of its own; there
it can be stopped at any time, and what it does to its process is undone by ending it.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from stenogram.child import Child
from stenogram.diarization import DIARIZERS, NUMBERS, Means
from stenogram.diarization.dense import Dense
from stenogram.errors import Cancelled, DiarizationError, OutOfMemory, StorageError
from stenogram.models import catalogue, store
from stenogram.protocols import Cache, Stop
from stenogram.types import SAMPLE_RATE, Audio, DiarizeOptions, ModelFiles, Sound, SpeakerTurn

_POLL_S = 0.1


class OutsideDiarizer(ABC):
    """What the adapters share: they wait for the whole recording, then ask their process for its turns."""

    name: str
    """Its row in ``DIARIZERS``, and the engine of its models."""
    module: str
    """What the process runs: ``child.serve`` with a handler that answers ``turns``."""
    packages: tuple[str, ...]
    """What that module imports."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._alone = threading.Lock()
        self._child: Child | None = None

    @property
    def version(self) -> str:
        """The library's versions, the models' digests, and how it is used here."""
        packages = [f"{package} {_version(package)}" for package in DIARIZERS[self.name].packages]
        return " ".join([*packages, *(files.digest for files in self._models()), *self._manner()])

    @abstractmethod
    def fault(self) -> str | None:
        """Why it cannot be used on this machine and what to do about it; None: it can."""

    @abstractmethod
    def _models(self) -> Sequence[ModelFiles]:
        """The models it would use, as far as they are here."""

    @abstractmethod
    def _manner(self) -> Sequence[str]:
        """What else decides about the turns."""

    @abstractmethod
    def _setup(self) -> dict[str, Any]:
        """What the process needs to load its networks; another one is another process."""

    def _environment(self) -> Mapping[str, str]:
        """Variables for the process."""
        return {}

    def using(self, cache: Cache) -> Self:  # noqa: ARG002 - what its process finds on the way is not kept
        """Itself."""
        return self

    def diarize(
        self, sound: Iterable[Sound], options: DiarizeOptions, progress: Callable[[float], None], stop: Stop
    ) -> list[SpeakerTurn]:
        """As ``protocols.Diarizer`` says. Nothing is done before the recording has ended; its silence is left out."""
        whole = _end_of(sound, stop)
        if whole is None or not whole.speech:
            return []
        if fault := self.fault():
            raise DiarizationError(diarizer=self.name, cause=fault)
        dense = Dense.of(whole.speech, whole.audio.sample_count, finished=True)
        with _joined(whole.audio, dense) as audio, self._waiting(stop):
            request = self._setup() | {"samples": str(audio.path), "count": audio.sample_count}
            request |= {name: getattr(options, name) for name in NUMBERS}
            turns = self._ask(request, lambda fraction: progress(fraction * whole.audio.duration), stop)
        return [
            SpeakerTurn(span.start, span.end, f"{speaker}")
            for start, end, speaker in turns
            for span in dense.spans(max(round(start * SAMPLE_RATE), 0), round(end * SAMPLE_RATE))
        ]

    def close(self) -> None:
        """End the process, also one that is at work; idempotent."""
        self._end()

    @contextlib.contextmanager
    def _waiting(self, stop: Stop) -> Iterator[None]:
        """Be the only one who uses the process."""
        while not self._alone.acquire(timeout=_POLL_S):
            if stop():
                raise Cancelled
        try:
            yield
        finally:
            self._alone.release()

    def _ask(
        self, request: dict[str, Any], progress: Callable[[float], None], stop: Stop
    ) -> list[tuple[float, float, object]]:
        child = self._child
        if child is None or not child.alive:
            self._end()
            child = self._child = Child(self.module, self.packages, self._environment())
        child.send(request)
        answered, through = False, 0.0
        try:
            while True:
                reply = self._reply(child, stop)
                if "turns" in reply:
                    answered = True
                    return [(start, end, speaker) for start, end, speaker in reply["turns"]]
                if "out_of_memory" in reply:
                    raise OutOfMemory(engine=self.name, device=self._means.device, cause=reply["out_of_memory"])
                if reply["fraction"] > through:
                    through = reply["fraction"]
                    progress(through)
        finally:
            if not answered:  # it is still at work, or in no good state
                self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _reply(self, child: Child, stop: Stop) -> dict[str, Any]:
        while True:
            if stop() or child is not self._child:  # or ``close``: what else it said in time is not wanted
                raise Cancelled
            try:
                reply = child.replies.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if reply is None:
                if child is not self._child:  # ``close`` in another thread
                    raise Cancelled
                raise DiarizationError(diarizer=self.name, cause=child.epitaph())
            return reply


@contextlib.contextmanager
def _joined(audio: Audio, dense: Dense) -> Iterator[Audio]:
    """The recording without its silence, as a file beside it for as long as the block takes."""
    if len(dense) == audio.sample_count:
        yield audio
        return
    with tempfile.TemporaryDirectory(dir=audio.path.parent, prefix="joined-") as folder:
        path = Path(folder) / "samples.f32"
        try:
            joined = dense.write(audio, path)
        except OSError as error:
            raise StorageError(path=folder, cause=error.strerror or error) from error
        yield joined


def _end_of(sound: Iterable[Sound], stop: Stop) -> Sound | None:
    """The whole recording, once it is there; None: there was nothing."""
    last: Sound | None = None
    for part in sound:
        last = part
        if stop():
            raise Cancelled
    if stop():
        raise Cancelled
    return last


def choose(engine: str, role: str, means: Means) -> ModelFiles | None:
    """The model with a file of that role: an imported one before those of the catalogue, which go by its order."""
    found = [
        files
        for files in store.installed(means.settings, "diarization")
        if files.engine == engine and role in files.paths
    ]
    known = {model.name for model in catalogue.models()}
    return min(found, key=lambda files: files.name in known, default=None)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
