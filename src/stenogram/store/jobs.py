"""Jobs: put in, found, listed, counted, removed. What workers do with them is in ``store.claims``."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, insert, or_, select, update

from stenogram.job import CHAT_DEVICE, UNFINISHED, Job, JobSource, JobState, Lane, Media, Reference
from stenogram.store import events, references, search
from stenogram.store.database import Transaction
from stenogram.store.tables import jobs, workers
from stenogram.store.tables import results as results_table

FAIR_SHARE = 1000
"""One step of priority outweighs this many unfinished jobs of the same owner."""
_RECENT_JOBS = 20
"""The estimate of the wait rests on so many of the jobs that ended last."""
_TELLING = ("transcribe", "enhance")
"""Kinds of jobs that tell how long the next one of their lane may take."""
_TRANSCRIBES = and_(jobs.c.kind == "transcribe", jobs.c.deleted_at.is_(None))
"""What users call a job: to hear a voice and to go over a text are told of elsewhere, and what is in the trash, too."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be put in."""

    source: JobSource
    media: Media | None
    model: str
    options: Mapping[str, Any]
    language: str | None = None
    owner: str | None = None
    priority: int = 0
    callback_url: str | None = None
    batch: str | None = None
    dedupe_key: str | None = None
    delete_media: bool = False
    references: Sequence[Reference] = ()
    """Of known speakers."""
    kind: str = "transcribe"
    lane: Lane = "speech"
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs to list; None: whatever it is."""

    owner: str | None = None
    states: Collection[JobState] = ()
    source: JobSource | None = None
    batch: str | None = None
    text: str | None = None
    """Part of the file's name."""


def put(tx: Transaction, new: NewJob) -> tuple[Job, int]:
    """Add a job that waits, and give its rank too.

    Higher ``priority`` goes first, and among equals whose owner has less in hand in this lane.
    What an identical job that is running has told so far is told of this one too.
    """
    now = time.time()
    held = 0
    if new.owner is not None:
        unfinished = and_(jobs.c.owner == new.owner, jobs.c.state.in_(UNFINISHED), jobs.c.lane == new.lane)
        held = tx.connection.execute(select(func.count()).select_from(jobs).where(unfinished)).scalar_one()
    rank = new.priority * FAIR_SHARE - min(held, FAIR_SHARE - 1)
    job_id = uuid.uuid4().hex
    tx.connection.execute(
        insert(jobs).values(
            id=job_id,
            kind=new.kind,
            lane=new.lane,
            parent=new.parent,
            state="queued",
            source=new.source,
            owner=new.owner,
            priority=new.priority,
            rank=rank,
            model=new.model,
            language=new.language,
            options=json.dumps(new.options, ensure_ascii=False),
            media_url=new.media.url if new.media else None,
            media_digest=new.media.digest if new.media else None,
            media_bytes=new.media.bytes if new.media else None,
            filename=new.media.filename if new.media else None,
            delete_media=new.delete_media,
            attempt=0,
            crashes=0,
            progress=0.0,
            advanced=False,
            created_at=now,
            queued_at=now,
            callback_url=new.callback_url,
            batch=new.batch,
            dedupe_key=new.dedupe_key,
            cancel_requested=False,
            cached=False,
        )
    )
    if new.kind == "transcribe":
        search.name(tx, job_id, new.media.filename if new.media else None)
    references.put(tx, job_id, new.references)
    events.add(tx, job_id, 0, [("state", {"state": "queued"})])
    if new.dedupe_key is not None:
        _catch_up(tx, job_id, new.dedupe_key)
    tx.wake("workers")
    return cast("Job", find(tx.connection, job_id)), rank


def _catch_up(tx: Transaction, job_id: str, dedupe_key: str) -> None:
    twin = tx.connection.execute(
        select(jobs.c.id, jobs.c.duration, jobs.c.stage, jobs.c.progress)
        .where(jobs.c.dedupe_key == dedupe_key, jobs.c.state == "running")
        .with_for_update()  # its worker tells either before this, and is copied, or after, and finds this job
    ).first()
    if twin is not None:
        tx.connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id)
            .values(duration=twin.duration, stage=twin.stage, progress=twin.progress)
        )
        events.copy(tx, twin.id, job_id)


def find(connection: Connection, job_id: str, *, trashed: bool = False) -> Job | None:
    """The job, with its place in the queue of its lane; one in the trash only where that is asked for."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None or (row.deleted_at is not None and not trashed):
        return None
    if row.state != "queued":
        return of_row(row)
    position = (
        1
        + connection.execute(
            select(func.count())
            .select_from(jobs)
            .where(
                jobs.c.state == "queued",
                jobs.c.lane == row.lane,
                or_(
                    jobs.c.rank > row.rank,
                    and_(jobs.c.rank == row.rank, jobs.c.created_at < row.created_at),
                ),
            )
        ).scalar_one()
    )
    return of_row(row, position, wait_s(connection, position, row.lane))


def wait_s(connection: Connection, position: int, lane: Lane = "speech") -> float | None:
    """Estimate of the time until the job at this place starts: the mean of recent jobs, over the workers of the lane.

    To hear a voice takes a second, and tells nothing of how long a recording takes: such jobs do not count as recent.
    """
    return _pace(connection, lane).wait_s(position)


def places(connection: Connection, limit: int = 10_000) -> dict[str, tuple[int, float | None]]:
    """Id -> place in the queue and wait of the jobs that wait for speech to be recognised, of the first ``limit``."""
    waiting = select(jobs.c.id).where(jobs.c.state == "queued", jobs.c.lane == "speech")
    query = waiting.order_by(jobs.c.rank.desc(), jobs.c.created_at, jobs.c.id).limit(limit)
    pace = _pace(connection, "speech")
    return {
        job_id: (position, pace.wait_s(position))
        for position, job_id in enumerate(connection.execute(query).scalars(), start=1)
    }


@dataclass(frozen=True, slots=True)
class _Pace:
    """How fast a lane is."""

    mean_s: float | None
    working: int
    running: int

    def wait_s(self, position: int) -> float | None:
        """Estimate of the time until the job at this place starts."""
        if self.mean_s is None or not self.working:
            return None
        return round(self.mean_s * max(position + self.running - self.working, 0) / self.working, 1)


def _pace(connection: Connection, lane: Lane) -> _Pace:
    recent = (
        select((jobs.c.finished_at - jobs.c.started_at).label("took_s"))
        .where(jobs.c.state == "succeeded", jobs.c.lane == lane, jobs.c.kind.in_(_TELLING), jobs.c.cached.is_(False))
        .order_by(jobs.c.finished_at.desc())
        .limit(_RECENT_JOBS)
        .subquery()
    )
    mean_s = connection.execute(select(func.avg(recent.c.took_s))).scalar_one()
    able = (workers.c.device == CHAT_DEVICE) == (lane == "chat")
    count = select(func.count()).select_from(workers).where(workers.c.state.in_(("idle", "busy")), able)
    working = connection.execute(count).scalar_one()
    busy = select(func.count()).where(jobs.c.state == "running", jobs.c.lane == lane)
    running = connection.execute(busy).scalar_one()
    return _Pace(float(mean_s) if mean_s is not None else None, working, running)


def listing(
    connection: Connection, wanted: Filter, limit: int = 50, before: tuple[float, str] | None = None
) -> Sequence[Job]:
    """Jobs that transcribe, newest first; ``before``: creation time and id of the last one of the page before."""
    query = select(jobs).where(*_conditions(wanted))
    if before is not None:
        created_at, job_id = before
        query = query.where(
            or_(jobs.c.created_at < created_at, and_(jobs.c.created_at == created_at, jobs.c.id < job_id))
        )
    rows = connection.execute(query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit))
    return [of_row(row) for row in rows]


def ids(connection: Connection, state: JobState, owner: str | None, *, everybody: bool, limit: int = 1000) -> list[str]:
    """Ids of the jobs in a state that transcribe, in the order in which they start or started."""
    query = _in_order(state)
    if not everybody:
        query = query.where(jobs.c.owner == owner if owner is not None else jobs.c.owner.is_(None))
    return [row.id for row in connection.execute(query.limit(limit))]


def owners(connection: Connection, state: JobState, limit: int = 1000) -> dict[str, str | None]:
    """Id -> owner of the jobs in a state that transcribe, in the order in which they start or started."""
    return {row.id: row.owner for row in connection.execute(_in_order(state).limit(limit))}


def _in_order(state: JobState) -> Select[tuple[str, str | None]]:
    order = (jobs.c.rank.desc(), jobs.c.created_at, jobs.c.id) if state == "queued" else (jobs.c.started_at,)
    return select(jobs.c.id, jobs.c.owner).where(jobs.c.state == state, _TRANSCRIBES).order_by(*order)


def counts(connection: Connection) -> dict[JobState, int]:
    """How many jobs that transcribe there are in each state."""
    rows = connection.execute(select(jobs.c.state, func.count()).where(_TRANSCRIBES).group_by(jobs.c.state))
    found = {state: number for state, number in rows}  # noqa: C416 - rows are not pairs to mypy
    return {state: found.get(state, 0) for state in ("queued", "running", "succeeded", "failed", "cancelled")}


def oldest_wait_s(connection: Connection) -> float:
    """How long the job that transcribes has waited that waits longest, seconds; 0 where none does."""
    waiting = select(func.min(jobs.c.queued_at)).where(jobs.c.state == "queued", _TRANSCRIBES)
    oldest = connection.execute(waiting).scalar_one()
    return max(time.time() - oldest, 0.0) if oldest is not None else 0.0


def twin_with_result(connection: Connection, dedupe_key: str) -> Job | None:
    """The last job of this key that succeeded and still has its result."""
    row = connection.execute(
        select(jobs)
        .join(results_table, results_table.c.job_id == jobs.c.id)
        .where(jobs.c.dedupe_key == dedupe_key, jobs.c.state == "succeeded")
        .order_by(jobs.c.finished_at.desc())
        .limit(1)
    ).first()
    return of_row(row) if row is not None else None


def unfinished_twins(connection: Connection, job: Job) -> list[str]:
    """Ids of the identical unfinished jobs, which would take over what this one has done; those that wait first."""
    if job.dedupe_key is None:
        return []
    query = select(jobs.c.id).where(
        jobs.c.dedupe_key == job.dedupe_key, jobs.c.id != job.id, jobs.c.state.in_(UNFINISHED)
    )
    return list(connection.execute(query.order_by(jobs.c.state)).scalars())


def lock(tx: Transaction, job_id: str) -> bool:
    """Let nobody else change a job before this transaction ends; whether it is there."""
    return tx.connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update()).first() is not None


def remove(tx: Transaction, job_ids: Iterable[str]) -> None:
    """Delete jobs with all that is theirs: results, events, callbacks, references, and the jobs about them.

    Whoever works on one of these learns at once that it is not to be done any more.
    """
    gone = list(job_ids)
    tx.connection.execute(delete(jobs).where(jobs.c.id.in_(gone)))
    # Afterwards, so that none is missed that is put in at this very moment. The database does not do it by itself, for
    # SQLite cannot add such a rule to a table that is there.
    about = tx.connection.execute(delete(jobs).where(jobs.c.parent.in_(gone)).returning(jobs.c.id)).scalars().all()
    for job_id in about:
        tx.wake(f"job:{job_id}")
    tx.wake("workers")


def forget_media(tx: Transaction, job_ids: Sequence[str]) -> None:
    """Their recordings have been deleted, so they cannot run any more."""
    references.remove(tx, job_ids)
    tx.connection.execute(update(jobs).where(jobs.c.id.in_(list(job_ids))).values(media_url=None))


def with_needless_media(
    connection: Connection, failed_before: float, job_id: str | None = None, limit: int = 100
) -> list[tuple[str, str]]:
    """Ids and media URLs of jobs whose recording is to be deleted, where the job says so.

    Once it has succeeded or was cancelled; a failed one, which may be tried again, when it ended before
    ``failed_before``.
    """
    query = select(jobs.c.id, jobs.c.media_url).where(
        jobs.c.delete_media,
        jobs.c.media_url.is_not(None),
        or_(
            jobs.c.state.in_(("succeeded", "cancelled")),
            and_(jobs.c.state == "failed", jobs.c.finished_at < failed_before),
        ),
    )
    if job_id is not None:
        query = query.where(jobs.c.id == job_id)
    return [(row.id, row.media_url) for row in connection.execute(query.limit(limit))]


def expired(
    connection: Connection, finished_before: float, limit: int = 100, *, kind: str = "transcribe"
) -> Sequence[Job]:
    """Finished jobs of a kind that ended before a time, oldest first."""
    ended = jobs.c.state.not_in(UNFINISHED) & (jobs.c.finished_at < finished_before)
    query = select(jobs).where(jobs.c.kind == kind, ended)
    return [of_row(row) for row in connection.execute(query.order_by(jobs.c.finished_at).limit(limit))]


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_TRANSCRIBES]
    if wanted.owner is not None:
        conditions.append(jobs.c.owner == wanted.owner)
    if wanted.states:
        conditions.append(jobs.c.state.in_(list(wanted.states)))
    if wanted.source is not None:
        conditions.append(jobs.c.source == wanted.source)
    if wanted.batch is not None:
        conditions.append(jobs.c.batch == wanted.batch)
    if wanted.text is not None:
        conditions.append(jobs.c.filename.icontains(wanted.text, autoescape=True))
    return conditions


def of_row(row: Row[Any], position: int | None = None, wait: float | None = None) -> Job:
    """A row of the table as a value."""
    media = Media(row.media_url, row.media_digest, row.media_bytes, row.filename) if row.media_url else None
    took_s = row.finished_at - row.started_at if row.state == "succeeded" and row.started_at else None
    return Job(
        id=row.id,
        state=row.state,
        source=row.source,
        created_at=row.created_at,
        kind=row.kind,
        parent=row.parent,
        owner=row.owner,
        priority=row.priority,
        model=row.model,
        language=row.language,
        options=json.loads(row.options),
        media=media,
        filename=row.filename,
        duration=row.duration,
        attempt=row.attempt,
        crashes=row.crashes,
        worker=row.worker_id,
        stage=row.stage,
        progress=row.progress,
        position=position,
        wait_s=wait,
        started_at=row.started_at,
        finished_at=row.finished_at,
        processing_s=took_s,
        error_code=row.error_code,
        error=row.error,
        callback_url=row.callback_url,
        batch=row.batch,
        dedupe_key=row.dedupe_key,
        cancel_requested=row.cancel_requested,
        cached=row.cached,
        token_count=row.token_count,
        gpu=json.loads(row.gpu) if row.gpu else None,
        title=row.title,
        deleted_at=row.deleted_at,
    )
