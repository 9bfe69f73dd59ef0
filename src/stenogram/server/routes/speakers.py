"""``/api/v1/speakers``: people whose voices are known, so that recordings call them by name."""

from __future__ import annotations

import asyncio
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.app import enrol, speakers
from stenogram.diarization.rename import MOST_NAME_CHARS
from stenogram.errors import RequestError
from stenogram.job import Caller
from stenogram.server.auth import Reader, Submitter
from stenogram.server.errors import ANSWERS, failure_of
from stenogram.server.follow import end_of
from stenogram.server.forms import FILE, form_body, receive
from stenogram.server.state import State, state_of
from stenogram.store.speakers import Speaker

router = APIRouter(prefix="/api/v1/speakers", tags=["speakers"], responses=ANSWERS)

SpeakerId = Annotated[str, Path(description="Of the speaker", min_length=1, max_length=64)]
_FORM = form_body(
    required=["name", "file"],
    name={"type": "string", "minLength": 1, "maxLength": MOST_NAME_CHARS, "examples": ["Ann"]},
    file={
        "type": "array",
        "items": dict(FILE),
        "description": "Recordings in which only this person speaks, for 2 s at least; the first 30 s of speech count",
    },
)


class SpeakerView(BaseModel):
    """A person whose voice is known; what it is like is never told."""

    id: str = Field(examples=["5f0c6a8e1c9b4d0f9f7f7d7c2b1a0e3d"])
    name: str = Field(examples=["Ann"])
    owner: str | None
    samples: int = Field(description="Recordings that the voice is known by")
    seconds: float = Field(description="Speech in them")
    outdated: bool = Field(description="An older version heard the voice: not recognised until recordings come anew")
    created_at: float


class SpeakerList(BaseModel):
    """Everybody who is known."""

    speakers: list[SpeakerView]


class Naming(BaseModel):
    """What a person is to be called."""

    name: str = Field(min_length=1, max_length=MOST_NAME_CHARS, examples=["Ann"])


@router.get("")
async def listing(request: Request, caller: Reader) -> SpeakerList:
    """The people whom the caller's keys know, by name."""
    found = await to_thread.run_sync(speakers.listing, state_of(request).house.db, caller)
    return SpeakerList(speakers=[_view(speaker) for speaker in found])


@router.post("", status_code=201, openapi_extra=_FORM)
async def add(request: Request, caller: Submitter) -> SpeakerView:
    """Know a person by recordings, or a known one by more of them; answers when a worker has heard them.

    The recordings are not kept. Where one of several is of no use the others count; to send all again does no harm.
    """
    state = state_of(request)
    async with receive(request) as received:
        name = received.get("name")
        if name is None:
            raise RequestError(cause="name is required", param="name")
        recordings = received.media("file", "files", "file[]", "files[]")
        found = await to_thread.run_sync(enrol.submit, state.house, caller, name, recordings)
        received.keep(recordings)
    ended = await asyncio.gather(*(end_of(state, job.id) for job in found))
    await to_thread.run_sync(enrol.forget, state.house, ended)
    for job in ended:
        if job.state != "succeeded":
            raise failure_of(job)
    return await to_thread.run_sync(_named, state, caller, name)


@router.get("/{speaker_id}")
async def one(request: Request, caller: Reader, speaker_id: SpeakerId) -> SpeakerView:
    """One known person."""
    return _view(await to_thread.run_sync(speakers.find, state_of(request).house.db, caller, speaker_id))


@router.patch("/{speaker_id}")
async def rename(request: Request, caller: Submitter, speaker_id: SpeakerId, naming: Naming) -> SpeakerView:
    """Call a known person otherwise, from the next recording on."""
    db = state_of(request).house.db

    def change() -> Speaker:
        return speakers.rename(db, speakers.find(db, caller, speaker_id), naming.name)

    return _view(await to_thread.run_sync(change))


@router.delete("/{speaker_id}", status_code=204)
async def remove(request: Request, caller: Submitter, speaker_id: SpeakerId) -> Response:
    """Forget a person: the voice is deleted for good. Transcripts that name them stay as they are."""
    db = state_of(request).house.db
    await to_thread.run_sync(lambda: speakers.remove(db, [speakers.find(db, caller, speaker_id)], caller))
    return Response(status_code=204)


def _named(state: State, caller: Caller, name: str) -> SpeakerView:
    return _view(speakers.find_named(state.house.db, caller.owner, name))


def _view(speaker: Speaker) -> SpeakerView:
    return SpeakerView(
        id=speaker.id,
        name=speaker.name,
        owner=speaker.owner,
        samples=len(speaker.voices),
        seconds=round(sum(voice.heard_s for voice in speaker.voices), 3),
        outdated=speakers.is_outdated(speaker),
        created_at=speaker.created_at,
    )
