"""Use cases: submit, find, list, cancel, retry and delete jobs, for whoever may."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stenogram import languages
from stenogram.accounts import audit
from stenogram.app import enabled, enhancing, speakers, transcripts
from stenogram.app.house import House
from stenogram.app.known import diarization_of
from stenogram.app.transcribe import Request, validate
from stenogram.config import Profile
from stenogram.diarization import voices
from stenogram.enhancement import EnhanceWhen
from stenogram.errors import (
    Conflict,
    DatabaseError,
    DiarizationError,
    DiarizerNotInstalled,
    NotFound,
    OptionError,
    RequestError,
)
from stenogram.job import Caller, Job, JobEvent, JobSource, Media, Reference, lane_of
from stenogram.jobs.callbacks.address import check as check_address
from stenogram.store import claims, events, idempotency, jobs, results, workers
from stenogram.store.database import Transaction
from stenogram.store.idempotency import Remembered
from stenogram.types import ComputeType, DiarizeOptions, RunOptions, Transcript


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, the same for every recording of a request."""

    source: JobSource
    model: str = "auto"
    run: RunOptions = field(default_factory=RunOptions)
    profile: Profile = "auto"
    compute_type: ComputeType = "default"
    priority: int = 0
    callback_url: str | None = None
    delete_media: bool | None = None
    """None: as the settings say for this source."""
    diarize: DiarizeOptions = field(default_factory=DiarizeOptions)
    known_speakers: tuple[Reference, ...] = ()
    enhance: EnhanceWhen | None = None
    """Whether a language model goes over the text; None: as the settings say."""


def check(house: House, order: Order) -> tuple[Order, list[Any]]:
    """The order in its normal form, and all that its transcripts depend on beside the recording.

    Refuses what could never be done, before anything is stored. Raises ``OptionError``, ``LanguageNotSupported``,
    ``ModelError``, ``DiarizationError``, ``CallbackRefused``.
    """
    language = order.run.transcribe.language
    if language is not None:
        transcribe = replace(order.run.transcribe, language=language_code(language))
        order = replace(order, run=replace(order.run, transcribe=transcribe))
    enabled.check(house, order.model)
    engine, files = validate(house.app, Request(Path(), order.model, order.run, profile=order.profile))
    if order.callback_url is not None:
        check_address(order.callback_url, house.server.callback_allow)
    identity: list[Any] = [files.digest, engine.version, asdict(order.run), order.profile, order.compute_type]
    if order.diarize.diarize:
        identity += [asdict(order.diarize), _diarizers(house, order.diarize)]
        identity += [[known.name, known.digest] for known in order.known_speakers]
    return order, identity


def _diarizers(house: House, options: DiarizeOptions) -> list[str]:
    """Refuse a diarizer that no worker has; gives the names and versions of those that would be asked.

    It can only be told while all workers are this machine's. Raises ``DiarizerNotInstalled``, ``OptionError``.
    """
    try:
        found = diarization_of(house.app, options, "cpu", house.app.cache)
    except DiarizationError as error:
        if _others_work(house):
            return [options.diarization]
        if isinstance(error, DiarizerNotInstalled):
            raise
        cause = error.facts.get("cause", error)
        raise OptionError(name="diarization", value=options.diarization, cause=cause, param="diarization") from error
    return [f"{each.name} {each.version}" for each in found.diarizers]


def _others_work(house: House) -> bool:
    here = socket.gethostname()
    with house.db.read() as connection:
        alive = [each for each in workers.all_of(connection) if each.state in workers.ALIVE]
    return any(each.host != here and lane_of(each.device) == "speech" for each in alive)


def language_code(language: str) -> str:
    """ISO 639-1 code of a language by any of its names. Raises ``OptionError``, with ``param``."""
    try:
        return languages.code_of(language)
    except OptionError as error:
        raise OptionError(str(error), param="language") from error


def submit(
    house: House, caller: Caller, order: Order, recordings: Sequence[Media], idempotency_key: str | None = None
) -> list[Job]:
    """Put in one job for each recording, all or none; what an identical job had found answers at once.

    With an ``idempotency_key`` that was used before, gives the jobs of that time, and deletes the recordings. Raises
    what ``check`` raises, ``Conflict`` for a key that was used for another request, ``DatabaseUnavailable``,
    ``StorageFull``.
    """
    order, identity = check(house, order)
    if not recordings:
        raise RequestError(cause="no recording came with the request")
    wish = [order.enhance] if order.enhance is not None else []
    fingerprint = _digest([identity, order.callback_url, [media.digest for media in recordings], *wish])
    if idempotency_key is not None:
        known = _repeated(house, caller, idempotency_key, fingerprint)
        if known is not None:
            _discard(house, recordings)
            return known
    if order.diarize.recognize_speakers:  # names are for those alone who keep these voices
        kept = speakers.known_of(house.db, caller.owner).voices
        identity = [*identity, caller.owner, voices.digest(kept)]
    batch = _digest([media.url for media in recordings])[:32] if len(recordings) > 1 else None
    try:
        with house.db.write() as tx:
            found = [_put(house, tx, caller, _Entry(order, media, identity, batch)) for media in recordings]
            if idempotency_key is not None:
                ids = [job.id for job in found]
                idempotency.put(tx, caller.owner, idempotency_key, Remembered(fingerprint, ids))
    except DatabaseError:
        known = _repeated(house, caller, idempotency_key, fingerprint) if idempotency_key is not None else None
        if known is None:
            raise
        _discard(house, recordings)  # the same request came twice at once, and the other was first
        return known
    return found


def find(house: House, caller: Caller, job_id: str) -> Job:
    """A job that transcribes. Raises ``NotFound``, also for a job of another owner."""
    job = find_any(house, job_id)
    if job.kind != "transcribe" or not caller.owns(job.owner):
        raise NotFound(what="job", id=job_id)
    return job


def find_any(house: House, job_id: str) -> Job:
    """A job of whatever kind, whosever it is: for who waits for it. Raises ``NotFound``."""
    with house.db.read() as connection:
        job = jobs.find(connection, job_id)
    if job is None:
        raise NotFound(what="job", id=job_id)
    return job


def listing(
    house: House, caller: Caller, wanted: jobs.Filter, limit: int, before: tuple[float, str] | None
) -> Sequence[Job]:
    """The caller's jobs, newest first."""
    if not caller.admin:
        wanted = replace(wanted, owner=caller.owner)
    with house.db.read() as connection:
        return jobs.listing(connection, wanted, limit, before)


def transcript(house: House, caller: Caller, job_id: str) -> Transcript:
    """The transcript of a job that succeeded, with the names that its owner gave.

    Raises ``NotFound``, ``Conflict`` while there is none.
    """
    job = find(house, caller, job_id)
    with house.db.read() as connection:
        found = transcripts.read(connection, job_id)
    if found is None:
        raise Conflict(what=f"job {job_id}", cause=f"it is {job.state}, so there is no transcript")
    return found


def events_after(house: House, job_id: str, seq: int) -> list[JobEvent]:
    """What happened to a job after event ``seq``."""
    with house.db.read() as connection:
        return events.after(connection, job_id, seq)


def cancel(house: House, caller: Caller, job_id: str) -> Job:
    """Cancel a job; one that runs stops soon. Raises ``NotFound``, ``Conflict`` for one that is over."""
    job = find(house, caller, job_id)
    if job.finished and job.state != "cancelled":
        raise Conflict(what=f"job {job_id}", cause=f"it has {job.state} already")
    with house.db.write() as tx:
        claims.cancel(tx, job_id)
    return find(house, caller, job_id)


def abandon(house: House, job: Job, others: Collection[str] = ()) -> bool:
    """Whoever waited for a job is gone: cancel it, unless its work serves another one too. Whether it did.

    ``others`` are jobs that were abandoned before, and went on for an identical one: they end with the last of them.
    """
    with house.db.write() as tx:
        twins = jobs.unfinished_twins(tx.connection, job)
        if not set(twins) <= set(others):
            return False
        for job_id in (*twins, job.id):
            claims.cancel(tx, job_id)
    return True


def retry(house: House, caller: Caller, job_id: str) -> Job:
    """Let a job that failed or was cancelled run once more. Raises ``NotFound``, ``Conflict``."""
    job = find(house, caller, job_id)
    with house.db.write() as tx:
        released = claims.retry(tx, job_id)
        if released is not None:
            house.queue.submit(tx, released.job_id, released.rank, released.lock)
    if released is None:
        cause = f"it is {job.state}" if job.media is not None else "its recording was deleted"
        raise Conflict(what=f"job {job_id}", cause=cause)
    return find(house, caller, job_id)


def delete(house: House, caller: Caller, job_id: str) -> None:
    """Delete a job that is over, with its recording, its transcript and all that was made of that.

    What a language model makes of it just now is given up. Raises ``NotFound``, ``Conflict``.
    """
    find(house, caller, job_id)
    with erasing(house, job_id, caller) as job:
        if job is not None and not job.finished:
            raise Conflict(what=f"job {job_id}", cause=f"it is {job.state}; cancel it first")


@contextmanager
def erasing(house: House, job_id: str, caller: Caller | None, **detail: str) -> Iterator[Job | None]:
    """Delete a job with its recording and all that was made of it, unless the block raises: it looks at the job last.

    It is None where somebody else has deleted it. ``caller`` None: the service does it by itself. Nobody can take it
    from the trash, or try it again, between that look and its end; its recording goes first, so that a crash in
    between leaves no recording of which nobody knows.
    """
    with house.db.write() as tx:
        jobs.lock(tx, job_id)
        job = jobs.find(tx.connection, job_id, trashed=True)
        yield job
        if job is None:
            return
        if job.media is not None:
            house.media.delete(job.media.url)
        jobs.remove(tx, [job.id])
        name = "" if caller else audit.ITSELF
        audit.note(tx, caller, "job_deleted", job.id, name=name, owner=job.owner, **detail)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One recording of an order."""

    order: Order
    media: Media
    identity: list[Any]
    batch: str | None


def _put(house: House, tx: Transaction, caller: Caller, entry: _Entry) -> Job:
    order, media = entry.order, entry.media
    scope = caller.owner if house.server.cache_scope == "owner" else None
    dedupe_key = _digest([scope, media.digest, entry.identity])
    settings = house.server
    by_setting = settings.delete_library_media if order.source == "v1" else settings.delete_service_media
    options: dict[str, Any] = {
        "run": asdict(order.run),
        "profile": order.profile,
        "compute_type": order.compute_type,
    }
    if order.diarize.diarize:
        options["diarize"] = asdict(order.diarize)
        options["known_speakers"] = [{"name": known.name, "sha256": known.digest} for known in order.known_speakers]
    if order.enhance is not None:
        options["enhance"] = order.enhance
    job, rank = jobs.put(
        tx,
        jobs.NewJob(
            source=order.source,
            media=media,
            model=order.model,
            options=options,
            language=order.run.transcribe.language,
            owner=caller.owner,
            priority=caller.priority + order.priority,
            callback_url=order.callback_url,
            batch=entry.batch,
            dedupe_key=dedupe_key,
            delete_media=by_setting if order.delete_media is None else order.delete_media,
            references=order.known_speakers,
        ),
    )
    twin = jobs.twin_with_result(tx.connection, dedupe_key)
    if twin is None:
        house.queue.submit(tx, job.id, rank, dedupe_key)
        return job
    stored = results.find_stored(tx.connection, twin.id)
    if stored is not None:
        transcript = results.unpack(stored)
        enhancing.follow(house, transcript, tx, claims.answer(tx, job.id, transcript, stored))
    return jobs.find(tx.connection, job.id) or job


def _repeated(house: House, caller: Caller, key: str, fingerprint: str) -> list[Job] | None:
    with house.db.read() as connection:
        known = idempotency.find(connection, caller.owner, key)
        if known is None:
            return None
        found = [jobs.find(connection, job_id, trashed=True) for job_id in known.job_ids]
    if known.fingerprint != fingerprint:
        raise Conflict(what=f"Idempotency-Key {key}", cause="it was used for another request")
    return [job for job in found if job is not None]


def _discard(house: House, recordings: Sequence[Media]) -> None:
    for media in recordings:
        house.media.delete(media.url)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
