"""Recordings on the wire: whole or in ranges, as nothing but sound or video, whatever is in them."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from stenogram.app import playback
from stenogram.app.playback import Sound
from stenogram.job import Job
from stenogram.media import MediaStore
from stenogram.server.errors import body_of, headers_of
from stenogram.server.state import State

T = TypeVar("T")

PIECE_BYTES = 2**19
"""Read at once."""
_THREADS = 8
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_reading: RunVar[CapacityLimiter] = RunVar("_reading")


class Part(NamedTuple):
    """Bytes ``start`` to ``end`` (exclusive) of a file."""

    start: int
    end: int


async def recording(request: Request, state: State, job: Job, *, playable: bool) -> Response:
    """The recording of a job, or its playable copy, as the request wants it.

    Raises ``NotFound`` where it was deleted; for a copy that must be made first ``InputError``, ``StorageError``.
    """
    house = state.house
    if not playable:
        return _answer(request, house.media, await _in_thread(lambda: playback.find(house, job)))
    sound = await _in_thread(lambda: playback.find_copy(house, job))
    if sound is None:
        await state.once.do(("copy", job.id), lambda: playback.make_copy(house, job, state.stop.is_set))
        sound = await _in_thread(lambda: playback.find_copy(house, job))
    if sound is None:
        raise playback.gone(job)
    return _answer(request, house.media, sound)


async def peaks(state: State, job: Job) -> bytes:
    """The outline of the recording of a job. Raises as ``recording`` does."""
    house = state.house
    found = await _in_thread(lambda: playback.find_peaks(house, job))
    if found is None:
        found = await state.once.do(("peaks", job.id), lambda: playback.make_peaks(house, job, state.stop.is_set))
    return found


def _answer(request: Request, store: MediaStore, sound: Sound) -> Response:
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f"inline; filename*=UTF-8''{quote(sound.filename, safe='')}",
        "content-security-policy": "sandbox",
        "etag": sound.etag,
    }
    if matches(request.headers.get("if-none-match", ""), sound.etag):
        return Response(status_code=304, headers=headers)
    part, status = Part(0, sound.size), 200
    wanted = request.headers.get("range")
    named = part_of(wanted, sound.size) if wanted is not None else None
    if named is not None and request.headers.get("if-range", sound.etag) == sound.etag:
        part, status = named, 206
        if part.start >= part.end:
            told = body_of(416, f"The recording has {sound.size} bytes.", "range_not_satisfiable", "range")
            return JSONResponse(told, 416, {**headers_of(416), "content-range": f"bytes */{sound.size}"})
        headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{sound.size}"
    headers["content-length"] = str(part.end - part.start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=sound.media_type)
    return StreamingResponse(_pieces(store, sound.url, part), status, headers, sound.media_type)


def part_of(wanted: str, size: int) -> Part | None:
    """The part of a file of ``size`` bytes that a ``Range`` names; an empty one: there is nothing of it.

    None for what is no range of bytes, or several: RFC 9110 has that left out of account, and the whole given.
    """
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return Part(max(size - int(found[2]), 0), size)
    start, end = int(found[1]), int(found[2]) + 1 if found[2] else size
    if found[2] and end <= start:
        return None
    return Part(min(start, size), min(end, size))


def matches(wanted: str, etag: str) -> bool:
    """Whether an ``If-None-Match`` names this content."""
    names = [name.strip().removeprefix("W/") for name in wanted.split(",")]
    return etag in names or "*" in names


async def _pieces(store: MediaStore, url: str, part: Part) -> AsyncIterator[bytes]:
    for start in range(part.start, part.end, PIECE_BYTES):
        end = min(start + PIECE_BYTES, part.end)
        yield await _in_thread(functools.partial(store.read, url, start, end))


async def _in_thread(work: Callable[[], T]) -> T:
    """Do ``work`` in a thread of those for recordings: a slow store holds up nothing else."""
    limiter = _reading.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_THREADS)
        _reading.set(limiter)
    return await to_thread.run_sync(work, limiter=limiter)
