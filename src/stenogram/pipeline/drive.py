"""One run at work: the front end hears, the crew decodes, and the driving thread keeps order between them.

Threads: the front end (``listen``), and the ``crew`` that borrows the weights and decodes, all talking to the driving
thread through one inbox. The driving thread is the caller's: it fills batches, keeps the order, calls the listener, and
notices a stop.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stenogram import events
from stenogram.errors import Cancelled
from stenogram.formats import stored
from stenogram.pipeline import doubt, guard, keys, language, memory
from stenogram.pipeline.assemble import Assembler
from stenogram.pipeline.batch import Batcher
from stenogram.pipeline.crew import Answered, Batch, Crew, Exhausted, Left, Question, Ready, Recognised
from stenogram.pipeline.listen import Heard
from stenogram.pipeline.parts import Parts, Recording, Watch
from stenogram.pipeline.recognise import Recogniser
from stenogram.pipeline.threads import POLL_S, Threads
from stenogram.types import Chunk, LoadOptions, RunOptions, Segment, Sound, Transcript


@dataclass(frozen=True, slots=True)
class _Heard:
    """Message of the front end: what it heard, and for each chunk what an earlier run made of it."""

    heard: Heard
    known: list[guard.Checked | None]


@dataclass(slots=True)
class Drive:
    """One run. All fields belong to the driving thread, but for ``inbox`` and the two events."""

    parts: Parts
    recording: Recording
    options: RunOptions
    watch: Watch
    tap: Callable[[tuple[Sound, ...]], None] = lambda _sounds: None
    """Is given each channel as far as it is heard, in the thread of the front end."""
    tick: Callable[[], None] = lambda: None
    """Is called often, in the driving thread."""
    inbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    room: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    threads: Threads = field(init=False)
    assembler: Assembler = field(default_factory=Assembler)
    batcher: Batcher = field(default_factory=Batcher)
    segments: list[Segment] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    busy_s: dict[events.Stage, float] = field(default_factory=dict)
    speech_key: str = field(init=False)
    language_key: str = field(init=False)
    crew: Crew = field(init=False)
    steps: list[LoadOptions] = field(init=False)
    """How the weights may be loaded when memory runs out."""
    hearing: language.Hearing | None = None
    """Until the language is known."""
    spoken: language.Heard | None = None
    """The language, where the model told it."""
    smaller: bool = False
    """Memory ran out: this is not the result that was asked for, only the best that could be had."""
    heard: Heard = field(default_factory=Heard)

    def __post_init__(self) -> None:
        self.threads = Threads(self.inbox, self._stop)
        model = keys.Model(self.parts.engine, self.parts.files, self.parts.options)
        self.speech_key = keys.of_speech(self.recording.digest, self.options)
        self.language_key = keys.of_language(self.recording.digest, self.options, model)
        self.steps = list(self.parts.fallbacks)
        if language.must_be_heard(self.parts.engine, self.parts.files, self.options.transcribe):
            known = stored.read(language.Heard, self.parts.cache.get("language", self.language_key))
            if known is None:
                self.hearing = language.Hearing()
            else:
                self._speak(known)
        self.crew = self._gather(self.parts.options)

    # --- the driving thread ---

    def drive(self, folder: Path) -> Generator[Segment, None, None]:
        """Yield the segments in order until the recording is through."""
        self._begin("decode", "load")
        self.threads.start(self._listen, folder, None if self.hearing else self.crew.recogniser)
        self.threads.start(self.crew.live)
        while not self.heard.finished or self.assembler.unfinished:
            self._receive()
            self._decide()
            self._submit()
            for released in self.assembler.release():
                # here and not in the engine: the guard and the join need the words
                segment = released if self.options.transcribe.word_timestamps else replace(released, words=())
                self.segments.append(segment)
                yield segment
            done_s = min(self.assembler.done_s, self.heard.heard_s)
            self._tell(events.StageProgress("transcribe", done_s, self.heard.total_s))
            self.tick()
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
            language_probability=self.spoken.probability if self.spoken else None,
            choices=self.parts.choices,
        )
        for warning in doubt.of_language(transcript, files, options):
            self._warn(warning)
        return replace(transcript, warnings=tuple(self.warnings))

    def close(self) -> None:
        """Stop all threads."""
        self.threads.close()

    def _stop(self) -> None:
        self.closed.set()
        self.crew.leave()

    def _receive(self) -> None:
        try:
            message = self.inbox.get(timeout=POLL_S)
        except queue.Empty:
            message = None
        if self.watch.stop():
            raise Cancelled
        self._heed(message)

    def _heed(self, message: Any) -> None:
        match message:
            case BaseException():
                raise message
            case _Heard():
                self._hear(message.heard, message.known)
            case Ready():
                self._employ(message)
            case Recognised():
                self._collect(message)
            case Answered():
                self.crew.idle += 1
                self._spent("transcribe", message.busy_s)
                if self.hearing:
                    self.hearing.answer(message.probabilities)
            case Exhausted():
                self._shrink(message)
            case Left():
                self._replace_crew()

    def _employ(self, ready: Ready) -> None:
        self._spent("load", ready.busy_s)
        self.crew.loaded, self.crew.idle = ready.loaded, ready.loaded.parallelism
        self.batcher.parallelism = ready.loaded.parallelism
        self.batcher.batch_size = 1 if self.options.transcribe.sequential else ready.loaded.batch_size

    def _collect(self, recognised: Recognised) -> None:
        self.crew.idle += 1
        self._begin("guard")
        done = recognised.done
        for stage, busy_s in done.busy_s.items():
            self._spent(stage, busy_s)
        for chunk, checked in zip(recognised.chunks, done.results, strict=True):
            self._finish(chunk, checked)
        if done.fitted < len(recognised.chunks) and done.fitted < self.batcher.batch_size:
            self.batcher.batch_size = done.fitted
            self._warn(f"Memory ran out: {done.fitted} passages at a time from here on.")

    def _hear(self, heard: Heard, known: Sequence[guard.Checked | None]) -> None:
        self.heard = heard
        self._begin("vad", "chunk")
        for warning in heard.warnings:
            self._warn(warning)
        self.busy_s |= heard.busy_s
        self._tell(events.StageProgress("decode", heard.heard_s, heard.total_s))
        self.assembler.expect(heard.chunks, heard.bounds)
        if self.hearing:
            self.hearing.add(heard.chunks)
        for chunk, checked in zip(heard.chunks, known, strict=True):
            if checked is not None:
                self._tell(events.StageCached("transcribe", chunk.digest(), chunk.duration))
                self._finish(chunk, checked)
            elif not self.hearing:
                self.batcher.add(chunk)
        if heard.finished and heard.spans is not None and self.recording.unchanged():
            self.parts.cache.put("speech", self.speech_key, stored.write(heard.spans))

    def _decide(self) -> None:
        """Ask for the language, until it is clear; then let the chunks go that waited for it."""
        if self.hearing is None:
            return
        verdict = self.hearing.verdict(more=not self.heard.finished)
        if verdict is None:
            chunk = self.hearing.question()
            ready = self.crew.idle == self.crew.parallelism > 0 and not self.crew.leaving.is_set()
            if chunk is not None and ready:
                self._begin("transcribe")
                self.crew.give(Question(chunk))
            return
        if self.recording.unchanged():
            self.parts.cache.put("language", self.language_key, stored.write(verdict))
        self._speak(verdict)
        self.crew.recogniser = replace(self.crew.recogniser, options=self.options.transcribe)
        for chunk in self.hearing.chunks:
            self.batcher.add(chunk)
        self.hearing = None

    def _speak(self, heard: language.Heard) -> None:
        self.spoken = heard
        options = replace(self.options.transcribe, language=heard.language)
        self.options = replace(self.options, transcribe=options)
        for warning in heard.doubts():
            self._warn(warning)

    def _submit(self) -> None:
        loaded = self.crew.loaded
        if loaded is not None and not self.crew.leaving.is_set():
            free = self.parts.free_bytes(loaded.options.device)
            fits = memory.fitting(free, loaded.chunk_bytes, loaded.parallelism, self.batcher.batch_size)
            spare = fits.workers - (loaded.parallelism - self.crew.idle)
            while batch := self.batcher.take(idle=max(spare, 0), most=fits.batch_size, more=not self.heard.finished):
                self._begin("transcribe")
                self.crew.give(Batch(batch))
                spare -= 1
        if self.batcher.full or (self.hearing and len(self.hearing.chunks) > language.MOST):
            self.room.clear()
        else:
            self.room.set()

    def _shrink(self, exhausted: Exhausted) -> None:
        """Memory is short even for single chunks, or for the weights: load smaller ones, or go to the CPU."""
        task = exhausted.task
        self.crew.idle += task is not None
        if isinstance(task, Batch):
            self.batcher.put_back(task.chunks)
        if self.crew.leaving.is_set():  # another worker met the same end
            return
        if not self.steps:
            raise exhausted.error
        self.crew.leave()

    def _replace_crew(self) -> None:
        """The old crew gave its weights back: take on the next one."""
        if not self.steps or self.closed.is_set():
            return
        step = self.steps.pop(0)
        self.smaller = True
        self._warn(f"Memory ran out: computing as {step.compute_type} on {step.device} from here on.")
        self.parts.discard(self.crew.recogniser.load)
        self.crew = self._gather(step)
        self.threads.start(self.crew.live)

    def _gather(self, load: LoadOptions) -> Crew:
        parts = self.parts
        recogniser = Recogniser(parts.engine, parts.files, parts.cache, self.options.transcribe, load, parts.free_bytes)
        return Crew(recogniser, parts.lend, self.inbox, self._stopped)

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

    def _stopped(self) -> bool:
        return self.closed.is_set()

    def _listen(self, folder: Path, recogniser: Recogniser | None) -> None:
        """The front end; waits until what it heard is taken (the caller may be slow) and while enough is at hand.

        The cache is asked here: a shared one may be slow, and must not hold up the driving thread. Without a
        ``recogniser`` (the language is not known yet) it is not asked.
        """
        front = self.parts.front_end(self.recording, self.options)
        for heard in front.listen(self.recording.path, folder, self._stopped):
            self.tap(heard.sounds)
            self.room.clear()
            self.inbox.put(_Heard(heard, [recogniser.known(chunk) if recogniser else None for chunk in heard.chunks]))
            while not self.room.wait(POLL_S):
                if self._stopped():
                    return
