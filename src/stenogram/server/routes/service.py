"""The GPU service of R1 to R6, at its own paths."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from stenogram.app import jobs, transcripts
from stenogram.app.jobs import Order
from stenogram.errors import RequestError
from stenogram.formats import service
from stenogram.server import options
from stenogram.server.auth import Reader, Submitter
from stenogram.server.errors import ANSWERS
from stenogram.server.forms import FILE, form_body, receive
from stenogram.server.state import state_of
from stenogram.store import callbacks
from stenogram.store import jobs as job_rows
from stenogram.types import DiarizeOptions, RunOptions, TranscribeOptions

router = APIRouter(tags=["service"], responses=ANSWERS)


class Health(BaseModel):
    """Whether a job would start now."""

    status: str = Field(description="starting, ready, or error: a fault that no retry will cure", examples=["ready"])
    state: str | None = Field(None, description="What keeps it from being ready, as a stable name")
    reason: str | None = Field(None, description="The same in words")


class Submitted(BaseModel):
    """The job was taken in."""

    job_id: str = Field(examples=["5f0c6a8e1c9b4d0f9f7f7d7c2b1a0e3d"])


class Queue(BaseModel):
    """What is being done."""

    status: str = Field(description="idle or busy", examples=["busy"])
    queued: list[str]
    running: list[str]


_FORM = form_body(
    required=["file", "model", "callback_url"],
    file=FILE,
    model={"type": "string", "description": "One of the enabled models", "examples": ["moonshine-tiny-en"]},
    callback_url={"type": "string", "format": "uri", "description": "Gets the result by POST"},
    language={
        "type": "string",
        "description": "Name or ISO code; Russian unless set otherwise",
        "examples": ["en"],
    },
    **options.schemas(DiarizeOptions),
)


@router.get("/health")
async def health(request: Request) -> Health:
    """Whether a job would start now; answered from memory."""
    snapshot = state_of(request).board.snapshot
    return Health(status=snapshot.health, state=snapshot.state, reason=snapshot.reason)


@router.post("/transcribe", openapi_extra=_FORM)
async def transcribe(request: Request, caller: Submitter) -> Submitted:
    """Take in a recording; the result goes to ``callback_url``."""
    house = state_of(request).house
    async with receive(request) as form:
        given = {name: form.get(name) for name in ("model", "callback_url", "language")}
        recordings = form.media("file")
        for name, value in {"file": recordings, **given}.items():
            if not value and name != "language":
                raise RequestError(cause=f"{name} is required", param=name)
        if len(recordings) > 1:
            raise RequestError(cause="one file for each request; many go to /api/v1/jobs", param="file")
        language = given["language"] or house.server.service_language
        order = Order(
            source="service",
            model=given["model"] or "",
            run=RunOptions(transcribe=TranscribeOptions(language=language)),
            callback_url=given["callback_url"],
            diarize=options.speakers_of(form.form, known=False),
        )
        [job] = await to_thread.run_sync(jobs.submit, house, caller, order, recordings)
        form.keep(recordings)
    return Submitted(job_id=job.id)


@router.get("/queue")
async def queue(request: Request, caller: Reader) -> Queue:
    """The jobs that wait and that run, in order."""
    house = state_of(request).house

    def read() -> tuple[list[str], list[str]]:
        with house.db.read() as connection:
            queued = job_rows.ids(connection, "queued", caller.owner, everybody=caller.admin)
            return queued, job_rows.ids(connection, "running", caller.owner, everybody=caller.admin)

    queued, running = await to_thread.run_sync(read)
    return Queue(status="busy" if queued or running else "idle", queued=queued, running=running)


@router.get("/status")
async def status(request: Request, caller: Reader, job_id: Annotated[str, Query()]) -> dict[str, Any]:
    """How a job is, with its result when it is done."""
    house = state_of(request).house

    def read() -> dict[str, Any]:
        job = jobs.find(house, caller, job_id)
        with house.db.read() as connection:
            transcript = transcripts.read(connection, job_id) if job.state == "succeeded" else None
            sent = callbacks.of_job(connection, job_id)
        if sent is None:
            return service.status(job, transcript)
        return service.status(job, transcript, callbacks.report(sent))

    return await to_thread.run_sync(read)
