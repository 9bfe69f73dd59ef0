"""What ``/api/v1`` answers with. Times are Unix seconds, durations seconds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from stenogram.enhancement import EnhanceStatus
from stenogram.job import Job, JobSource, JobState
from stenogram.store.callbacks import Callback, CallbackAttempt
from stenogram.store.library import Labels

_ID = "5f0c6a8e1c9b4d0f9f7f7d7c2b1a0e3d"


class ErrorView(BaseModel):
    """Why a job failed."""

    code: str = Field(description="Stable", examples=["not_media"])
    message: str


class MediaView(BaseModel):
    """The recording of a job."""

    filename: str | None = Field(examples=["talk.mp4"])
    bytes: int | None
    sha256: str | None
    duration: float | None = Field(description="Known once it was decoded")
    kept: bool = Field(description="Whether it is still here, so that the job could be retried")


class CallbackView(BaseModel):
    """What became of a callback."""

    id: str = Field(description="The webhook-id")
    state: Literal["pending", "delivered", "failed", "disabled"]
    attempts: int
    delivered_at: float | None
    next_attempt_at: float | None
    error: str | None


class AttemptView(BaseModel):
    """One try to deliver a callback."""

    number: int
    at: float
    duration_s: float
    status: int | None = Field(description="Of HTTP; null where there was no answer")
    error: str | None


class CallbackDetail(CallbackView):
    """A callback with every try."""

    tries: list[AttemptView]


class JobView(BaseModel):
    """A job."""

    id: str = Field(examples=[_ID])
    state: JobState
    source: JobSource
    model: str = Field(description="As asked for", examples=["moonshine-tiny-en"])
    language: str | None
    options: dict[str, Any]
    priority: int
    batch: str | None = Field(description="Shared by the jobs of one request with several files")
    media: MediaView
    attempt: int
    stage: str | None
    progress: float = Field(ge=0, le=1)
    position: int | None = Field(description="Place among the queued, from 1; told where one job is asked for")
    estimated_wait_s: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    cached: bool = Field(description="Answered by what an identical job had found")
    error: ErrorView | None
    llm_enhancement_status: EnhanceStatus = Field(description="How far a language model is with the text")
    title: str | None = Field(description="What its owner calls it; null: by its file's name")
    tags: list[str]
    version: int = Field(description="Of the transcript; 0: never edited")
    deleted_at: float | None = Field(description="When it came into the trash; null: it is not there")
    links: dict[str, str]


class JobList(BaseModel):
    """One page of jobs, newest first."""

    jobs: list[JobView]
    next: str | None = Field(description="Give it as `before` to get the next page; null at the end")


class Batch(BaseModel):
    """The jobs of one request, in the order of its files."""

    jobs: list[JobView]


def error_view(job: Job) -> ErrorView | None:
    """Why a job failed, if it did."""
    if job.error is None or job.state != "failed":
        return None
    return ErrorView(code=job.error_code or "error", message=job.error)


def view(job: Job, enhanced: EnhanceStatus, labels: Labels) -> JobView:
    """A job as clients see it; ``enhanced``: how far a language model is with its text."""
    return JobView(
        id=job.id,
        state=job.state,
        source=job.source,
        model=job.model,
        language=job.language,
        options=dict(job.options),
        priority=job.priority,
        batch=job.batch,
        media=MediaView(
            filename=job.filename,
            bytes=job.media.bytes if job.media else None,
            sha256=job.media.digest if job.media else None,
            duration=job.duration,
            kept=job.media is not None,
        ),
        attempt=job.attempt,
        stage=job.stage,
        progress=round(job.progress, 4),
        position=job.position,
        estimated_wait_s=job.wait_s,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        cached=job.cached,
        error=error_view(job),
        llm_enhancement_status=enhanced,
        title=job.title,
        tags=list(labels.tags),
        version=labels.version,
        deleted_at=job.deleted_at,
        links={
            "self": f"/api/v1/jobs/{job.id}",
            "events": f"/api/v1/jobs/{job.id}/events",
            "transcription": f"/api/v1/transcriptions/{job.id}",
        },
    )


def callback_view(callback: Callback, tries: list[CallbackAttempt]) -> CallbackDetail:
    """A callback as clients see it."""
    delivered = callback.delivered_at_ms
    return CallbackDetail(
        id=callback.id,
        state=callback.state,
        attempts=callback.attempts,
        delivered_at=delivered / 1000 if delivered is not None else None,
        next_attempt_at=callback.next_at if callback.state == "pending" else None,
        error=callback.error,
        tries=[
            AttemptView(number=t.number, at=t.at, duration_s=round(t.duration_s, 3), status=t.status, error=t.error)
            for t in tries
        ],
    )
