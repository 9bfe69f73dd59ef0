"""The chain: one recording in, segments out as they are ready, a transcript at the end.

Threads: the front end (``listen``), one that loads the weights, and ``parallelism`` workers, all talking to the
driving thread through one inbox. The driving thread is the caller's: it fills batches, keeps the order, calls the
listener, and notices a stop.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stenogram import events
from stenogram.audio.decode import Decoder, check_readable
from stenogram.audio.vad import Vad
from stenogram.errors import Cancelled
from stenogram.formats import stored
from stenogram.pipeline import doubt, guard, keys
from stenogram.pipeline.assemble import Assembler
from stenogram.pipeline.batch import Batcher
from stenogram.pipeline.listen import FrontEnd, Heard
from stenogram.pipeline.recognise import Recogniser
from stenogram.protocols import Cache, Engine, Loaded, Stop
from stenogram.types import Chunk, LoadOptions, ModelFiles, RunOptions, Segment, Span, Transcript, VadOptions

POLL_S = 0.1
"""How often the driving thread looks whether it should stop, seconds."""

CLOSE_S = 0.6
"""A thread inside a long native call (loading weights) is left to end by itself, so that a stop is felt at once."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of; ``app`` puts the real ones together, ``testing`` the fakes."""

    decoder: Decoder
    open_vad: Callable[[VadOptions], Vad]
    engine: Engine
    files: ModelFiles
    options: LoadOptions
    """How the weights are loaded, settled."""
    load: Callable[[], Loaded]
    """Gives the weights; called in a thread of its own, while the front end already works."""
    cache: Cache


@dataclass(frozen=True, slots=True)
class Watch:
    """How a caller follows a run and ends it."""

    listener: events.Listener = events.ignore
    stop: Stop = lambda: False


def transcribe(
    parts: Parts, source: Path, folder: Path, options: RunOptions, watch: Watch
) -> Generator[Segment, None, Transcript]:
    """Transcribe one recording; yields segments in order as they become final, returns the whole.

    ``folder`` takes the decoded samples (230 MB an hour and channel); it is the caller's to remove. Every finished
    chunk is in the cache before it is announced, so a run that was stopped or killed goes on where it was.
    Raises ``InputError``, ``EngineError``, ``Cancelled``.
    """
    check_readable(source)
    version = _version(source)
    file_digest = keys.of_file(source, watch.stop)
    key = keys.of_transcript(file_digest, options, keys.Model(parts.engine, parts.files, parts.options))
    known = stored.read(Transcript, parts.cache.get("transcript", key))
    if known is not None:
        watch.listener(events.StageCached("transcript", key, known.duration))
        for warning in known.warnings:
            watch.listener(events.Warned(warning))
        for segment in known.segments:
            watch.listener(events.SegmentReady(segment))
            yield segment
        return known
    run = _Run(parts, options, watch, keys.of_speech(file_digest, options), lambda: _version(source) == version)
    try:
        for segment in run.drive(source, folder):
            watch.listener(events.SegmentReady(segment))
            yield segment
    finally:
        run.close()
    transcript = run.transcript()
    if run.unchanged():
        parts.cache.put("transcript", key, stored.write(transcript))
        return transcript
    warning = "the file changed while it was read; transcribe it again when it is complete"
    watch.listener(events.Warned(warning))
    return replace(transcript, warnings=(*transcript.warnings, warning))


def _version(source: Path) -> tuple[int, int] | None:
    """Size and time of change: whether the file is still the one that was hashed."""
    try:
        status = source.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class _Ready:
    """Message: the weights are in memory."""

    loaded: Loaded
    busy_s: float


@dataclass(frozen=True, slots=True)
class _Recognised:
    """Message of a worker: a batch is done."""

    chunks: list[Chunk]
    results: list[guard.Checked]
    busy_s: Mapping[events.Stage, float]


@dataclass(frozen=True, slots=True)
class _Heard:
    """Message of the front end: what it heard, and for each chunk what an earlier run made of it."""

    heard: Heard
    known: list[guard.Checked | None]


@dataclass(slots=True)
class _Run:
    """One run. All fields belong to the driving thread, but for ``inbox``, ``work`` and the two events."""

    parts: Parts
    options: RunOptions
    watch: Watch
    speech_key: str
    unchanged: Callable[[], bool]
    """Whether the file is still what the keys were made of; what was found in another is not kept under them."""
    inbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    work: queue.SimpleQueue[list[Chunk] | None] = field(default_factory=queue.SimpleQueue)
    room: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    assembler: Assembler = field(default_factory=Assembler)
    batcher: Batcher = field(default_factory=Batcher)
    segments: list[Segment] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    busy_s: dict[events.Stage, float] = field(default_factory=dict)
    workers: int = 0
    idle: int = 0
    heard: Heard = field(default_factory=Heard)

    # --- the driving thread ---

    def drive(self, source: Path, folder: Path) -> Generator[Segment, None, None]:
        """Yield the segments in order until the recording is through."""
        recogniser = Recogniser(
            self.parts.engine, self.parts.files, self.parts.cache, self.options.transcribe, self.parts.options
        )
        atexit.register(self._outlive_threads)
        self._begin("decode", "load")
        self._start(self._listen, source, folder, recogniser)
        self._start(self._load)
        while not self.heard.finished or self.assembler.unfinished:
            self._receive(recogniser)
            self._submit()
            for released in self.assembler.release():
                # here and not in the engine: the guard and the join need the words
                segment = released if self.options.transcribe.word_timestamps else replace(released, words=())
                self.segments.append(segment)
                yield segment
            done_s = min(self.assembler.done_s, self.heard.heard_s)
            self._tell(events.StageProgress("transcribe", done_s, self.heard.total_s))
        for stage, busy_s in self.busy_s.items():
            self._tell(events.StageFinished(stage, busy_s))

    def transcript(self) -> Transcript:
        """The whole, once ``drive`` is exhausted."""
        files, options = self.parts.files, self.options.transcribe
        transcript = Transcript(
            segments=tuple(self.segments),
            duration=self.heard.heard_s,
            language=options.language or files.only_language,
            task=options.task,
            model=files.name,
            engine=self.parts.engine.name,
        )
        for warning in doubt.of_language(transcript, files, options):
            self._warn(warning)
        return replace(transcript, warnings=tuple(self.warnings))

    def close(self) -> None:
        """Stop all threads; they notice within a step of their work, and are waited for ``CLOSE_S`` at most."""
        self._stop()
        deadline = time.monotonic() + CLOSE_S
        for thread in self.threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        if not any(thread.is_alive() for thread in self.threads):
            atexit.unregister(self._outlive_threads)

    def _stop(self) -> None:
        self.closed.set()
        for _ in range(self.workers):
            self.work.put(None)

    def _outlive_threads(self) -> None:
        """At exit: Python aborts when it ends while one of its threads is inside onnxruntime."""
        self._stop()
        for thread in self.threads:
            thread.join()

    def _receive(self, recogniser: Recogniser) -> None:
        try:
            message = self.inbox.get(timeout=POLL_S)
        except queue.Empty:
            message = None
        if self.watch.stop():
            raise Cancelled
        match message:
            case BaseException():
                raise message
            case _Heard():
                self._hear(message.heard, message.known)
            case _Recognised():
                self.idle += 1
                self._begin("guard")
                for stage, busy_s in message.busy_s.items():
                    self._spent(stage, busy_s)
                for chunk, checked in zip(message.chunks, message.results, strict=True):
                    self._finish(chunk, checked)
            case _Ready():
                self._spent("load", message.busy_s)
                self._employ(recogniser, message.loaded)

    def _hear(self, heard: Heard, known: Sequence[guard.Checked | None]) -> None:
        self.heard = heard
        self._begin("vad", "chunk")
        for warning in heard.warnings:
            self._warn(warning)
        self.busy_s |= heard.busy_s
        self._tell(events.StageProgress("decode", heard.heard_s, heard.total_s))
        self.assembler.expect(heard.chunks, heard.bounds)
        for chunk, checked in zip(heard.chunks, known, strict=True):
            if checked is None:
                self.batcher.add(chunk)
            else:
                self._tell(events.StageCached("transcribe", chunk.digest(), chunk.duration))
                self._finish(chunk, checked)
        if heard.finished and heard.spans is not None and self.unchanged():
            self.parts.cache.put("speech", self.speech_key, stored.write(heard.spans))

    def _employ(self, recogniser: Recogniser, loaded: Loaded) -> None:
        self.batcher.batch_size, self.batcher.parallelism = loaded.batch_size, loaded.parallelism
        self.workers = self.idle = loaded.parallelism
        for _ in range(self.workers):
            self._start(self._recognise, recogniser, loaded)

    def _submit(self) -> None:
        while batch := self.batcher.take(idle=self.idle, more=not self.heard.finished):
            self._begin("transcribe")
            self.idle -= 1
            self.work.put(batch)
        if self.batcher.full:
            self.room.clear()
        else:
            self.room.set()

    def _finish(self, chunk: Chunk, checked: guard.Checked) -> None:
        self.assembler.finish(chunk, checked.segments)
        for segment in checked.dropped:
            self._warn(f"{segment.start:.1f} s: dropped “{segment.text}”, nothing is spoken there")

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
            self._tell(events.Warned(message))

    def _tell(self, event: events.Event) -> None:
        self.watch.listener(event)

    def _begin(self, *stages: events.Stage) -> None:
        for stage in stages:
            if stage not in self.busy_s:
                self.busy_s[stage] = 0.0
                self._tell(events.StageStarted(stage, self.heard.total_s))

    def _spent(self, stage: events.Stage, busy_s: float) -> None:
        self.busy_s[stage] += busy_s

    # --- the other threads ---

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        def body() -> None:
            try:
                target(*args)
            except BaseException as error:  # noqa: BLE001 - raised again in the driving thread
                self.inbox.put(error)

        thread = threading.Thread(target=body, name=f"stenogram{target.__name__}", daemon=True)
        self.threads.append(thread)
        thread.start()

    def _stopped(self) -> bool:
        return self.closed.is_set()

    def _listen(self, source: Path, folder: Path, recogniser: Recogniser) -> None:
        """The front end; waits until what it heard is taken (the caller may be slow) and while enough is at hand.

        The cache is asked here: a shared one may be slow, and must not hold up the driving thread.
        """
        known = stored.read(list[list[Span]], self.parts.cache.get("speech", self.speech_key))
        front = FrontEnd(self.parts.decoder, self.parts.open_vad, self.parts.engine.chunking, self.options, known)
        for heard in front.listen(source, folder, self._stopped):
            self.room.clear()
            self.inbox.put(_Heard(heard, [recogniser.known(chunk) for chunk in heard.chunks]))
            while not self.room.wait(POLL_S):
                if self._stopped():
                    return

    def _load(self) -> None:
        began = time.thread_time()
        loaded = self.parts.load()
        self.inbox.put(_Ready(loaded, time.thread_time() - began))

    def _recognise(self, recogniser: Recogniser, loaded: Loaded) -> None:
        while (batch := self.work.get()) is not None:
            self.inbox.put(_Recognised(batch, *recogniser.recognise(loaded, batch, self._stopped)))
