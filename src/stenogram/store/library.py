"""The recordings of an owner as a library: found by words, tags and facts, in an order, page by page; and the trash."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from stenogram.job import Job, JobState
from stenogram.store import jobs as job_rows
from stenogram.store import search
from stenogram.store.database import Transaction
from stenogram.store.excerpts import Excerpts
from stenogram.store.excerpts import find as find_excerpts
from stenogram.store.query import Term
from stenogram.store.tables import jobs, results, tags, transcript_versions
from stenogram.store.tables import search_documents as documents

MOST_COUNTED = 10_000
"""More are not counted."""
_MOST_TAGS = 1000
"""In the list of facets: those that most recordings have."""

Order = Literal["created", "title", "duration"]


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose recordings are looked at."""

    owner: str | None
    """None: nobody's in particular."""
    everybody: bool = False
    """Those of all owners."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which recordings to list, and how; empty: whatever it is."""

    terms: Sequence[Term] | None = None
    """All of these are in names or text; an empty list: nothing is found. None: whatever the words are."""
    states: Collection[JobState] = ()
    tags: Collection[str] = ()
    """A recording has all of them."""
    models: Collection[str] = ()
    languages: Collection[str] = ()
    since: float | None = None
    """Put in at this time or later, Unix seconds."""
    until: float | None = None
    """Put in before this time."""
    trash: bool = False
    """Those in the trash, and no others."""
    order: Order = "created"
    descending: bool = True
    after: tuple[float | str, str] | None = None
    """What the last one of the page before is ordered by, and its id."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Labels:
    """What an owner did to a recording's transcript and name beside its title."""

    tags: tuple[str, ...] = ()
    version: int = 0
    """Of the transcript; 0: it was never edited."""


@dataclass(frozen=True, slots=True)
class Item:
    """A recording in the list."""

    job: Job
    key: float | str
    """What it is ordered by."""
    model: str
    """That the transcript is of; before there is one, as asked for."""
    language: str | None
    """That was spoken; before it is known, as asked for."""
    speakers: int | None
    """How many were told apart; None: nobody looked."""
    labels: Labels
    excerpts: Excerpts


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: Sequence[Item]
    total: int
    """On all pages; at most ``MOST_COUNTED``."""
    more: bool
    """There is a page after this one."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What the recordings outside the trash have, with their numbers, the commonest first."""

    tags: Mapping[str, int] = field(default_factory=dict)
    models: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    trash: int = 0


# --- reading ---


def listing(connection: Connection, whose: Whose, wanted: Wanted) -> Page:
    """One page of recordings."""
    if wanted.terms is not None and not wanted.terms:
        return Page((), 0, more=False)
    joined = jobs.outerjoin(documents, documents.c.job_id == jobs.c.id)
    key = _key(connection, wanted.order).label("key")
    found = select(jobs.c.id, key).select_from(joined).where(*_conditions(connection, whose, wanted))
    every = found.cte("every").prefix_with("MATERIALIZED")  # looked for once, to be counted and to be shown
    counted = select(func.count()).select_from(select(every.c.id).limit(MOST_COUNTED).subquery()).scalar_subquery()
    rows = connection.execute(_paged(select(every, counted.label("total")), every.c, wanted)).all()
    keys = {row.id: row.key for row in rows[: wanted.limit]}
    total = rows[0].total if rows else 0
    return Page(_items(connection, keys, wanted.terms or ()), total, more=len(rows) > wanted.limit)


def _paged(query: Select[Any], of: ReadOnlyColumnCollection[str, Any], wanted: Wanted) -> Select[Any]:
    """In order, with one more than there is room for, from where the page before ended."""
    if wanted.after is not None:
        value, job_id = wanted.after
        further = of.key < value if wanted.descending else of.key > value
        behind = of.id < job_id if wanted.descending else of.id > job_id
        query = query.where(or_(further, and_(of.key == value, behind)))
    order = (of.key.desc(), of.id.desc()) if wanted.descending else (of.key, of.id)
    return query.order_by(*order).limit(wanted.limit + 1)


def _key(connection: Connection, order: Order) -> ColumnElement[Any]:
    if order == "created":
        return jobs.c.created_at
    if order == "duration":
        return func.coalesce(jobs.c.duration, -1.0)
    name: ColumnElement[Any] = func.coalesce(documents.c.name, "")
    return name if connection.dialect.name == "sqlite" else name.collate("C")  # by code points on both


def _conditions(connection: Connection, whose: Whose, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [*_visible(whose), jobs.c.deleted_at.is_not(None) if wanted.trash else jobs.c.deleted_at.is_(None)]
    if wanted.states:
        conditions.append(jobs.c.state.in_(list(wanted.states)))
    if wanted.models:
        conditions.append(func.coalesce(documents.c.model, jobs.c.model).in_(list(wanted.models)))
    if wanted.languages:
        conditions.append(func.coalesce(documents.c.language, jobs.c.language).in_(list(wanted.languages)))
    conditions += [jobs.c.id.in_(select(tags.c.job_id).where(tags.c.tag == tag)) for tag in dict.fromkeys(wanted.tags)]
    if wanted.since is not None:
        conditions.append(jobs.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(jobs.c.created_at < wanted.until)
    if wanted.terms:
        conditions.append(search.has(connection, wanted.terms))
    return conditions


def _visible(whose: Whose) -> list[ColumnElement[bool]]:
    conditions = [jobs.c.kind == "transcribe"]
    if not whose.everybody:
        conditions.append(jobs.c.owner == whose.owner if whose.owner is not None else jobs.c.owner.is_(None))
    return conditions


def _items(connection: Connection, keys: Mapping[str, float | str], terms: Sequence[Term]) -> list[Item]:
    """Those with these ids, in this order; the ids lead to what they are ordered by."""
    ids = list(keys)
    columns = (documents.c.model.label("found"), documents.c.language.label("spoken"), documents.c.speakers)
    query = select(jobs, *columns).outerjoin(documents, documents.c.job_id == jobs.c.id).where(jobs.c.id.in_(ids))
    rows = {row.id: row for row in connection.execute(query)}
    named, labelled = _names(connection, ids), labels(connection, ids)
    excerpts = _excerpts(connection, ids, terms) if terms else {}
    waiting = job_rows.places(connection) if any(row.state == "queued" for row in rows.values()) else {}
    return [
        Item(
            job=job_rows.of_row(rows[job_id], *waiting.get(job_id, (None, None))),
            key=key,
            model=rows[job_id].found or rows[job_id].model,
            language=rows[job_id].spoken or rows[job_id].language,
            speakers=_count(rows[job_id].speakers, named.get(job_id, {})),
            labels=labelled[job_id],
            excerpts=excerpts.get(job_id, Excerpts()),
        )
        for job_id, key in keys.items()
        if job_id in rows  # it was deleted meanwhile
    ]


def _names(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    query = select(results.c.job_id, results.c.names).where(results.c.job_id.in_(ids), results.c.names.is_not(None))
    return {row.job_id: json.loads(row.names) for row in connection.execute(query)}


def _count(speakers: str | None, names: Mapping[str, str]) -> int | None:
    """How many speak: those who were given one name are one."""
    spoken = {names.get(label, label) for label in json.loads(speakers or "[]")}
    return len(spoken) or None


def _excerpts(connection: Connection, ids: Sequence[str], terms: Sequence[Term]) -> dict[str, Excerpts]:
    query = select(documents.c.job_id, documents.c.body, documents.c.segments).where(documents.c.job_id.in_(ids))
    return {
        row.job_id: find_excerpts(terms, row.body, search.unpack(row.segments))
        for row in connection.execute(query)
        if row.segments is not None and any(term.needle in row.body for term in terms)
    }


def labels(connection: Connection, ids: Sequence[str]) -> dict[str, Labels]:
    """Id of a job -> what its owner did to it, for each of the ids."""
    tagged: dict[str, list[str]] = {job_id: [] for job_id in ids}
    query = select(tags.c.job_id, tags.c.tag).where(tags.c.job_id.in_(ids))
    for row in connection.execute(query):
        tagged[row.job_id].append(row.tag)
    number = func.max(transcript_versions.c.number).label("number")
    of_ids = select(transcript_versions.c.job_id, number).where(transcript_versions.c.job_id.in_(ids))
    rows = connection.execute(of_ids.group_by(transcript_versions.c.job_id))
    edited = {row.job_id: row.number for row in rows}
    return {job_id: Labels(tuple(sorted(found)), edited.get(job_id, 0)) for job_id, found in tagged.items()}


def facets(connection: Connection, whose: Whose) -> Facets:
    """What there is to choose from."""
    here = [*_visible(whose), jobs.c.deleted_at.is_(None)]
    described = jobs.join(documents, documents.c.job_id == jobs.c.id)
    trashed = select(func.count()).select_from(jobs).where(*_visible(whose), jobs.c.deleted_at.is_not(None))
    return Facets(
        tags=_counts(connection, tags.c.tag, select(tags.c.tag).join(jobs, jobs.c.id == tags.c.job_id).where(*here)),
        models=_counts(connection, documents.c.model, select(documents.c.model).select_from(described).where(*here)),
        languages=_counts(
            connection, documents.c.language, select(documents.c.language).select_from(described).where(*here)
        ),
        states=_counts(connection, jobs.c.state, select(jobs.c.state).where(*here)),
        trash=connection.execute(trashed).scalar_one(),
    )


def _counts(connection: Connection, column: ColumnElement[Any], query: Select[Any]) -> dict[str, int]:
    number = func.count().label("number")
    grouped = query.add_columns(number).where(column.is_not(None)).group_by(column)
    rows = connection.execute(grouped.order_by(number.desc(), column).limit(_MOST_TAGS))
    return {row[0]: row.number for row in rows}


def trashed_before(connection: Connection, before: float, limit: int = 100) -> Sequence[Job]:
    """Recordings that came into the trash before a time, oldest first."""
    query = select(jobs).where(jobs.c.deleted_at < before).order_by(jobs.c.deleted_at).limit(limit)
    return [job_rows.of_row(row) for row in connection.execute(query)]


# --- writing ---


def put_title(tx: Transaction, job: Job, title: str | None) -> None:
    """Call a recording otherwise; None: by its file's name again."""
    tx.connection.execute(update(jobs).where(jobs.c.id == job.id).values(title=title))
    search.name(tx, job.id, title, job.filename)


def tag(tx: Transaction, job_id: str, names: Iterable[str]) -> None:
    """Give a recording these tags beside those that it has."""
    there = set(tx.connection.execute(select(tags.c.tag).where(tags.c.job_id == job_id)).scalars())
    new = [{"job_id": job_id, "tag": name} for name in dict.fromkeys(names) if name not in there]
    if new:
        tx.connection.execute(insert(tags), new)


def untag(tx: Transaction, job_id: str, names: Collection[str] | None = None) -> None:
    """Take these tags from a recording; None: all."""
    which = tags.c.job_id == job_id
    if names is not None:
        which = and_(which, tags.c.tag.in_(list(names)))
    tx.connection.execute(delete(tags).where(which))


def put_into_trash(tx: Transaction, job_id: str, at: float) -> None:
    """Hide a recording from all but the list of the trash."""
    tx.connection.execute(update(jobs).where(jobs.c.id == job_id).values(deleted_at=at))


def take_from_trash(tx: Transaction, job_id: str) -> None:
    """Show a recording again."""
    tx.connection.execute(update(jobs).where(jobs.c.id == job_id).values(deleted_at=None))
