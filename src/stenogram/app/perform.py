"""Use case: do a job, in a worker. Joins what knows of jobs with what knows of speech."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from stenogram import events
from stenogram.app import transcribe
from stenogram.app.house import House
from stenogram.errors import FileNotReadable, InputError
from stenogram.hardware.sampler import GpuSampler
from stenogram.job import Job
from stenogram.jobs.attempt import Attempt
from stenogram.jobs.worker import Done
from stenogram.pipeline.parts import Watch
from stenogram.store import events as job_events
from stenogram.store.claims import Progress
from stenogram.types import Device, LoadOptions, RunOptions, Transcript

_TELL_EVERY_S = 1.0
"""Progress is told as an event so often; the row of the job has it at once."""


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
    reporter = _Reporter(attempt, told, job.duration)
    sampler = GpuSampler(seat.gpu) if seat.gpu is not None else None
    with sampler or nullcontext(), house.media.local(job.media.url) as path:
        request = request_of(job, path, seat.device, house.server.cache_scope)
        transcript = _named(job, lambda: transcribe.transcribe(house.app, request, Watch(reporter, attempt.stop)))
    reporter.finish()
    return Done(transcript, sampler.figures() if sampler else None, reporter.cached)


def _named(job: Job, work: Callable[[], Transcript]) -> Transcript:
    """Let errors call the recording as its user does, not by where it lies."""
    try:
        return work()
    except InputError as error:
        if "path" not in error.facts:
            raise
        facts: dict[str, Any] = {**error.facts, "path": job.filename or "the recording"}
        raise type(error)(**facts) from error


def request_of(job: Job, path: Path, device: Device, cache_scope: str) -> transcribe.Request:
    """What a job asks for, as the pipeline wants it."""
    options = job.options
    return transcribe.Request(
        source=path,
        model=job.model,
        run=msgspec.convert(options.get("run", {}), RunOptions),
        load=LoadOptions(device=device, compute_type=options.get("compute_type", "default")),
        profile=options.get("profile", "auto"),
        scope=(job.owner or "") if cache_scope == "owner" else None,
    )


class _Reporter:
    """Listens to a run, and tells the attempt what of it the world should know."""

    def __init__(self, attempt: Attempt, told: int, duration: float | None) -> None:
        self.cached = False
        self._attempt = attempt
        self._skip = told  # an earlier attempt told them: the same chunks give the same segments
        self._progress = Progress(stage=None, share=0.0, duration=duration, advanced=False)
        self._told_at = 0.0

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.StageStarted(stage):
                # The guard sees only what was computed now: this attempt got further than those before.
                self._note(stage, advanced=stage == "guard", always=stage != "guard")
            case events.StageProgress(stage, done_s, total_s):
                share = min(done_s / total_s, 1.0) if total_s and stage == "transcribe" else self._progress.share
                self._note(stage if stage == "transcribe" else self._progress.stage, share=share, duration=total_s)
            case events.StageCached("transcript"):
                self.cached = True
            case events.SegmentReady(segment):
                if self._skip:
                    self._skip -= 1
                else:
                    self._attempt.tell(happenings=[("segment", msgspec.to_builtins(segment))])
            case events.Warned(message):
                self._attempt.tell(happenings=[("warning", {"message": message})])

    def finish(self) -> None:
        """All is done but the writing."""
        self._note(None, share=1.0, always=True)

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
