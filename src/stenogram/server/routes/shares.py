"""Links to a transcript: made and taken back by its owner, followed by whoever has one (``/api/v1/shared/{token}``).

What a link opens names nothing but the transcript itself: no id by which anything else could be asked for, no owner,
and not the name of the file where the owner gave a title.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Annotated

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.app import documents, exporting, shares
from stenogram.app.exporting import Export
from stenogram.app.shares import MOST_DAYS, Visit
from stenogram.errors import NotFound
from stenogram.job import Job
from stenogram.server.auth import Reader, Submitter
from stenogram.server.documents import answer as as_answer
from stenogram.server.documents import segment_json, speakers_json, turns_json
from stenogram.server.errors import ANSWERS
from stenogram.server.guard import ANSWER_HEADERS
from stenogram.server.limits import Allowance
from stenogram.server.recordings import peaks, recording
from stenogram.server.routes.documents import SegmentView, SpeakerName, TurnView
from stenogram.server.routes.exports import ExportName, Layout, Wanted, answer, in_turn
from stenogram.server.routes.jobs import JobId
from stenogram.server.routes.media import MEDIA, PeaksView, outline_of
from stenogram.server.state import state_of
from stenogram.store.shares import Share

router = APIRouter(prefix="/api/v1", tags=["shares"], responses=ANSWERS)

_HIDDEN = {"x-robots-tag": "noindex, nofollow"}
"""No search engine lists what somebody put a link to on a page."""


class ShareView(BaseModel):
    """A link to a transcript, without what opens."""

    id: str
    created_at: float
    expires_at: float
    opened_at: float | None = Field(description="When somebody last followed it, to the hour")
    media: bool = Field(description="The recording may be heard, too")
    revoked: bool


class ShareList(BaseModel):
    """Links to one transcript, newest first."""

    shares: list[ShareView]


class ShareWish(BaseModel):
    """What a new link is to be."""

    expires_days: int = Field(default=7, ge=1, le=MOST_DAYS)
    media: bool = Field(default=True, description="Whether the recording may be heard, too")


class MadeShare(BaseModel):
    """A link that was made just now."""

    share: ShareView
    token: str = Field(description="What opens. It is told now and never again")
    path: str = Field(description="Of the page that shows it", examples=["/app/shared/..."])


@router.get("/transcriptions/{job_id}/shares")
async def listing(request: Request, caller: Reader, job_id: JobId) -> ShareList:
    """The links to a transcript."""
    found = await to_thread.run_sync(shares.listing, state_of(request).house, caller, job_id)
    return ShareList(shares=[_view(share) for share in found])


@router.post("/transcriptions/{job_id}/shares", status_code=201)
async def create(
    request: Request, caller: Submitter, job_id: JobId, response: Response, wish: ShareWish | None = None
) -> MadeShare:
    """Make a link by which anybody who has it may read the transcript, until it expires or is taken back."""
    house, wanted = state_of(request).house, wish or ShareWish()
    token, share = await to_thread.run_sync(
        lambda: shares.create(house, caller, job_id, wanted.expires_days, media=wanted.media)
    )
    response.headers["cache-control"] = "no-store"
    return MadeShare(share=_view(share), token=token, path=f"/app/shared/{token}")


@router.delete("/shares/{share_id}", status_code=204)
async def revoke(
    request: Request, caller: Submitter, share_id: Annotated[str, Path(min_length=1, max_length=64)]
) -> Response:
    """Take a link back: it opens nothing more."""
    await to_thread.run_sync(shares.revoke, state_of(request).house, caller, share_id)
    return Response(status_code=204)


# --- what a link opens ---


async def _follow(
    request: Request, token: Annotated[str, Path(description="Of the link", min_length=1, max_length=128)]
) -> AsyncIterator[Visit]:
    """Who follows a link. Raises ``NotFound``, and ``TooManyRequests`` by the limits of the settings."""
    state = state_of(request)
    address = request.client.host if request.client else ""
    allowance = Allowance(state.house.server.requests_per_minute, state.house.server.max_concurrent)
    told: dict[str, str] = request.scope.setdefault("state", {}).setdefault(ANSWER_HEADERS, {})
    told.update(_HIDDEN)
    with state.limits.admit(f"shared {address}", allowance, told):
        yield await to_thread.run_sync(shares.follow, state.house, token, address)


Follower = Annotated[Visit, Depends(_follow)]
"""Somebody with a link; no key, no session."""


class SharedView(BaseModel):
    """The transcript of a link, to read."""

    title: str | None = Field(description="What the owner calls it; the name of the file where they do not")
    expires_at: float = Field(description="When the link opens it no more")
    language: str | None
    duration: float
    speakers: list[SpeakerName]
    turns: list[TurnView]
    has_media: bool = Field(description="Whether the recording may be heard, and is still here")
    segments: list[SegmentView]


@router.get("/shared/{token}", responses={200: {"model": SharedView}})  # noqa: FAST003 - ``Follower`` has it
async def one(request: Request, visit: Follower) -> Response:
    """The transcript of a link, as its owner has it now."""
    house = state_of(request).house

    def read() -> Response:
        document = documents.read(house, visit.caller, visit.job.id)
        transcript, names = document.transcript, document.names
        shown = {
            "title": visit.title,
            "expires_at": visit.share.expires_at,
            "language": transcript.language,
            "duration": transcript.duration,
            "speakers": speakers_json(transcript, names),
            "turns": turns_json(transcript, names),
            "has_media": visit.share.media and visit.job.media is not None,
            "segments": [segment_json(segment, names) for segment in transcript.segments],
        }
        return as_answer(request, msgspec.json.encode(shown))

    return await to_thread.run_sync(read)


@router.head("/shared/{token}/media", include_in_schema=False)  # noqa: FAST003 - as above
@router.get("/shared/{token}/media", response_class=Response, responses=MEDIA)
async def media(
    request: Request,
    visit: Follower,
    playable: Annotated[bool, Query(description="As a small mono MP3, which every browser plays")] = False,
) -> Response:
    """The recording of a link, with ranges; 404 where the link is for the text alone."""
    job = _heard(visit)
    with _nameless():
        return await recording(request, state_of(request), job, playable=playable)


@router.get("/shared/{token}/peaks")  # noqa: FAST003 - as above
async def outline(request: Request, visit: Follower) -> PeaksView:
    """The outline of the recording of a link."""
    job = _heard(visit)
    with _nameless():
        return outline_of(await peaks(state_of(request), job))


def _heard(visit: Visit) -> Job:
    """The job of a link by which the recording may be heard, under the name that the link tells."""
    job = visit.job
    if not visit.share.media or job.media is None:
        raise shares.nothing()
    suffix = PurePath(job.media.filename).suffix
    return replace(job, media=replace(job.media, filename=(job.title or "").strip() + suffix)) if job.title else job


@contextlib.contextmanager
def _nameless() -> Iterator[None]:
    """Errors name the job; who follows a link is told only that there is nothing."""
    try:
        yield
    except NotFound as error:
        raise shares.nothing() from error


@router.get("/shared/{token}/export")  # noqa: FAST003 - as above
async def export(
    request: Request,
    visit: Follower,
    layout: Layout,
    wanted: Wanted,
    format: Annotated[ExportName, Query()],  # noqa: A002 - the field's own word for it
    download: Annotated[bool, Query(description="As a file, named after the recording")] = True,
) -> Response:
    """The transcript of a link as a file."""
    house = state_of(request).house

    def make() -> Export:
        job, transcript = exporting.text_of(house, visit.caller, visit.job.id, wanted)
        plain = replace(transcript, warnings=(), choices=())  # they are the owner's, and may name files
        return exporting.export(replace(job, filename=visit.title), plain, format, layout)

    return answer(await in_turn(make), download=download)


def _view(share: Share) -> ShareView:
    return ShareView(
        id=share.id,
        created_at=share.created_at,
        expires_at=share.expires_at,
        opened_at=share.opened_at,
        media=share.media,
        revoked=share.revoked_at is not None,
    )
