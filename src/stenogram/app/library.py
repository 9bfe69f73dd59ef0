"""Use cases: the recordings of an owner as a library: search, titles, tags, many at once; a trash that gives back."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from sqlalchemy import Connection

from stenogram.accounts import audit
from stenogram.app import enhancing, jobs
from stenogram.app.enhancing import Standing
from stenogram.app.house import House
from stenogram.errors import Conflict, DatabaseError, NotFound, OptionError, StenogramError
from stenogram.job import Caller, Job
from stenogram.store import claims, enhancements, library
from stenogram.store import jobs as job_rows
from stenogram.store.database import Transaction
from stenogram.store.library import Facets, Item, Labels, Wanted, Whose
from stenogram.store.query import parse

MAX_TITLE_CHARS = 200
MAX_TAG_CHARS = 50
MAX_TAGS = 30
"""Of one recording."""
Action = Literal["trash", "restore", "purge", "tag", "untag", "cancel", "retry"]
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the library."""

    items: Sequence[Item]
    standings: Mapping[str, Standing]
    """Id -> how far the clean-up of its text is."""
    total: int
    """On all pages; at most ``store.library.MOST_COUNTED``."""
    more: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What became of many at once."""

    done: Sequence[str]
    failed: Sequence[tuple[str, StenogramError]]


# --- reading ---


def listing(house: House, caller: Caller, wanted: Wanted, query: str = "") -> Page:
    """One page of the caller's recordings that have all the words of a query; any text is one (``store.query``)."""
    wanted = replace(
        wanted,
        terms=parse(query),
        tags=[_storable(each) for each in wanted.tags],
        models=[_storable(each) for each in wanted.models],
        languages=[_storable(each) for each in wanted.languages],
    )
    with house.db.read() as connection:
        found = library.listing(connection, whose(caller), wanted)
    standings = enhancing.standings(house, [item.job for item in found.items])
    return Page(found.items, standings, found.total, found.more)


def facets(house: House, caller: Caller) -> Facets:
    """What the caller's recordings have, to choose from."""
    with house.db.read() as connection:
        return library.facets(connection, whose(caller))


def labels(house: House, found: Sequence[Job]) -> dict[str, Labels]:
    """Id of a job -> its tags and the version of its transcript."""
    with house.db.read() as connection:
        return library.labels(connection, [job.id for job in found])


def whose(caller: Caller) -> Whose:
    """What a caller sees."""
    return Whose(caller.owner, everybody=caller.admin)


def _storable(text: str) -> str:
    """Without what no database takes, and nothing that is stored has: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


# --- titles and tags ---


class Edit(TypedDict, total=False):
    """What is to be changed of a recording; what is left out stays."""

    title: str | None
    """None, or nothing in it: by the file's name again."""
    tags: Sequence[str] | None
    """In place of those that it has; None: they stay."""


def edit(house: House, caller: Caller, job_id: str, wish: Edit) -> Job:
    """Give a recording a title or tags, all or nothing. Raises ``NotFound``, ``OptionError``."""
    title = checked_title(wish.get("title"))
    tags = wish.get("tags")
    with house.db.write() as tx:
        job = _locked(tx, caller, job_id)
        if "title" in wish:
            library.put_title(tx, job, title)
        if tags is not None:
            library.untag(tx, job_id)
            _tag(tx, job_id, tags)
        tx.wake(f"job:{job_id}")
        return _owned(tx.connection, caller, job_id)


def tag(house: House, caller: Caller, job_id: str, name: str, *, off: bool = False) -> None:
    """Give a recording a tag, or take it ``off``. Raises ``NotFound``, ``OptionError``."""
    with house.db.write() as tx:
        _locked(tx, caller, job_id)
        if off:
            library.untag(tx, job_id, [checked_tag(name)])
        else:
            _tag(tx, job_id, [name])
        tx.wake(f"job:{job_id}")


def _tag(tx: Transaction, job_id: str, names: Iterable[str]) -> None:
    library.tag(tx, job_id, [checked_tag(name) for name in names])
    if len(library.labels(tx.connection, [job_id])[job_id].tags) > MAX_TAGS:
        cause = f"a recording can have at most {MAX_TAGS}"
        raise OptionError(name="tags", value=", ".join(names), cause=cause, param="tags")


def checked_title(title: str | None) -> str | None:
    """A title in its normal form; None where nothing is in it. Raises ``OptionError``."""
    found = _one_line(title or "")
    if len(found) > MAX_TITLE_CHARS:
        cause = f"must have at most {MAX_TITLE_CHARS} characters"
        raise OptionError(name="title", value=f"{found[:40]}...", cause=cause, param="title")
    return found or None


def checked_tag(name: str) -> str:
    """A tag in its normal form. Raises ``OptionError``."""
    found = _one_line(name)
    if not 0 < len(found) <= MAX_TAG_CHARS:
        cause = f"must have 1 to {MAX_TAG_CHARS} characters"
        raise OptionError(name="tag", value=found[:MAX_TAG_CHARS], cause=cause, param="tags")
    return found


def _one_line(text: str) -> str:
    """Without control characters, nor more than one space anywhere."""
    spaced = "".join(" " if unicodedata.category(each) in ("Cc", "Cs") else each for each in text)
    return unicodedata.normalize("NFC", " ".join(spaced.split()))


# --- the trash ---


def trash(house: House, caller: Caller, job_id: str) -> Job:
    """Put a recording into the trash; what is being done to it is cancelled. Raises ``NotFound``."""
    with house.db.write() as tx:
        job = _locked(tx, caller, job_id, trashed=True)
        if job.deleted_at is None:
            for each in (*enhancements.jobs_about(tx.connection, [job_id]), job):
                if not each.finished:
                    claims.cancel(tx, each.id)
            library.put_into_trash(tx, job_id, time.time())
            audit.note(tx, caller, "job_trashed", job_id)
            tx.wake(f"job:{job_id}")
        return _owned(tx.connection, caller, job_id, trashed=True)


def restore(house: House, caller: Caller, job_id: str) -> Job:
    """Take a recording from the trash, with all that it had. Raises ``NotFound``."""
    with house.db.write() as tx:
        job = _locked(tx, caller, job_id, trashed=True)
        if job.deleted_at is not None:
            library.take_from_trash(tx, job_id)
            audit.note(tx, caller, "job_restored", job_id)
            tx.wake(f"job:{job_id}")
        return _owned(tx.connection, caller, job_id)


def purge(house: House, caller: Caller, job_id: str) -> None:
    """Delete what is in the trash for good. Raises ``NotFound``, ``Conflict`` for what is not there."""
    with house.db.read() as connection:
        _owned(connection, caller, job_id, trashed=True)
    with jobs.erasing(house, job_id, caller) as job:
        if job is not None and job.deleted_at is None:
            raise Conflict(what=f"job {job_id}", cause="it is not in the trash")


def empty_trash(house: House) -> int:
    """Delete for good what has been in the trash for ``trash_days``. Gives the number."""
    if not house.server.trash_days:
        return 0
    before = time.time() - house.server.trash_days * _DAY_S
    with house.db.read() as connection:
        old = library.trashed_before(connection, before)
    for each in old:
        with suppress(Conflict), jobs.erasing(house, each.id, None, why="trash") as job:
            if job is not None and (job.deleted_at is None or job.deleted_at >= before):
                raise Conflict(what=f"job {each.id}", cause="it was taken from the trash")
    return len(old)


# --- many at once ---


def bulk(house: House, caller: Caller, ids: Iterable[str], action: Action, name: str | None = None) -> Done:
    """Do the same to many; where it cannot be done to one, it is done to the others.

    ``name``: the tag. Raises ``OptionError`` where there is none for ``tag`` and ``untag``, ``DatabaseError``.
    """
    actions: dict[Action, Callable[[str], object]] = {
        "trash": lambda job_id: trash(house, caller, job_id),
        "restore": lambda job_id: restore(house, caller, job_id),
        "purge": lambda job_id: purge(house, caller, job_id),
        "tag": lambda job_id: tag(house, caller, job_id, name or ""),
        "untag": lambda job_id: tag(house, caller, job_id, name or "", off=True),
        "cancel": lambda job_id: jobs.cancel(house, caller, job_id),
        "retry": lambda job_id: jobs.retry(house, caller, job_id),
    }
    if action in ("tag", "untag"):
        checked_tag(name or "")
    done, failed = [], []
    for job_id in dict.fromkeys(ids):
        try:
            actions[action](job_id)
        except DatabaseError:
            raise
        except StenogramError as error:
            failed.append((job_id, error))
        else:
            done.append(job_id)
    return Done(done, failed)


def _locked(tx: Transaction, caller: Caller, job_id: str, *, trashed: bool = False) -> Job:
    job_rows.lock(tx, job_id)
    return _owned(tx.connection, caller, job_id, trashed=trashed)


def _owned(connection: Connection, caller: Caller, job_id: str, *, trashed: bool = False) -> Job:
    job = job_rows.find(connection, job_id, trashed=trashed)
    if job is None or job.kind != "transcribe" or not caller.owns(job.owner):
        raise NotFound(what="job", id=job_id)
    return job
