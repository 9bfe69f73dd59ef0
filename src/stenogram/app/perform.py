"""Use case: do a job, in a worker. Joins what knows of jobs with what knows of speech."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from stenogram import events
from stenogram.app import enhancing, transcribe
from stenogram.app.house import House
from stenogram.app.speakers import Known, known_of
from stenogram.cache import workspace
from stenogram.errors import BadReference, FileNotReadable, InputError, StorageError
from stenogram.hardware.sampler import GpuSampler
from stenogram.job import Job, Reference
from stenogram.jobs.attempt import Attempt
from stenogram.jobs.worker import Done
from stenogram.pipeline.parts import Watch
from stenogram.store import events as job_events
from stenogram.store import references
from stenogram.store.claims import Progress
from stenogram.types import Device, DiarizeOptions, KnownSpeaker, LoadOptions, RunOptions, Transcript

_TELL_EVERY_S = 1.0
"""Progress is told as an event so often; the row of the job has it at once."""
_NEARLY_DONE = 0.99


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a worker computes."""

    device: Device
    gpu: int | None = None
    """Index of its GPU."""


def perform(house: House, seat: Seat, attempt: Attempt) -> Done:
    """Transcribe the recording of a job. Raises ``StenogramError``."""
    job = attempt.job
    if job.media is None:
        raise FileNotReadable(path=job.filename or "the recording", cause="it was deleted")
    with house.db.read() as connection:
        told = job_events.segments_told(connection, job.id)
        known = references.of_job(connection, job.id)
    sampler = GpuSampler(seat.gpu) if seat.gpu is not None else None
    with (
        sampler or nullcontext(),
        house.media.local(job.media.url) as path,
        _files(house, known) as speakers,
    ):
        request = request_of(job, path, seat.device, house.server.cache_scope)
        kept = known_of(house.db, job.owner) if request.diarize.recognize_speakers else Known(())
        request = replace(request, known_speakers=speakers, known_voices=kept.voices, warnings=kept.warnings)
        reporter = _Reporter(attempt, told, diarizes=request.diarize.diarize)
        names = {speaker.source: f"the reference recording of {speaker.name}" for speaker in speakers}
        transcript = _named(
            job, names, lambda: transcribe.transcribe(house.app, request, Watch(reporter, attempt.stop))
        )
    reporter.finish()
    also = functools.partial(enhancing.follow, house, transcript)
    return Done(transcript, sampler.figures() if sampler else None, reporter.cached, also)


@contextmanager
def _files(house: House, known: Sequence[Reference]) -> Iterator[tuple[KnownSpeaker, ...]]:
    """The references of known speakers as files, for as long as the block takes. Raises ``StorageError``."""
    if not known:
        yield ()
        return
    with workspace(house.settings.cache_dir) as folder:
        found = []
        for place, reference in enumerate(known):
            path = folder / f"reference-{place}"
            try:
                path.write_bytes(reference.sound)
            except OSError as error:
                raise StorageError(path=folder, cause=error.strerror or error) from error
            found.append(KnownSpeaker(reference.name, path))
        yield tuple(found)


def _named(job: Job, references: Mapping[Path, str], work: Callable[[], Transcript]) -> Transcript:
    """Let errors call recordings as their user does, not by where they lie."""
    try:
        return work()
    except InputError as error:
        if "path" not in error.facts:
            raise
        reference = references.get(Path(str(error.facts["path"])))
        facts: dict[str, Any] = {**error.facts, "path": reference or job.filename or "the recording"}
        told = type(error)(**facts)
        raise (BadReference(str(told)) if reference else told) from error


def request_of(job: Job, path: Path, device: Device, cache_scope: str) -> transcribe.Request:
    """What a job asks for, as the pipeline wants it."""
    options = job.options
    return transcribe.Request(
        source=path,
        model=job.model,
        run=msgspec.convert(options.get("run", {}), RunOptions),
        load=LoadOptions(device=device, compute_type=options.get("compute_type", "default")),
        profile=options.get("profile", "auto"),
        scope=job.owner if cache_scope == "owner" else None,
        diarize=msgspec.convert(options.get("diarize", {}), DiarizeOptions),
    )


class _Reporter:
    """Listens to a run, and tells the attempt what of it the world should know."""

    def __init__(self, attempt: Attempt, told: int, *, diarizes: bool) -> None:
        self._attempt = attempt
        self._skip = told  # an earlier attempt told them: the same chunks give the same segments
        self._progress = Progress(stage=None, share=0.0, duration=attempt.job.duration, advanced=False)
        self._through = {"transcribe": 0.0} | ({"diarize": 0.0} if diarizes else {})
        """Share of the recording that is through, by stage; they run side by side."""
        self._known: set[str] = set()
        """Stages whose result was in the cache."""
        self._told_at = 0.0

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.SegmentReady(segment):
                if self._skip:
                    self._skip -= 1
                else:
                    self._attempt.tell(happenings=[("segment", msgspec.to_builtins(segment))])
            case events.SpeakersFound(speakers):
                payload = {"diarizer": speakers.diarizer, "turns": msgspec.to_builtins(list(speakers.turns))}
                self._attempt.tell(happenings=[("speakers", payload)])
            case events.Warned(message):
                self._attempt.tell(happenings=[("warning", {"message": message})])
            case _:
                self._follow(event)

    def _follow(self, event: events.Event) -> None:
        match event:
            case events.StageStarted("diarize"):
                self._pass("diarize", 0.0, always=self._through["transcribe"] >= 1.0)
            case events.StageStarted(stage):
                # The guard sees only what was computed now: this attempt got further than those before.
                self._note(stage, advanced=stage == "guard", always=stage != "guard")
            case events.StageProgress("transcribe" | "diarize" as stage, done_s, total_s):
                self._pass(stage, done_s / total_s if total_s else 0.0, duration=total_s)
            case events.StageProgress(_, _, total_s):
                self._note(self._progress.stage, duration=total_s)
            case events.StageFinished("transcribe" | "diarize" as stage):
                self._pass(stage, 1.0)
            case events.StageCached("transcript" | "diarize" as stage):
                self._known.add(stage)
                self._through["transcribe" if stage == "transcript" else stage] = 1.0

    @property
    def cached(self) -> bool:
        """Whether nothing had to be computed."""
        return {"transcript", *self._through} - {"transcribe"} <= self._known

    def finish(self) -> None:
        """All is done but the writing."""
        self._note(None, share=1.0, always=True)

    def _pass(self, stage: str, share: float, *, duration: float | None = None, always: bool = False) -> None:
        """So much of the recording is through a stage; told is the one that is behind, or the only one left."""
        through = self._through
        through[stage] = max(through.get(stage, 0.0), min(share, 1.0))
        if stage == "diarize" and through["transcribe"] < 1.0:
            stage = self._progress.stage or stage
        # What refines the speakers may follow: only the end is the end.
        most = 1.0 if len(through) == 1 else _NEARLY_DONE
        share = min(sum(through.values()) / len(through), most)
        self._note(stage, share=max(share, self._progress.share), duration=duration, always=always)

    def _note(
        self,
        stage: str | None,
        *,
        share: float | None = None,
        duration: float | None = None,
        advanced: bool = False,
        always: bool = False,
    ) -> None:
        known = self._progress
        self._progress = Progress(
            stage=stage if stage != "guard" else known.stage,
            share=known.share if share is None else share,
            duration=duration or known.duration,
            advanced=known.advanced or advanced,
        )
        happenings: list[tuple[Any, Mapping[str, Any]]] = []
        if always or time.monotonic() - self._told_at >= _TELL_EVERY_S:
            self._told_at = time.monotonic()
            told = self._progress
            payload = {"stage": told.stage, "progress": round(told.share, 4), "duration": told.duration}
            happenings = [("stage", payload)]
        self._attempt.tell(self._progress, happenings)
