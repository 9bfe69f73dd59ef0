"""``/v1``: the OpenAI audio API, for the clients there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from stenogram.app import enabled, jobs
from stenogram.errors import OptionError, StenogramError, UnknownModel
from stenogram.job import Caller, Job
from stenogram.server.auth import Reader, Submitter
from stenogram.server.errors import ANSWERS, body_of, failure_of, status_of
from stenogram.server.follow import end_of, ends, events_of
from stenogram.server.forms import FILE, form_body, receive
from stenogram.server.openai.answer import Stream, body, event
from stenogram.server.openai.request import ALIASES, WireRequest, fit, parse
from stenogram.server.state import State, state_of
from stenogram.types import Task, Transcript

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=ANSWERS)

_STARTED = int(time.time())
_CLIENT_GONE = 499
_text: dict[str, Any] = {"type": "string"}
_FORM = form_body(
    required=["file", "model"],
    file=FILE,
    model={"type": "string", "examples": ["whisper-1"]},
    language={"type": "string", "description": "ISO 639-1 code or English name", "examples": ["en"]},
    prompt=_text,
    response_format={"type": "string", "enum": ["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]},
    temperature={"type": "number", "minimum": 0, "maximum": 1},
    stream={"type": "boolean"},
    hotwords=_text,
    vad_filter={"type": "boolean"},
    task={"type": "string", "enum": ["transcribe", "translate"]},
    **{  # type: ignore[arg-type]
        "timestamp_granularities[]": {"type": "array", "items": {"type": "string", "enum": ["word", "segment"]}},
        "include[]": {"type": "array", "items": {"type": "string", "enum": ["logprobs"]}},
        "languages[]": {"type": "array", "items": _text},
        "keywords[]": {"type": "array", "items": _text},
        "known_speaker_names[]": {"type": "array", "items": _text, "maxItems": 4},
        "chunking_strategy": {"type": "string", "examples": ["auto"]},
    },
)
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {} for kind in ("application/json", "text/plain", "text/vtt", "text/event-stream")}}
}


@router.post("/audio/transcriptions", openapi_extra=_FORM, responses=_ANSWER, response_class=Response)
async def transcriptions(request: Request, caller: Submitter) -> Response:
    """Turn speech into text."""
    return await _answer(request, caller, "transcribe")


@router.post("/audio/translations", openapi_extra=_FORM, responses=_ANSWER, response_class=Response)
async def translations(request: Request, caller: Submitter) -> Response:
    """Turn speech into English text."""
    return await _answer(request, caller, "translate")


@router.get("/models")
async def models(request: Request, _caller: Reader) -> dict[str, Any]:
    """The enabled models, and OpenAI's names for the default one."""
    names = await to_thread.run_sync(_names, state_of(request))
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{model:path}")
async def model(request: Request, _caller: Reader, model: str) -> dict[str, Any]:
    """One model."""
    names = await to_thread.run_sync(_names, state_of(request))
    if model not in names:
        raise UnknownModel(model=model, known=", ".join(names))
    return _model(model)


async def _answer(request: Request, caller: Caller, task: Task) -> Response:
    state = state_of(request)
    async with receive(request) as received:
        wire = parse(received.form, task, state.house.settings.model)
        wire = await to_thread.run_sync(_fitted, state, wire)
        recordings = received.media("file")
        if len(recordings) != 1:
            raise OptionError("file is required: one recording", param="file")
        [job] = await to_thread.run_sync(jobs.submit, state.house, caller, wire.order, recordings)
        received.keep()
    headers = {"x-stenogram-job": job.id}
    if wire.warnings:
        headers["x-stenogram-warning"] = "; ".join(wire.warnings)
    if wire.stream:
        headers |= {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(_stream(state, wire, job), media_type="text/event-stream", headers=headers)
    ended = await _wait(request, state, job)
    if ended is None:
        return Response(status_code=_CLIENT_GONE)
    if ended.state != "succeeded":
        raise failure_of(ended)
    text, media_type = await to_thread.run_sync(lambda: body(wire, _transcript(state, job)))
    return Response(text, media_type=media_type, headers=headers)


def _fitted(state: State, wire: WireRequest) -> WireRequest:
    """Raises ``UnknownModel`` for a model that is not here or not on: on this wire both are a 404."""
    name = wire.order.model
    try:
        enabled.check(state.house, name)
    except (OptionError, UnknownModel) as error:
        raise UnknownModel(model=name, known=", ".join(_names(state))) from error
    language = wire.order.run.transcribe.language
    if language is not None:
        options = replace(wire.order.run.transcribe, language=jobs.language_code(language))
        wire = replace(wire, order=replace(wire.order, run=replace(wire.order.run, transcribe=options)))
    return fit(state.house, wire)


async def _wait(request: Request, state: State, job: Job) -> Job | None:
    """The job when it is over; None, and the job given up, when the client went away before."""
    waiting = asyncio.create_task(end_of(state, job.id))
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        await to_thread.run_sync(jobs.abandon, state.house, job)
        return None
    finally:
        waiting.cancel()
        gone.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(state: State, wire: WireRequest, job: Job) -> AsyncIterator[str]:
    stream, over = Stream(wire), False
    try:
        yield ": job " + job.id + "\n\n"  # the headers go out now: clients wait only so long for them
        async for happened in events_of(state, job.id, 0):
            if happened is None:
                yield ": working\n\n"
            elif happened.kind == "segment":
                for line in stream.segment(happened.payload):
                    yield line
            elif ends(happened):
                over = True
                for line in await to_thread.run_sync(lambda: list(_last(state, job.id, stream))):
                    yield line
    finally:
        if not over and not state.hub.closing:
            with CancelScope(shield=True):
                await to_thread.run_sync(jobs.abandon, state.house, job)


def _last(state: State, job_id: str, stream: Stream) -> list[str]:
    ended = jobs.find(state.house, Caller(), job_id)
    if ended.state == "succeeded":
        return list(stream.done(_transcript(state, ended)))
    error: StenogramError = failure_of(ended)
    return [event(body_of(status_of(error), str(error), error.code))]


def _transcript(state: State, job: Job) -> Transcript:
    return jobs.transcript(state.house, Caller(), job.id)


def _names(state: State) -> list[str]:
    with state.house.db.read() as connection:
        return [*enabled.names(state.house, connection), *ALIASES]


def _model(name: str) -> dict[str, Any]:
    owner = "openai" if name in ALIASES else "stenogram"
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": owner}
