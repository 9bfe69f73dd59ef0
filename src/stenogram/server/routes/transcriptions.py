"""``/api/v1/transcriptions``: what was said, in every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.app import enhancing, exporting, jobs, transcripts
from stenogram.app.enhancing import Report
from stenogram.app.transcripts import NamedSpeaker
from stenogram.enhancement import EnhanceStatus
from stenogram.formats import FORMATS
from stenogram.server.auth import Reader, Submitter
from stenogram.server.errors import ANSWERS
from stenogram.server.routes.exports import ExportName, Layout, Wanted, answer, in_turn
from stenogram.server.routes.jobs import JobId
from stenogram.server.state import state_of
from stenogram.store.claims import as_json
from stenogram.types import Transcript

router = APIRouter(prefix="/api/v1/transcriptions", tags=["transcriptions"], responses=ANSWERS)

FormatName = Literal["full", ExportName]


class TranscriptView(BaseModel):
    """Everything that is known of what was said."""

    job_id: str
    filename: str | None
    text: str
    language: str | None = Field(description="ISO 639-1", examples=["en"])
    duration: float
    model: str
    engine: str
    segments: list[dict[str, Any]] = Field(description="With words, times, probabilities, speakers")
    warnings: list[str]
    choices: list[str] = Field(description="What was chosen for this recording, and why")
    turns: list[dict[str, Any]] = Field(description="Who spoke when: start, end, speaker; they may overlap")
    diarizer: str = Field(description="Who told the speakers apart; empty: nobody was asked")
    llm_enhancement_status: EnhanceStatus = Field(description="How far a language model is with the text")
    llm_enhancement_reason: str | None = Field(description="Why that failed or was skipped")
    enhanced_text: str | None = Field(description="The text as the language model cleaned it up, with every change")


class SpeakerShare(BaseModel):
    """What one speaker has of a transcript."""

    speaker: str = Field(description="As the transcript calls them", examples=["Ann"])
    labels: list[str] = Field(
        description="What they were called first; several where speakers were made one", examples=[["SPEAKER_00"]]
    )
    seconds: float = Field(description="Time in which they speak, also under others' speech")
    words: int
    segments: int


class SpeakerShares(BaseModel):
    """Everybody who speaks in a transcript, in the order in which they begin."""

    speakers: list[SpeakerShare]


@router.get(
    "/{job_id}",
    response_model=TranscriptView,
    responses={200: {"content": {known.media_type: {} for known in FORMATS.values()}}},
)
async def one(  # noqa: PLR0913, PLR0917 - who asks, and what for
    request: Request,
    caller: Reader,
    job_id: JobId,
    layout: Layout,
    wanted: Wanted,
    format: Annotated[FormatName, Query()] = "full",  # noqa: A002 - the field's own word for it
    download: Annotated[bool, Query(description="As a file, named after the recording")] = False,
) -> Response:
    """The transcript of a job that has succeeded."""
    house = state_of(request).house
    job, transcript = await to_thread.run_sync(exporting.text_of, house, caller, job_id, wanted)
    if format == "full":
        clean = await to_thread.run_sync(enhancing.report, house, caller, job_id)
        view = await to_thread.run_sync(_view, clean, transcript)
        return Response(view.model_dump_json(), media_type="application/json")
    made = await in_turn(lambda: exporting.export(job, transcript, format, layout))
    return answer(made, download=download)


@router.get("/{job_id}/speakers")
async def speakers(request: Request, caller: Reader, job_id: JobId) -> SpeakerShares:
    """Who speaks in the transcript, and how much."""
    house = state_of(request).house
    job = await to_thread.run_sync(jobs.find, house, caller, job_id)
    return _shares(await to_thread.run_sync(transcripts.speakers, house, job))


@router.patch("/{job_id}/speakers")
async def rename(
    request: Request,
    caller: Submitter,
    job_id: JobId,
    names: Annotated[dict[str, str | None], Body(examples=[{"SPEAKER_00": "Ann", "SPEAKER_01": "Ben"}])],
) -> SpeakerShares:
    """Call speakers otherwise, all at once; those who get the same name become one.

    Keys are `labels` (or present names); `null` takes a name back, and so parts speakers who were made one. The same
    request by labels may be repeated. Other jobs with the same recording are not changed.
    """
    house = state_of(request).house
    job = await to_thread.run_sync(jobs.find, house, caller, job_id)
    return _shares(await to_thread.run_sync(transcripts.rename, house, job, names))


def _shares(found: Sequence[NamedSpeaker]) -> SpeakerShares:
    return SpeakerShares(
        speakers=[SpeakerShare(labels=list(speaker.labels), **asdict(speaker.share)) for speaker in found]
    )


def _view(clean: Report, transcript: Transcript) -> TranscriptView:
    job = clean.job
    return TranscriptView(
        job_id=job.id,
        filename=job.filename,
        text=transcript.text,
        language=transcript.language,
        duration=transcript.duration,
        model=transcript.model,
        engine=transcript.engine,
        segments=[as_json(segment) for segment in transcript.segments],
        warnings=list(transcript.warnings),
        choices=list(transcript.choices),
        turns=[as_json(turn) for turn in transcript.turns],
        diarizer=transcript.diarizer,
        llm_enhancement_status=clean.standing.status,
        llm_enhancement_reason=clean.standing.reason,
        enhanced_text=clean.stored.enhancement.text if clean.stored is not None else None,
    )
