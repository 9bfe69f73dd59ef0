"""Use cases: links by which somebody without an account reads one transcript, until they expire or are revoked.

The token is 256 random bits, of which only the SHA-256 is stored: nobody can guess one, so that answers need not be
slowed. Whoever follows a link may do what the job's owner may do by reading, with this one job, and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from stenogram.accounts import audit
from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.errors import DatabaseError, NotFound, StorageError
from stenogram.job import Caller, Job
from stenogram.store import jobs as job_rows
from stenogram.store import shares
from stenogram.store.shares import Share

log = logging.getLogger(__name__)

MOST_DAYS = 365
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who followed a link."""

    share: Share
    job: Job
    caller: Caller
    """With the right to read what the owner of the job may read; it is for ``job`` alone that it may be used."""

    @property
    def title(self) -> str | None:
        """What the recording is called: by its file only where the owner gave it no title."""
        return self.job.title or self.job.filename


def create(house: House, caller: Caller, job_id: str, days: int, *, media: bool) -> tuple[str, Share]:
    """Make a link to the transcript of a job, good for so many days; its token is told here and never again.

    ``media``: the recording may be heard, too. Raises ``NotFound``, ``Conflict`` while there is no transcript.
    """
    job = jobs.find(house, caller, job_id)
    jobs.transcript(house, caller, job_id)
    now, token = time.time(), secrets.token_urlsafe(32)
    share = Share(
        id=uuid.uuid4().hex,
        token_hash=_hash(token),
        job_id=job_id,
        owner=caller.owner,
        media=media,
        created_at=now,
        expires_at=now + days * _DAY_S,
    )
    with house.db.write() as tx:
        shares.put(tx, share)
        audit.note(tx, caller, "share_created", share.id, job=job_id, owner=job.owner, days=days, media=media)
    return token, share


def listing(house: House, caller: Caller, job_id: str) -> Sequence[Share]:
    """The links to the transcript of a job, newest first. Raises ``NotFound``."""
    jobs.find(house, caller, job_id)
    with house.db.read() as connection:
        return shares.of_job(connection, job_id)


def revoke(house: House, caller: Caller, share_id: str) -> None:
    """Make a link useless for good. Raises ``NotFound``, also for one to another owner's job."""
    with house.db.write() as tx:
        share = shares.of_id(tx.connection, share_id)
        job = job_rows.find(tx.connection, share.job_id) if share is not None else None
        if share is None or job is None or not caller.owns(job.owner):
            raise NotFound(what="share", id=share_id)
        if shares.revoke(tx, share_id):
            audit.note(tx, caller, "share_revoked", share_id, job=share.job_id)


def follow(house: House, token: str, address: str = "") -> Visit:
    """Who follows a link, to what.

    Raises one and the same ``NotFound`` for a token that never was, one that expired or was revoked, and one to what
    was deleted.
    """
    now = time.time()
    with house.db.read() as connection:
        share = shares.find(connection, _hash(token))
    if share is None or not share.valid(now):
        raise _nothing()
    try:
        owner = jobs.find_any(house, share.job_id).owner
        caller = Caller(owner, scopes=frozenset({"read"}), admin=False, address=address)
        job = jobs.find(house, caller, share.job_id)
    except NotFound as error:
        raise _nothing() from error
    if job.deleted_at is not None:
        raise _nothing()
    _note_opening(house, share, now, address)
    return Visit(share, job, caller)


def _note_opening(house: House, share: Share, now: float, address: str) -> None:
    if not shares.opening_is_due(share, now):
        return
    try:
        with house.db.write() as tx:
            if shares.note_opening(tx, share, now):
                audit.note(tx, None, "share_opened", share.id, address=address, job=share.job_id)
    except (DatabaseError, StorageError) as error:  # a full disk must not close a link
        log.warning("that share %s was opened could not be noted: %s", share.id, error)


def _nothing() -> NotFound:
    return NotFound("This link opens nothing: it may have expired, or its owner took it back.")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
