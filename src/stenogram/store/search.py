"""What is searched: for each job that transcribes the words of its names and of its current text, and where they are.

A document is the whole of a transcript, for the words of a query may stand far apart in it. The database finds the
documents that have all the words; phrases and places are looked up in their text, which keeps where each segment
begins. So both databases find the same, by the same rules (``store.words``).
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, cast, exists, func, literal_column, or_, select, text
from sqlalchemy import update as update_table
from sqlalchemy.dialects.postgresql import TSQUERY

from stenogram.store import results
from stenogram.store.database import Database, Transaction
from stenogram.store.query import Term
from stenogram.store.tables import jobs, transcript_versions
from stenogram.store.tables import search_documents as table
from stenogram.store.words import words
from stenogram.types import Transcript

log = logging.getLogger(__name__)

_MOST_WORD_BYTES = 900_000
"""Different words of one document, in all; a tsvector takes 2**20 bytes. What comes after is not found."""
_PUT = text(
    "INSERT INTO search_documents (job_id, name, body) VALUES (:job_id, :name, '') ON CONFLICT (job_id) DO NOTHING"
)
_MATCHES = text("search_documents.id IN (SELECT rowid FROM search_index WHERE search_index MATCH :words)")
_OPTIMIZE = text("INSERT INTO search_index (search_index) VALUES ('optimize')")
_LEFT = text("DELETE FROM search_leftovers RETURNING id")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the segments of a document are, in order: one list for each fact, which are read fastest."""

    at: list[int]
    """Where the words of each begin in the text that is searched."""
    ids: list[int]
    starts: list[float]
    """Seconds."""
    texts: list[str]


# --- putting in ---


def name(tx: Transaction, job_id: str, *names: str | None) -> None:
    """Have a job found by these names, its title and its file's, in place of earlier ones."""
    found = [word for each in names if each for word in words(each)]
    spaced = f" {' '.join(found)} " if found else ""
    if not _update(tx, job_id, name=spaced):
        tx.connection.execute(_PUT, {"job_id": job_id, "name": spaced})


def index(tx: Transaction, job_id: str, transcript: Transcript) -> None:
    """Have a job found by this text, in place of an earlier one. In the transaction that keeps the text."""
    body, places = _laid_out(transcript)
    values = {
        "model": transcript.model or None,
        "language": transcript.language,
        "speakers": json.dumps(_speakers(transcript), ensure_ascii=False),
        "body": body,
        "segments": msgspec.msgpack.encode(places),
    }
    if not _update(tx, job_id, **values):
        title, filename = tx.connection.execute(select(jobs.c.title, jobs.c.filename).where(jobs.c.id == job_id)).one()
        name(tx, job_id, title, filename)
        _update(tx, job_id, **values)


def _update(tx: Transaction, job_id: str, **values: Any) -> bool:
    changed = update_table(table).where(table.c.job_id == job_id).values(**values)
    return bool(tx.connection.execute(changed).rowcount)


def _laid_out(transcript: Transcript) -> tuple[str, Places]:
    """The words of all segments with a space on both sides, and where each segment begins in them."""
    segments = transcript.segments
    places = Places([], [each.id for each in segments], [each.start for each in segments], [])
    parts, at = [], 0
    different: set[str] = set()
    room = _MOST_WORD_BYTES
    for segment in segments:
        places.at.append(at)
        places.texts.append(segment.text)
        found = words(segment.text) if room > 0 else []
        fresh = set(found) - different
        room -= sum(len(word.encode()) for word in fresh)
        different |= fresh
        if found:
            parts.append(" " + " ".join(found))
            at += len(parts[-1])
    return "".join(parts) + (" " if parts else ""), places


def _speakers(transcript: Transcript) -> list[str]:
    spoken = (segment.speaker for segment in transcript.segments)
    return list(dict.fromkeys(speaker for speaker in spoken if speaker is not None))


def unpack(segments: bytes) -> Places:
    """Where the segments of a document are."""
    return msgspec.msgpack.decode(segments, type=Places)


# --- what was there before there was an index ---


def missing(connection: Connection) -> int:
    """How many jobs that transcribe are not in the index yet."""
    return connection.execute(select(func.count()).select_from(jobs).where(_is_missing())).scalar_one()


def catch_up(tx: Transaction, limit: int) -> int:
    """Put up to ``limit`` jobs into the index that are not in it, newest first; gives their number."""
    query = select(jobs.c.id, jobs.c.title, jobs.c.filename).where(_is_missing())
    rows = tx.connection.execute(query.order_by(jobs.c.created_at.desc()).limit(limit).with_for_update()).all()
    for row in rows:
        name(tx, row.id, row.title, row.filename)
        try:
            transcript = _current(tx.connection, row.id)
        except (zlib.error, msgspec.MsgspecError) as error:
            log.warning("the transcript of job %s cannot be read, so it is not searched: %s", row.id, error)
            continue
        if transcript is not None:
            index(tx, row.id, transcript)
    return len(rows)


def _is_missing() -> ColumnElement[bool]:
    return and_(jobs.c.kind == "transcribe", ~exists().where(table.c.job_id == jobs.c.id))


def _current(connection: Connection, job_id: str) -> Transcript | None:
    """The last version of a transcript; where it was never edited, what was found."""
    query = select(transcript_versions.c.transcript).where(transcript_versions.c.job_id == job_id)
    edited = connection.execute(query.order_by(transcript_versions.c.number.desc()).limit(1)).scalar()
    return results.unpack(edited) if edited is not None else results.find(connection, job_id)


def settle(db: Database) -> bool:
    """Let SQLite's index forget the words of jobs that were deleted; whether there were any.

    It is written anew as a whole, a second or so for a thousand hours: not to be done after each deletion. On
    PostgreSQL it is vacuum's business.
    """
    if db.dialect != "sqlite":
        return False
    with db.write() as tx:
        left = tx.connection.execute(_LEFT).first() is not None
        if left:
            tx.connection.execute(_OPTIMIZE)
    return left


# --- finding ---


def has(connection: Connection, terms: Sequence[Term]) -> ColumnElement[bool]:
    """The condition on ``search_documents`` that every term is somewhere in the document."""
    if connection.dialect.name == "sqlite":
        query = " AND ".join(f'"{" ".join(term.words)}"{"*" if term.prefix else ""}' for term in terms)
        return _MATCHES.bindparams(words=query)  # type: ignore[return-value]  # text is a condition, too
    apart = dict.fromkeys(
        (word, term.prefix and at == len(term.words) - 1) for term in terms for at, word in enumerate(term.words)
    )
    query = " & ".join(f"'{word}'{':*' if prefix else ''}" for word, prefix in apart)
    phrases = [term.needle for term in terms if len(term.words) > 1]  # a tsvector keeps no more than 16,383 places
    return and_(
        literal_column("search_documents.words").op("@@")(cast(query, TSQUERY)),
        *(or_(func.strpos(table.c.body, each) > 0, func.strpos(table.c.name, each) > 0) for each in phrases),
    )
