"""``/v1``: the OpenAI audio API, for the clients there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from anyio import CancelScope, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from stenogram.app import jobs
from stenogram.errors import DatabaseUnavailable, OptionError, StenogramError
from stenogram.job import Caller, Job
from stenogram.server.auth import Reader, Submitter
from stenogram.server.errors import ANSWERS, failure_of, told_of
from stenogram.server.follow import end_of, ends, events_of
from stenogram.server.forms import receive
from stenogram.server.openai.answer import PING, Stream, body, event
from stenogram.server.openai.document import ANSWER, TRANSCRIPTION, TRANSLATION
from stenogram.server.openai.fit import check, fit, names
from stenogram.server.openai.request import ALIASES, WireRequest, parse
from stenogram.server.state import State, state_of
from stenogram.types import Segment, Task, Transcript

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=ANSWERS)

_STARTED = int(time.time())
_CLIENT_GONE = 499
_PING_S = 5.0
_MOST_WARNING_CHARS = 2000


@router.post("/audio/transcriptions", openapi_extra=TRANSCRIPTION, responses=ANSWER, response_class=Response)
async def transcriptions(request: Request, caller: Submitter) -> Response:
    """Turn speech into text."""
    return await _answer(request, caller, "transcribe")


@router.post("/audio/translations", openapi_extra=TRANSLATION, responses=ANSWER, response_class=Response)
async def translations(request: Request, caller: Submitter) -> Response:
    """Turn speech into English text."""
    return await _answer(request, caller, "translate")


@router.get("/models")
async def models(request: Request, _caller: Reader) -> dict[str, Any]:
    """The enabled models, and OpenAI's names for the default one."""
    known = await to_thread.run_sync(names, state_of(request).house)
    return {"object": "list", "data": [_model(name) for name in known]}


@router.get("/models/{model:path}")
async def model(request: Request, _caller: Reader, model: str) -> dict[str, Any]:
    """One model, by any name that a transcription takes."""
    await to_thread.run_sync(check, state_of(request).house, model)
    return _model(model)


async def _answer(request: Request, caller: Caller, task: Task) -> Response:
    state = state_of(request)
    async with receive(request) as received:
        wire = await to_thread.run_sync(parse, received.form, task, state.house.settings.model)
        wire = await to_thread.run_sync(fit, state.house, wire)
        recordings = received.media("file")
        if len(recordings) != 1:
            raise OptionError(f"file must be one recording; {len(recordings)} came as files of this name", param="file")
        [job] = await to_thread.run_sync(jobs.submit, state.house, caller, wire.order, recordings)
        received.keep(recordings)
    headers = {"x-stenogram-job": job.id}
    if wire.warnings:
        headers["x-stenogram-warning"] = _header(wire.warnings)
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


async def _wait(request: Request, state: State, job: Job) -> Job | None:
    """The job when it is over; None, and the job given up, when the client went away before."""
    waiting = asyncio.create_task(end_of(state, job.id))
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        await to_thread.run_sync(state.given_up.add, state.house, job)
        return None
    finally:
        waiting.cancel()
        gone.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(state: State, wire: WireRequest, job: Job) -> AsyncIterator[str]:
    over = False
    try:
        yield f": job {job.id}\n\n"  # the headers go out now: clients wait only so long for them
        async for text in _told(state, wire, job):
            yield text
        over = True
    except StenogramError as error:
        over = True
        yield event(told_of(error))
    finally:
        if not over and not state.hub.closing:
            with CancelScope(shield=True):
                await to_thread.run_sync(state.given_up.add, state.house, job)


async def _told(state: State, wire: WireRequest, job: Job) -> AsyncIterator[str]:
    """The events of a stream, and a comment wherever the client would hear nothing for long.

    Raises what the job failed with, and ``DatabaseUnavailable`` when the server stops before it is done.
    """
    stream, told_at = Stream(wire), time.monotonic()
    async for happened in events_of(state, job.id, 0):
        if happened is not None and ends(happened):
            for text in await to_thread.run_sync(_last, state, job.id, stream):
                yield text
            return
        texts: list[str] = []
        if happened is not None and happened.kind == "segment":
            texts = list(stream.segment(msgspec.convert(happened.payload, Segment)))
        elif happened is None or time.monotonic() - told_at >= _PING_S:
            texts = [PING]
        for text in texts:
            told_at = time.monotonic()
            yield text
    await to_thread.run_sync(jobs.find, state.house, Caller(), job.id)  # was it deleted?
    raise DatabaseUnavailable(where="the server", cause="it is stopping")


def _last(state: State, job_id: str, stream: Stream) -> Sequence[str]:
    ended = jobs.find(state.house, Caller(), job_id)
    if ended.state != "succeeded":
        raise failure_of(ended)
    return list(stream.done(_transcript(state, ended)))


def _transcript(state: State, job: Job) -> Transcript:
    return jobs.transcript(state.house, Caller(), job.id)


def _header(warnings: Sequence[str]) -> str:
    """Headers are ASCII without control characters, whatever names a client sent."""
    told = "; ".join(warnings).encode("ascii", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in told)[:_MOST_WARNING_CHARS]


def _model(name: str) -> dict[str, Any]:
    owner = "openai" if name in ALIASES else "stenogram"
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": owner}
