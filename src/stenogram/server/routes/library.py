"""``/api/v1/library``: search, titles, tags, many at once, and the trash."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, Field

from stenogram.app import library
from stenogram.app.library import Action, Edit
from stenogram.enhancement import EnhanceStatus
from stenogram.errors import RequestError
from stenogram.job import JobState
from stenogram.server.auth import Reader, Submitter
from stenogram.server.errors import ANSWERS, told_of
from stenogram.server.routes.jobs import JobId, views
from stenogram.server.schemas import ErrorView, JobView, error_view
from stenogram.server.state import state_of
from stenogram.store.excerpts import Snippet
from stenogram.store.library import MOST_COUNTED, Item, Order, Wanted

router = APIRouter(prefix="/api/v1", tags=["library"], responses=ANSWERS)

Sort = Literal["created", "-created", "title", "-title", "duration", "-duration"]
MOST_AT_ONCE = 500
_MOST_CHARS = 300
_MOST_NAMES = 200
_ORDERS: dict[str, Order] = {"created": "created", "title": "title", "duration": "duration"}
_FIGURES = {"created": float, "duration": float, "title": str}
"""What recordings are ordered by, as it stands in a cursor."""


class SnippetView(BaseModel):
    """A place in a transcript where something of the query is."""

    segment: int = Field(description="Its id")
    start: float = Field(description="Where it begins in the recording, seconds")
    text: str = Field(description="As it stands in the transcript; a long one is cut, which an ellipsis tells")
    marks: list[tuple[int, int]] = Field(description="What was found: begin and end in `text`, in code points")


class ItemView(BaseModel):
    """A recording in the library."""

    id: str
    title: str | None = Field(description="What its owner calls it; null: by its file's name")
    filename: str | None
    state: JobState
    duration: float | None
    model: str = Field(description="That the transcript is of; before there is one, as asked for")
    language: str | None
    created_at: float
    finished_at: float | None
    tags: list[str]
    version: int = Field(description="Of the transcript; 0: never edited")
    stage: str | None
    progress: float = Field(ge=0, le=1)
    position: int | None = Field(description="Place in the queue, from 1")
    wait_s: float | None = Field(description="Estimate of the time until it starts")
    error: ErrorView | None
    speakers: int | None = Field(description="How many were told apart; null: nobody looked")
    kept: bool = Field(description="Whether the recording is still here")
    deleted_at: float | None = Field(description="When it came into the trash")
    llm_enhancement_status: EnhanceStatus
    hits: int = Field(description="Segments in which something of the query is")
    snippets: list[SnippetView] = Field(description="At most three, the best first")


class LibraryPage(BaseModel):
    """One page of the library."""

    items: list[ItemView]
    next: str | None = Field(description="Give it as `cursor` to get the next page; null at the end")
    total: int = Field(description=f"On all pages; {MOST_COUNTED}: so many or more", le=MOST_COUNTED)


class TagCount(BaseModel):
    """A tag, and how many recordings have it."""

    tag: str
    count: int


class ModelCount(BaseModel):
    """A model, and how many transcripts are of it."""

    model: str
    count: int


class LanguageCount(BaseModel):
    """A language, and in how many recordings it is spoken."""

    language: str = Field(description="ISO 639-1")
    count: int


class FacetsView(BaseModel):
    """What the recordings outside the trash have, the commonest first."""

    tags: list[TagCount]
    models: list[ModelCount]
    languages: list[LanguageCount]
    states: dict[str, int] = Field(description="Those in which no recording is are left out")
    trash: int = Field(description="How many recordings are in the trash")


class JobChange(BaseModel):
    """What is to be changed of a job; what is left out stays."""

    title: str | None = Field(default=None, description="null: by the file's name again", examples=["Board, 3 May"])
    tags: list[str] | None = Field(default=None, description="In place of those that it has", examples=[["board"]])


class BulkOrder(BaseModel):
    """What is to be done to many recordings."""

    ids: list[Annotated[str, Field(max_length=64)]] = Field(max_length=MOST_AT_ONCE)
    action: Action
    tag: str | None = Field(default=None, description="For `tag` and `untag`")


class BulkFailure(BaseModel):
    """Why it was not done to one."""

    id: str
    message: str
    code: str


class BulkDone(BaseModel):
    """What was done."""

    done: list[str]
    failed: list[BulkFailure]


@router.get("/library")
async def listing(  # noqa: PLR0913, PLR0917 - the filters
    request: Request,
    caller: Reader,
    q: Annotated[str, Query(max_length=_MOST_CHARS, description='Words, and "exact phrases": all must be found')] = "",
    state: Annotated[list[JobState] | None, Query()] = None,
    tag: Annotated[list[str] | None, Query(max_length=library.MAX_TAGS, description="All of them")] = None,
    model: Annotated[list[str] | None, Query(max_length=_MOST_NAMES, description="Any of them")] = None,
    language: Annotated[list[str] | None, Query(max_length=_MOST_NAMES, description="Any of them")] = None,
    since: Annotated[float | None, Query(description="Put in at this time or later")] = None,
    until: Annotated[float | None, Query(description="Put in before this time")] = None,
    trash: Annotated[bool, Query(description="What is in the trash, and nothing else")] = False,
    sort: Annotated[Sort, Query(description="With `-`: the greatest first")] = "-created",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=8192, description="`next` of the page before")] = None,
) -> LibraryPage:
    """The caller's recordings.

    `q` is looked for in titles, file names and the current text of transcripts. Words are found by their beginning;
    case and accents do not count (`елка` finds `ёлка`). Any text is a query: nothing but quotation marks has a meaning.
    """
    wanted = Wanted(
        states=state or (),
        tags=tag or (),
        models=model or (),
        languages=language or (),
        since=since,
        until=until,
        trash=trash,
        order=_ORDERS[sort.removeprefix("-")],
        descending=sort.startswith("-"),
        after=_after(cursor, sort) if cursor is not None else None,
        limit=limit,
    )
    house = state_of(request).house
    page = await to_thread.run_sync(library.listing, house, caller, wanted, q)
    return LibraryPage(
        items=[_item(item, page.standings[item.job.id].status) for item in page.items],
        next=_cursor(page.items[-1], sort) if page.more else None,
        total=page.total,
    )


@router.get("/library/facets")
async def facets(request: Request, caller: Reader) -> FacetsView:
    """What the caller's recordings have, to choose from."""
    found = await to_thread.run_sync(library.facets, state_of(request).house, caller)
    return FacetsView(
        tags=[TagCount(tag=name, count=count) for name, count in found.tags.items()],
        models=[ModelCount(model=name, count=count) for name, count in found.models.items()],
        languages=[LanguageCount(language=name, count=count) for name, count in found.languages.items()],
        states=dict(found.states),
        trash=found.trash,
    )


@router.post("/library/bulk")
async def bulk(request: Request, caller: Submitter, order: Annotated[BulkOrder, Body()]) -> BulkDone:
    """Do the same to many recordings; where it cannot be done to one, it is done to the others.

    `purge` deletes for good what is in the trash.
    """
    house = state_of(request).house
    found = await to_thread.run_sync(library.bulk, house, caller, order.ids, order.action, order.tag)
    return BulkDone(
        done=list(found.done),
        failed=[
            BulkFailure(id=job_id, message=str(error), code=told_of(error)["error"]["code"])
            for job_id, error in found.failed
        ],
    )


@router.patch("/jobs/{job_id}", tags=["jobs"])
async def change(request: Request, caller: Submitter, job_id: JobId, wish: Annotated[JobChange, Body()]) -> JobView:
    """Give a job a title or tags."""
    house = state_of(request).house

    edit = Edit(**wish.model_dump(exclude_unset=True))  # type: ignore[typeddict-item]  # the same fields
    return await to_thread.run_sync(lambda: views(house, [library.edit(house, caller, job_id, edit)])[0])


@router.post("/jobs/{job_id}/trash", tags=["jobs"])
async def trash(request: Request, caller: Submitter, job_id: JobId) -> JobView:
    """Put a job into the trash, out of which `restore` takes it; one that is not over is cancelled.

    Until then it, its recording and its links are not found. The trash empties itself.
    """
    house = state_of(request).house
    return await to_thread.run_sync(lambda: views(house, [library.trash(house, caller, job_id)])[0])


@router.post("/jobs/{job_id}/restore", tags=["jobs"])
async def restore(request: Request, caller: Submitter, job_id: JobId) -> JobView:
    """Take a job from the trash."""
    house = state_of(request).house
    return await to_thread.run_sync(lambda: views(house, [library.restore(house, caller, job_id)])[0])


def _item(item: Item, enhanced: EnhanceStatus) -> ItemView:
    job = item.job
    return ItemView(
        id=job.id,
        title=job.title,
        filename=job.filename,
        state=job.state,
        duration=job.duration,
        model=item.model,
        language=item.language,
        created_at=job.created_at,
        finished_at=job.finished_at,
        tags=list(item.labels.tags),
        version=item.labels.version,
        stage=job.stage,
        progress=round(job.progress, 4),
        position=job.position,
        wait_s=job.wait_s,
        error=error_view(job),
        speakers=item.speakers,
        kept=job.media is not None,
        deleted_at=job.deleted_at,
        llm_enhancement_status=enhanced,
        hits=item.excerpts.hits,
        snippets=[_snippet(each) for each in item.excerpts.snippets],
    )


def _snippet(snippet: Snippet) -> SnippetView:
    return SnippetView(segment=snippet.segment, start=snippet.start, text=snippet.text, marks=list(snippet.marks))


def _cursor(item: Item, sort: Sort) -> str:
    told = json.dumps([sort, item.key, item.job.id], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def _after(cursor: str, sort: Sort) -> tuple[float | str, str]:
    """What a cursor says. Raises ``RequestError`` for one of another order, or none."""
    try:
        said, key, job_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if said != sort or "\0" in f"{key}{job_id}".encode().decode():  # nor halves of characters
            raise ValueError(said)
        return _FIGURES[sort.removeprefix("-")](key), str(job_id)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RequestError(cause="cursor must be `next` of a page in the same order", param="cursor") from error
