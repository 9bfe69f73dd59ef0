"""``/api/v1/jobs``: submit, follow, cancel, retry and delete."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from stenogram.app import enhancing, jobs, library
from stenogram.app.house import House
from stenogram.errors import NotFound, OptionError, RequestError
from stenogram.job import Job, JobEvent, JobSource, JobState
from stenogram.server import options, references, schemas
from stenogram.server.auth import Reader, Submitter, while_welcome
from stenogram.server.errors import ANSWERS
from stenogram.server.follow import events_of
from stenogram.server.forms import FILE, form_body, receive
from stenogram.server.schemas import Batch, CallbackDetail, JobList, JobView
from stenogram.server.state import State, state_of
from stenogram.store import callbacks
from stenogram.store.jobs import Filter

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=ANSWERS)

JobId = Annotated[str, Path(description="Of the job", min_length=1, max_length=64)]
_MOST_PRIORITY = 100
_FORM = form_body(
    required=["file"],
    file={"type": "array", "items": dict(FILE), "description": "One recording, or several: one job for each"},
    callback_url={"type": "string", "format": "uri", "description": "Gets the result by POST"},
    priority={
        "type": "integer",
        "minimum": -_MOST_PRIORITY,
        "maximum": _MOST_PRIORITY,
        "default": 0,
        "description": "Higher goes first; above 0 only with a key that may",
    },
    keep={"type": "boolean", "description": "Keep the recording when the job has succeeded, or delete it"},
    **options.ENHANCE,
    **options.properties(),
    **references.SCHEMAS,
)
_EVENTS = {
    200: {"description": "Server-sent events; `id` counts up, for Last-Event-ID", "content": {"text/event-stream": {}}}
}


@router.post("", status_code=202, openapi_extra=_FORM)
async def submit(
    request: Request,
    caller: Submitter,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> Batch:
    """Take in recordings. With an `Idempotency-Key` that was used before, gives the jobs of that time."""
    house = state_of(request).house
    async with receive(request) as received:
        recordings = received.media("file", "files", "file[]", "files[]")
        order = await to_thread.run_sync(options.order_of, received.form, "v1")
        order = replace(
            order,
            callback_url=received.get("callback_url"),
            priority=_priority(received.get("priority"), caller.priority, admin=caller.admin),
            delete_media=_kept(received.get("keep")),
            enhance=options.enhance_of(received.form),
        )
        found = await to_thread.run_sync(jobs.submit, house, caller, order, recordings, idempotency_key)
        received.keep(recordings)
    return Batch(jobs=await to_thread.run_sync(views, house, found))


@router.get("")
async def listing(  # noqa: PLR0913, PLR0917 - the filters
    request: Request,
    caller: Reader,
    state: Annotated[list[JobState] | None, Query()] = None,
    source: JobSource | None = None,
    batch: str | None = None,
    text: Annotated[str | None, Query(description="Part of the file's name")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> JobList:
    """The caller's jobs, newest first."""
    wanted = Filter(states=state or (), source=source, batch=batch, text=text)
    house = state_of(request).house
    found = await to_thread.run_sync(jobs.listing, house, caller, wanted, limit, _cursor(before))
    last = found[-1] if len(found) == limit else None
    return JobList(
        jobs=await to_thread.run_sync(views, house, found),
        next=f"{last.created_at!r}-{last.id}" if last is not None else None,
    )


@router.get("/{job_id}")
async def one(request: Request, caller: Reader, job_id: JobId) -> JobView:
    """A job, with its place in the queue."""
    house = state_of(request).house
    [view] = await to_thread.run_sync(lambda: views(house, [jobs.find(house, caller, job_id)]))
    return view


@router.post("/{job_id}/cancel")
async def cancel(request: Request, caller: Submitter, job_id: JobId) -> JobView:
    """Cancel a job; one that runs stops within about a second."""
    house = state_of(request).house
    [view] = await to_thread.run_sync(lambda: views(house, [jobs.cancel(house, caller, job_id)]))
    return view


@router.post("/{job_id}/retry")
async def retry(request: Request, caller: Submitter, job_id: JobId) -> JobView:
    """Let a job that failed or was cancelled run once more."""
    house = state_of(request).house
    [view] = await to_thread.run_sync(lambda: views(house, [jobs.retry(house, caller, job_id)]))
    return view


@router.delete("/{job_id}", status_code=204)
async def delete(request: Request, caller: Submitter, job_id: JobId) -> Response:
    """Delete a job that is over, with its recording and transcript."""
    await to_thread.run_sync(jobs.delete, state_of(request).house, caller, job_id)
    return Response(status_code=204)


@router.get("/{job_id}/events", response_class=StreamingResponse, responses=_EVENTS)  # type: ignore[arg-type]
async def events(
    request: Request, caller: Reader, job_id: JobId, last_event_id: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    """What happens to a job, from the start or after `Last-Event-ID`, until it is over.

    Events are `state`, `stage`, `segment`, `speakers` and `warning`, each with JSON as its data. Segments come as they
    are recognised, before it is known who speaks; `speakers` then tells the turns, a later one better than an earlier
    one, and the transcript has its segments split where the speaker changes.
    """
    state = state_of(request)
    await to_thread.run_sync(jobs.find, state.house, caller, job_id)
    seen = last_event_id or ""
    seq = int(seen) if re.fullmatch("[0-9]{1,9}", seen) else 0
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    frames = while_welcome(request, caller, _stream(state, job_id, seq))
    return StreamingResponse(frames, media_type="text/event-stream", headers=headers)


@router.get("/{job_id}/callback")
async def callback(request: Request, caller: Reader, job_id: JobId) -> CallbackDetail:
    """What became of the job's callback, try by try."""
    house = state_of(request).house

    def read() -> CallbackDetail:
        jobs.find(house, caller, job_id)
        with house.db.read() as connection:
            found = callbacks.of_job(connection, job_id)
            if found is None:
                raise NotFound(what="callback of job", id=job_id)
            return schemas.callback_view(found, list(callbacks.attempts_of(connection, found.id)))

    return await to_thread.run_sync(read)


@router.post("/{job_id}/callback/replay", status_code=202)
async def replay(request: Request, caller: Submitter, job_id: JobId) -> CallbackDetail:
    """Send the job's callback once more: the same id, the same bytes."""
    house = state_of(request).house

    def write() -> None:
        jobs.find(house, caller, job_id)
        with house.db.write() as tx:
            if not callbacks.replay(tx, job_id):
                raise NotFound(what="callback of job", id=job_id)

    await to_thread.run_sync(write)
    return await callback(request, caller, job_id)


def views(house: House, found: Sequence[Job]) -> list[JobView]:
    """Jobs as clients see them."""
    standings, labels = enhancing.standings(house, found), library.labels(house, found)
    return [schemas.view(job, standings[job.id].status, labels[job.id]) for job in found]


async def _stream(state: State, job_id: str, seq: int) -> AsyncGenerator[str]:
    yield "retry: 2000\n\n"
    async for event in events_of(state, job_id, seq):
        yield ": nothing new\n\n" if event is None else _sse(event)


def _sse(event: JobEvent) -> str:
    data = json.dumps({"attempt": event.attempt, "at": event.at, **event.payload}, ensure_ascii=False)
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n"


def _cursor(before: str | None) -> tuple[float, str] | None:
    if before is None:
        return None
    moment, _, job_id = before.rpartition("-")
    try:
        return float(moment), job_id
    except ValueError as error:
        raise RequestError(cause="before must be `next` of a page", param="before") from error


def _priority(value: str | None, own: int, *, admin: bool) -> int:
    try:
        priority = int(value or 0)
    except ValueError as error:
        raise OptionError(name="priority", value=value, cause="must be a whole number", param="priority") from error
    if abs(priority) > _MOST_PRIORITY:
        cause = f"must be from -{_MOST_PRIORITY} to {_MOST_PRIORITY}"
        raise OptionError(name="priority", value=value, cause=cause, param="priority")
    # Nobody jumps the queue by asking: a key's owner may only step back, unless the key is an admin's.
    return priority if admin else min(priority, 0) if own <= 0 else min(priority, own)


def _kept(value: str | None) -> bool | None:
    if value is None:
        return None
    if value.lower() not in ("true", "false", "1", "0", "on", "off"):
        raise OptionError(name="keep", value=value, cause="must be true or false", param="keep")
    return value.lower() in ("false", "0", "off")
