"""Versions of transcripts that their owners edited; what was found stays in ``store.results``, as version 0.

Saves that one author makes in quick succession gather in one row, whose number rises with each of them: numbers tell
who has seen what, and not every one of them can be read again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from stenogram.store import jobs, results
from stenogram.store.database import Transaction
from stenogram.store.tables import transcript_versions as table
from stenogram.store.tables import users
from stenogram.types import Transcript

GATHER_S = 600.0
"""Saves of one author gather in one version for so long."""
MOST_KEPT = 200
"""Versions of a transcript, each of which holds all of it; what was found is kept beside them."""
_LEVEL = 1
"""Of compression: a long transcript is saved while somebody types."""


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of a version beside its text. Times are Unix seconds."""

    number: int
    author: str | None
    """User, or owner of a key; None: nobody in particular."""
    author_name: str | None
    created_at: float
    saved_at: float
    changes: int
    """How many it gathers."""
    restored: int | None
    """The earlier version that it is the same as."""


@dataclass(frozen=True, slots=True)
class Text:
    """A version's text, with what the next edit needs to know of it."""

    transcript: Transcript
    """Speakers by their labels."""
    touched: Mapping[int, int] = field(default_factory=dict)
    """Id of a segment -> number of the version that wrote it; those that stand as they were found are left out."""
    next_id: int = 0
    """No segment had this id yet, nor any higher one."""


class _Marks(msgspec.Struct):
    touched: dict[int, int]
    next_id: int


def head(connection: Connection, job_id: str) -> Version | None:
    """The last version; None: nobody edited the transcript yet."""
    row = connection.execute(_versions(job_id).limit(1)).first()
    return _of_row(row) if row is not None else None


def heads(connection: Connection, job_ids: Sequence[str]) -> dict[str, int]:
    """Id of a job -> number of the last version of its transcript, where somebody edited it."""
    query = select(table.c.job_id, func.max(table.c.number)).where(table.c.job_id.in_(list(job_ids)))
    return {job_id: number for job_id, number in connection.execute(query.group_by(table.c.job_id))}  # noqa: C416 - rows are not pairs to mypy


def listing(connection: Connection, job_id: str) -> list[Version]:
    """The versions that can be read, the last one first; what was found is not among them."""
    return [_of_row(row) for row in connection.execute(_versions(job_id))]


def find(connection: Connection, job_id: str, number: int | None = None) -> Text | None:
    """A version; None for the number: the last one. 0 is what was found. None: there is no such version."""
    query = select(table.c.transcript).where(table.c.job_id == job_id)
    if number is not None:
        query = query.where(table.c.number == number)
    stored: bytes | None = None
    if number != 0:
        stored = connection.execute(query.order_by(table.c.number.desc()).limit(1)).scalar()
    if stored is not None:
        return _unpacked(stored)
    if number:
        return None
    found = results.find(connection, job_id)
    if found is None:
        return None
    return Text(found, next_id=1 + max((segment.id for segment in found.segments), default=-1))


def lock(tx: Transaction, job_id: str) -> None:
    """Let nobody else change the transcript of a job, or its names, or delete it, before this transaction ends."""
    jobs.lock(tx, job_id)  # first, as deletion does
    results.lock(tx, job_id)


def save(tx: Transaction, job_id: str, text: Text, author: str | None, changes: int) -> Version:
    """Keep the next version. It takes the place of the last one where that gathers."""
    stored, now = _packed(text), tx.now()
    last = head(tx.connection, job_id)
    if last is None or last.author != author or last.restored is not None or now - last.created_at >= GATHER_S:
        return _put(tx, job_id, stored, Version(_next(last), author, None, now, now, changes, None))
    tx.connection.execute(
        update(table)
        .where(table.c.job_id == job_id, table.c.number == last.number)
        .values(number=_next(last), saved_at=now, changes=last.changes + changes, transcript=stored)
    )
    return Version(_next(last), author, last.author_name, last.created_at, now, last.changes + changes, None)


def restore(tx: Transaction, job_id: str, text: Text, author: str | None, restored: int) -> Version:
    """Keep an earlier version as the next one."""
    last, now = head(tx.connection, job_id), tx.now()
    return _put(tx, job_id, _packed(text), Version(_next(last), author, None, now, now, 1, restored))


def differing(before: Transcript, after: Transcript) -> Iterable[int]:
    """Ids of the segments of ``after`` that are not those of ``before``."""
    known = {segment.id: segment for segment in before.segments}
    return [segment.id for segment in after.segments if known.get(segment.id) != segment]


def _put(tx: Transaction, job_id: str, stored: bytes, version: Version) -> Version:
    tx.connection.execute(
        insert(table).values(
            job_id=job_id,
            number=version.number,
            author=version.author,
            created_at=version.created_at,
            saved_at=version.saved_at,
            changes=version.changes,
            restored=version.restored,
            transcript=stored,
        )
    )
    _thin(tx, job_id)
    return version


def _thin(tx: Transaction, job_id: str) -> None:
    """Forget the oldest versions beyond ``MOST_KEPT``."""
    numbers = select(table.c.number).where(table.c.job_id == job_id).order_by(table.c.number.desc())
    beyond = tx.connection.execute(numbers.offset(MOST_KEPT).limit(1)).scalar()
    if beyond is not None:
        tx.connection.execute(delete(table).where(table.c.job_id == job_id, table.c.number <= beyond))


def _next(last: Version | None) -> int:
    return 1 if last is None else last.number + 1


def _packed(text: Text) -> bytes:
    """As ``results.pack`` does it, with what the next edit needs beside the fields of the transcript."""
    fields = {name: getattr(text.transcript, name) for name in Transcript.__dataclass_fields__}
    return zlib.compress(msgspec.json.encode({**fields, "touched": text.touched, "next_id": text.next_id}), _LEVEL)


def _unpacked(stored: bytes) -> Text:
    written = zlib.decompress(stored)
    marks = msgspec.json.decode(written, type=_Marks)
    return Text(msgspec.json.decode(written, type=Transcript), marks.touched, marks.next_id)


def _versions(job_id: str) -> Select[Any]:
    columns = [column for column in table.c if column.name not in ("job_id", "transcript")]
    query = select(*columns, users.c.name.label("author_name")).select_from(
        table.outerjoin(users, users.c.id == table.c.author)
    )
    return query.where(table.c.job_id == job_id).order_by(table.c.number.desc())


def _of_row(row: Row[Any]) -> Version:
    return Version(row.number, row.author, row.author_name, row.created_at, row.saved_at, row.changes, row.restored)
