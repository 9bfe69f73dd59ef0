"""``/api/v1/jobs/{id}/media`` and ``/peaks``: the recording of a job to listen to, and its outline."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.app import jobs
from stenogram.audio.peaks import PEAKS_PER_S
from stenogram.server.auth import Reader
from stenogram.server.errors import ANSWERS
from stenogram.server.recordings import peaks, recording
from stenogram.server.routes.jobs import JobId
from stenogram.server.state import state_of

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=ANSWERS)

_SOUND: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
MEDIA: dict[int | str, dict[str, Any]] = {
    200: {"description": "The recording", "content": {"audio/*": _SOUND, "video/*": _SOUND, "application/*": _SOUND}},
    206: {"description": "The part of it that `Range` names", "content": {"audio/*": _SOUND, "video/*": _SOUND}},
    304: {"description": "The same as `If-None-Match` names"},
    416: {**ANSWERS[400], "description": "`Range` names nothing of it"},
}


class PeaksView(BaseModel):
    """How loud a recording gets, for a waveform."""

    rate: int = Field(description="Peaks per second")
    peaks: str = Field(
        description="Base64 of one byte each: the largest absolute sample p (0..1) as round(255 * sqrt(p)), so that "
        "the amplitude is (byte / 255) ** 2"
    )


@router.head("/{job_id}/media", include_in_schema=False)
@router.get("/{job_id}/media", response_class=Response, responses=MEDIA)
async def media(
    request: Request,
    caller: Reader,
    job_id: JobId,
    playable: Annotated[
        bool, Query(description="As a small mono MP3, which every browser plays; it is made when first asked for")
    ] = False,
) -> Response:
    """The recording as it was sent, with ranges. It is 404 once the recording was deleted."""
    state = state_of(request)
    job = await to_thread.run_sync(jobs.find, state.house, caller, job_id)
    return await recording(request, state, job, playable=playable)


@router.get("/{job_id}/peaks")
async def outline(request: Request, caller: Reader, job_id: JobId) -> PeaksView:
    """The outline of the recording, made when first asked for; it outlives the recording."""
    state = state_of(request)
    job = await to_thread.run_sync(jobs.find, state.house, caller, job_id)
    return outline_of(await peaks(state, job))


def outline_of(found: bytes) -> PeaksView:
    """Peaks as clients see them."""
    return PeaksView(rate=PEAKS_PER_S, peaks=base64.b64encode(found).decode())
