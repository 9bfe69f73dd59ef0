"""Use cases: a transcript on its way out, in whatever format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stenogram import formats
from stenogram.app import enhancing, jobs
from stenogram.app.house import House
from stenogram.formats import Format, Recording
from stenogram.formats.preview import Preview, preview
from stenogram.job import Caller, Job
from stenogram.types import SubtitleOptions, Transcript

LineKind = Literal["clean", "translation"]


@dataclass(frozen=True, slots=True)
class Version:
    """Which text of a job is meant."""

    enhanced: bool = False
    """With the accepted changes of the clean text, or translated."""
    kind: LineKind = "clean"
    """Which of the two."""
    target_language: str | None = None
    """Of the translation, where there are several."""


@dataclass(frozen=True, slots=True)
class Export:
    """A file to hand on."""

    body: bytes
    format: Format
    filename: str


def text_of(house: House, caller: Caller, job_id: str, version: Version) -> tuple[Job, Transcript]:
    """A job with its transcript. Raises ``NotFound``, ``Conflict`` while there is none, ``OptionError``."""
    job, transcript = jobs.find(house, caller, job_id), jobs.transcript(house, caller, job_id)
    if version.enhanced:
        transcript = enhancing.report(house, caller, job_id, version.kind, version.target_language).render()
    return job, transcript


def export(job: Job, transcript: Transcript, name: str, options: SubtitleOptions) -> Export:
    """The file in the format of that name. Raises ``UnknownFormat``."""
    recording = recording_of(job)
    body = formats.render(transcript, name, options, ("segment", "word"), recording)
    known = formats.format_named(name)
    return Export(body.encode() if isinstance(body, str) else body, known, recording.name + known.suffix)


def show(job: Job, transcript: Transcript, name: str, options: SubtitleOptions, limit: int) -> Preview:
    """How that file begins, and which of its cues break a rule. Raises ``UnknownFormat``."""
    return preview(transcript, name, options, recording_of(job), limit)


def recording_of(job: Job) -> Recording:
    """What is said of the recording in its outputs."""
    filename = job.filename or job.id
    name = job.title or filename.rpartition(".")[0] or filename
    return Recording(name, job.filename, job.created_at)
