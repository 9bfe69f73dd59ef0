"""``/api/v1/transcriptions/{id}/document``: a transcript that is edited, and its versions."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.app import documents, enhancing
from stenogram.enhance.edit import MOST_TEXT_CHARS
from stenogram.enhancement import EnhanceStatus
from stenogram.job import JobState
from stenogram.server.auth import Reader, Submitter
from stenogram.server.documents import MOST_EDITS, answer, body_of, document_json, edits_of, saved_json, version_json
from stenogram.server.errors import ANSWERS
from stenogram.server.routes.jobs import JobId
from stenogram.server.state import state_of

router = APIRouter(prefix="/api/v1/transcriptions", tags=["documents"], responses=ANSWERS)

_WORD: dict[str, Any] = {
    "type": "array",
    "description": "The word, its start and end in seconds, its probability or null, 1 where the time was fitted",
    "prefixItems": [
        {"type": "string"},
        {"type": "number"},
        {"type": "number"},
        {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        {"type": "integer", "enum": [0, 1]},
    ],
    "minItems": 5,
    "maxItems": 5,
    "example": ["Hello", 0.32, 0.71, 0.98, 0],
}
_PASSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": MOST_TEXT_CHARS},
        "speaker": {
            "type": ["string", "null"],
            "description": "A label, a present name, or a new one; null: nobody; left out: who spoke there before",
        },
        "words": {
            "type": ["array", "null"],
            "items": _WORD,
            "description": "With their times, as the server once gave them: to take an edit back. Left out: fitted",
        },
        "start": {"type": ["number", "null"], "minimum": 0, "description": "Seconds; left out: that of the words"},
        "end": {"type": ["number", "null"], "minimum": 0},
        "suspect": {"type": "boolean", "default": False},
    },
}
_EDIT: dict[str, Any] = {
    "type": "object",
    "required": ["replace", "by"],
    "properties": {
        "replace": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "Ids of consecutive segments, in order; empty: something is put in",
        },
        "by": {"type": "array", "items": _PASSAGE, "description": "What is to stand there; empty: nothing"},
        "after": {
            "type": ["integer", "null"],
            "description": "Where `replace` is empty: behind this segment; null: at the beginning",
        },
    },
}
_EDITS: dict[str, Any] = {
    "type": "object",
    "required": ["base", "edits"],
    "properties": {
        "base": {"type": "integer", "minimum": 0, "description": "Version that was edited"},
        "edits": {"type": "array", "minItems": 1, "maxItems": MOST_EDITS, "items": _EDIT},
    },
}
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _EDITS}}},
}


class SpeakerName(BaseModel):
    """Somebody who speaks."""

    label: str = Field(description="What the diarizer calls them", examples=["SPEAKER_00"])
    name: str = Field(description="What the owner calls them; the label where they do not", examples=["Ann"])


class TurnView(BaseModel):
    """A stretch in which one speaker speaks."""

    start: float
    end: float
    speaker: str


class SegmentView(BaseModel):
    """A segment of a document."""

    id: int
    start: float
    end: float
    text: str
    speaker: str | None = Field(description="Their name")
    words: list[tuple[str, float, float, float | None, int]] = Field(
        description="Word, start, end, probability or null, 1 where the time was fitted"
    )
    suspect: bool = Field(description="It looks invented, and nobody has edited it")


class DocumentView(BaseModel):
    """A transcript as it is edited."""

    job_id: str
    title: str | None
    filename: str | None
    state: JobState
    version: int = Field(description="Of this text; 0: as it was found")
    head: int = Field(description="The last version")
    edited_at: float | None
    language: str | None
    duration: float
    model: str
    engine: str
    warnings: list[str]
    speakers: list[SpeakerName]
    turns: list[TurnView]
    has_media: bool = Field(description="Whether the recording is still here")
    llm_enhancement_status: EnhanceStatus
    llm_enhancement_reason: str | None
    segments: list[SegmentView]


class MadeView(BaseModel):
    """What came of an edit."""

    replace: list[int]
    by: list[SegmentView]


class SavedView(BaseModel):
    """What came of edits."""

    version: int
    saved_at: float
    others: bool = Field(description="Others had edited other segments meanwhile: load the document anew")
    edits: list[MadeView]
    speakers: list[SpeakerName] = Field(description="Everybody who speaks now")


class VersionView(BaseModel):
    """A version of a transcript."""

    number: int
    author: str | None
    author_name: str | None
    created_at: float | None
    saved_at: float | None
    changes: int = Field(description="Saves that it gathers")
    restored: int | None = Field(description="The earlier version that it is the same as")


class VersionList(BaseModel):
    """The versions that can be read, the last one first, version 0 (as it was found) at the end."""

    versions: list[VersionView]


class RestoreWish(BaseModel):
    """Which version one has seen."""

    base: int = Field(ge=0, description="The last version, as far as is known")


class Restored(BaseModel):
    """The version that is the last one now."""

    version: int


@router.get("/{job_id}/document", responses={200: {"model": DocumentView}})
async def one(
    request: Request,
    caller: Reader,
    job_id: JobId,
    version: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="An earlier one; 0: as it was found")] = None,
) -> Response:
    """The transcript with its words, compact, to show and to edit."""
    state = state_of(request)

    def read() -> Response:
        document = documents.read(state.house, caller, job_id, version)
        standing = enhancing.standings(state.house, [document.job])[job_id]
        return answer(request, document_json(document, standing))

    return await to_thread.run_sync(read)


@router.patch("/{job_id}/document", responses={200: {"model": SavedView}}, openapi_extra=_BODY)
async def edit(request: Request, caller: Submitter, job_id: JobId) -> Response:
    """Replace consecutive segments by others: to correct, split, join, insert, delete, or take an edit back.

    Words that stay keep their times; others are fitted between their neighbours. All edits are taken or none. One
    segment that is replaced by one keeps its id. Where somebody else edited the same segments since `base`, the answer
    is 409 with the code `version_conflict`.
    """
    state, body = state_of(request), await body_of(request)

    def save() -> Response:
        base, edits = edits_of(body)
        saved = documents.save(state.house, caller, job_id, base, edits)
        return answer(request, saved_json(saved, edits))

    return await to_thread.run_sync(save)


@router.get("/{job_id}/versions")
async def versions(request: Request, caller: Reader, job_id: JobId) -> VersionList:
    """Who edited the transcript, and when; saves of one author within ten minutes gather in one version."""
    job, found = await to_thread.run_sync(documents.listing, state_of(request).house, caller, job_id)
    first = VersionView(
        number=0,
        author=None,
        author_name=None,
        created_at=job.finished_at,
        saved_at=job.finished_at,
        changes=0,
        restored=None,
    )
    return VersionList(versions=[*(VersionView(**version_json(version)) for version in found), first])


@router.post("/{job_id}/versions/{number}/restore")
async def restore(
    request: Request,
    caller: Submitter,
    job_id: JobId,
    number: Annotated[int, Path(ge=0, le=2**31 - 1)],
    wish: RestoreWish,
) -> Restored:
    """Make an earlier version the last one again, as a new version: nothing is lost by it."""
    state = state_of(request)
    version = await to_thread.run_sync(documents.restore, state.house, caller, job_id, number, wish.base)
    return Restored(version=version.number)
