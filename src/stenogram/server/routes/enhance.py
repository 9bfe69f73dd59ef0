"""``/api/v1/transcriptions/{id}/enhance``: what a language model makes of a transcript, asked for, followed, undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Body, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from stenogram.app import enhancing
from stenogram.app.enhancing import Asked, Report
from stenogram.enhancement import Doubt, EnhanceKind, EnhanceOptions, EnhanceStatus
from stenogram.errors import Conflict
from stenogram.job import Caller
from stenogram.server.auth import Reader, Submitter, while_welcome
from stenogram.server.enhance_stream import begun_at, follow, follow_begun
from stenogram.server.errors import ANSWERS
from stenogram.server.routes.jobs import JobId
from stenogram.server.schemas import ErrorView
from stenogram.server.state import State, state_of

router = APIRouter(prefix="/api/v1/transcriptions", tags=["enhancement"], responses=ANSWERS)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": 'Server-sent events: `{"chunk": "..."}`, at last `{"done": true, ...}` or `{"error": {...}}`',
        "content": {"text/event-stream": {}},
    }
}
_NOTHING: dict[int | str, dict[str, Any]] = {
    204: {"description": "Nothing to follow; it tells an EventSource to stop asking"}
}
_SSE = {"cache-control": "no-cache", "x-accel-buffering": "no"}

Kind = Annotated[EnhanceKind, Query(description="Of what was made")]
Language = Annotated[str | None, Query(description="Of a translation, where there are several", max_length=64)]


class EnhanceWish(BaseModel):
    """What a language model is to make of a transcript."""

    kind: EnhanceKind = "clean"
    target_language: str | None = Field(
        default=None,
        description="ISO code or English name; unset: that of the recording (translation: English)",
        max_length=64,
    )
    again: bool = Field(default=False, description="Also where it is done already, and whatever the cache knows")


class ChangeChoice(BaseModel):
    """Which changes of the clean text are to be taken back, and which of those taken back are to hold again."""

    revert: list[int] | Literal["all"] = Field(default=[], examples=[[0, 3]])
    accept: list[int] | Literal["all"] = Field(default=[], examples=[[1]])


class KeptView(BaseModel):
    """A segment whose original stays, although the model wrote something else, or nothing."""

    segment: int = Field(description="Id of the segment")
    reason: Doubt
    edit: str | None = Field(description="What the model wrote")


class ChangeView(BaseModel):
    """One stretch of a segment's text that was replaced."""

    id: int
    segment: int = Field(description="Id of the segment")
    at: int = Field(description="Where `before` begins in the segment's text, in characters")
    before: str
    after: str
    start: float = Field(description="Time of the words it concerns, seconds")
    end: float
    accepted: bool
    stale: bool = Field(description="What it replaces was edited since: it is left out")


class UsageView(BaseModel):
    """What the model's answers cost; zero where all was known."""

    prompt_tokens: int
    completion_tokens: int
    first_token_s: float | None
    answer_s: float


class EnhancementView(BaseModel):
    """What a language model made of a transcript."""

    job_id: str = Field(description="Of the transcript")
    kind: EnhanceKind
    llm_enhancement_status: EnhanceStatus
    llm_enhancement_reason: str | None = Field(description="Why it failed or was skipped")
    error: ErrorView | None
    progress: float = Field(ge=0, le=1)
    model: str | None = Field(description="That wrote it")
    language: str | None = Field(description="Of the text, ISO 639-1")
    enhanced_text: str | None = Field(description="With every change")
    text_with_accepted: str | None = Field(description="Without those that were taken back")
    kept: list[KeptView] = Field(description="What the guard did not let pass")
    changes: list[ChangeView]
    stale: int = Field(description="How many of them fit no more, for what they replace was edited since")
    document: dict[str, Any] | None = Field(description="A summary, a title, or chapters")
    usage: UsageView | None


@router.post("/{job_id}/enhance", status_code=202)
async def enhance(
    request: Request, caller: Submitter, job_id: JobId, wish: Annotated[EnhanceWish | None, Body()] = None
) -> EnhancementView:
    """Have a language model go over the transcript.

    The same request joins what is under way, and gives what is done unless `again` is set.
    """
    state = state_of(request)
    wish = wish or EnhanceWish()
    await to_thread.run_sync(_submit, state, caller, job_id, wish)
    return await to_thread.run_sync(_view, state, caller, job_id, wish.kind, wish.target_language)


@router.delete("/{job_id}/enhance")
async def cancel(
    request: Request,
    caller: Submitter,
    job_id: JobId,
    kind: Annotated[EnhanceKind | None, Query(description="Unset: whatever is under way")] = None,
) -> EnhancementView:
    """Cancel what is under way; the model stops within about a second."""
    state = state_of(request)
    if not await to_thread.run_sync(enhancing.cancel, state.house, caller, job_id, kind):
        raise Conflict(what=f"enhancement of job {job_id}", cause="nothing is under way")
    return await to_thread.run_sync(_view, state, caller, job_id, kind or "clean", None)


@router.get("/{job_id}/enhancement")
async def one(
    request: Request, caller: Reader, job_id: JobId, kind: Kind = "clean", target_language: Language = None
) -> EnhancementView:
    """How far it is, and what was made: the text, each change, and what the guard kept."""
    return await to_thread.run_sync(_view, state_of(request), caller, job_id, kind, target_language)


@router.patch("/{job_id}/enhancement")
async def choose(request: Request, caller: Submitter, job_id: JobId, choice: ChangeChoice) -> EnhancementView:
    """Take changes of the clean text back, or let them hold again, one by one or `"all"`."""
    house = state_of(request).house
    return view(await to_thread.run_sync(enhancing.choose, house, caller, job_id, choice.revert, choice.accept))


@router.post("/{job_id}/enhance-stream", response_class=StreamingResponse, responses=_STREAM)
async def start_stream(
    request: Request, caller: Submitter, job_id: JobId, wish: Annotated[EnhanceWish | None, Body()] = None
) -> StreamingResponse:
    """Have a language model go over the transcript, and stream the text as it is written.

    All chunks joined are `enhanced_text`. Closing the stream that began the work cancels it, unless somebody else asked
    for the same meanwhile.
    """
    state = state_of(request)
    asked = await to_thread.run_sync(_submit, state, caller, job_id, wish or EnhanceWish())
    frames = follow_begun(state, asked.job.id) if asked.begun else follow(state, asked.job.id)
    frames = while_welcome(request, caller, frames)
    return StreamingResponse(frames, media_type="text/event-stream", headers=_SSE)


@router.get("/{job_id}/enhance-stream", response_class=StreamingResponse, responses={**_STREAM, **_NOTHING})
async def stream(
    request: Request,
    caller: Reader,
    job_id: JobId,
    kind: Kind = "clean",
    target_language: Language = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Follow what is under way, from its beginning or after `Last-Event-ID`; of what is done, all at once.

    It never starts anything. Where there is nothing, or nothing new, the answer is 204: an EventSource, which asks
    again whenever a stream ends, then stops.
    """
    state = state_of(request)
    report = await to_thread.run_sync(enhancing.report, state.house, caller, job_id, kind, target_language)
    job = report.standing.job
    seq = await to_thread.run_sync(begun_at, state.house, job, last_event_id) if job is not None else None
    if job is None or seq is None:
        return Response(status_code=204)
    frames = while_welcome(request, caller, follow(state, job.id, seq))
    return StreamingResponse(frames, media_type="text/event-stream", headers=_SSE)


def _submit(state: State, caller: Caller, job_id: str, wish: EnhanceWish) -> Asked:
    options = EnhanceOptions(wish.kind, wish.target_language)
    return enhancing.submit(state.house, caller, job_id, options, again=wish.again)


def _view(state: State, caller: Caller, job_id: str, kind: EnhanceKind, language: str | None) -> EnhancementView:
    return view(enhancing.report(state.house, caller, job_id, kind, language))


def view(report: Report) -> EnhancementView:
    """A report as clients see it."""
    standing, made = report.standing, report.stored.enhancement if report.stored else None
    found: Mapping[str, Any] = {}
    if report.stored is not None and made is not None:
        is_text, stale = made.document is None, {change.id for change in report.stale}
        found = {
            "model": made.model,
            "language": made.language,
            "enhanced_text": made.text if is_text else None,
            "text_with_accepted": report.render().text if is_text else None,
            "kept": [
                KeptView(segment=line.segment, reason=line.doubt, edit=line.edit)
                for line in made.lines
                if line.doubt is not None
            ],
            "changes": [
                ChangeView(
                    **{name: getattr(change, name) for name in ("id", "segment", "at", "before", "after")},
                    start=change.start,
                    end=change.end,
                    accepted=change.id not in report.stored.reverted,
                    stale=change.id in stale,
                )
                for change in sorted((*report.changes, *report.stale), key=lambda change: change.id)
            ],
            "stale": len(stale),
            "document": dict(made.document) if made.document is not None else None,
            "usage": UsageView(
                prompt_tokens=made.usage.prompt_tokens,
                completion_tokens=made.usage.completion_tokens,
                first_token_s=made.usage.first_token_s,
                answer_s=made.usage.answer_s,
            ),
        }
    nothing = dict.fromkeys(("model", "language", "enhanced_text", "text_with_accepted", "document", "usage"))
    return EnhancementView(
        job_id=report.job.id,
        kind=report.kind,
        llm_enhancement_status=standing.status,
        llm_enhancement_reason=standing.reason,
        error=ErrorView(code=standing.error_code or "error", message=standing.reason or "")
        if standing.status == "failed"
        else None,
        progress=1.0 if standing.status == "completed" else standing.job.progress if standing.job else 0.0,
        **{**nothing, "kept": [], "changes": [], "stale": 0, **found},
    )
