"""``/api/v1/transcriptions/{job_id}/preview``, and the parts of a request that say how an export is to look."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.app import exporting
from stenogram.app.exporting import Export, LineKind, Version
from stenogram.config import OptionRow, read, rows
from stenogram.formats import BinaryName, TextName
from stenogram.formats.rules import Rule
from stenogram.server.auth import Reader
from stenogram.server.errors import ANSWERS
from stenogram.server.routes.jobs import JobId
from stenogram.server.state import state_of
from stenogram.types import SubtitleOptions

router = APIRouter(prefix="/api/v1/transcriptions", tags=["transcriptions"], responses=ANSWERS)

T = TypeVar("T")

ExportName = Literal[TextName, BinaryName]
_NAMES = {"speaker_names": "speakers"}
"""Query parameters that are called otherwise than their options."""
_MOST_WARNINGS = 100
_THREADS = 2
_writing: RunVar[CapacityLimiter] = RunVar("_writing")


def _layout() -> Callable[..., SubtitleOptions]:
    """A dependency with one query parameter for every option of ``SubtitleOptions``."""
    options = list(rows(SubtitleOptions))

    def layout(**given: Any) -> SubtitleOptions:
        return read(SubtitleOptions, {row.name: given[_name(row)] for row in options}, {})

    parameters = [
        inspect.Parameter(
            _name(row),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[row.type | None, Query(description=f"{row.help} [default: {_shown(row.default)}]")],
        )
        for row in options
    ]
    layout.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what FastAPI reads
    return layout


def _name(row: OptionRow) -> str:
    return _NAMES.get(row.name, row.name)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _version(
    enhanced: Annotated[bool, Query(description="With the accepted changes of the clean text, or translated")] = False,
    kind: Annotated[LineKind, Query(description="Which, with `enhanced`")] = "clean",
    target_language: Annotated[str | None, Query(description="Of the translation, where there are several")] = None,
) -> Version:
    return Version(enhanced, kind, target_language)


Layout = Annotated[SubtitleOptions, Depends(_layout())]
Wanted = Annotated[Version, Depends(_version)]


async def in_turn(work: Callable[[], T]) -> T:
    """Do ``work`` in one of a few threads of its own: a Word document of a day takes half a minute.

    Whoever has a link may ask for many, and nobody else should wait for them.
    """
    limiter = _writing.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_THREADS)
        _writing.set(limiter)
    return await to_thread.run_sync(work, limiter=limiter)


def answer(made: Export, *, download: bool) -> Response:
    """An export as the body of an answer; ``download``: as a file."""
    headers = {}
    if download:
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(made.filename, safe='')}"
    charset = "" if made.format.binary else "; charset=utf-8"
    return Response(made.body, media_type=made.format.media_type + charset, headers=headers)


class CueWarning(BaseModel):
    """A cue that breaks a rule."""

    cue: int = Field(description="Its number, from 1")
    rule: Rule
    found: float = Field(description="Characters a second, columns, seconds, or milliseconds of gap")
    allowed: float = Field(description="What the option says")
    start: float = Field(description="When the cue comes, seconds")
    text: str
    message: str = Field(description="A sentence about it")


class PreviewView(BaseModel):
    """How an export begins."""

    text: str = Field(description="Of a Word document, what it says")
    truncated: bool = Field(description="The export goes on")
    cues: int | None = Field(description="How many cues it has; null: it is no subtitles")
    warnings: list[CueWarning] = Field(description=f"Cues that break a rule, the first {_MOST_WARNINGS}")
    warnings_total: int


@router.get("/{job_id}/preview")
async def preview(  # noqa: PLR0913, PLR0917 - who asks, and what for
    request: Request,
    caller: Reader,
    job_id: JobId,
    layout: Layout,
    wanted: Wanted,
    format: Annotated[ExportName, Query()],  # noqa: A002 - the field's own word for it
    limit: Annotated[int, Query(ge=1, le=200_000, description="Most characters of text")] = 20_000,
) -> PreviewView:
    """How an export begins, and which of its cues break a rule although they were cut to keep it."""
    house = state_of(request).house
    job, transcript = await to_thread.run_sync(exporting.text_of, house, caller, job_id, wanted)
    made = await in_turn(lambda: exporting.show(job, transcript, format, layout, limit))
    return PreviewView(
        text=made.text,
        truncated=made.truncated,
        cues=made.cues,
        warnings=[CueWarning(**asdict(warning), message=warning.message) for warning in made.warnings[:_MOST_WARNINGS]],
        warnings_total=len(made.warnings),
    )
