"""Transcripts of finished jobs, as compressed JSON: it outlives the version of the program that wrote it.

What the owner of a job calls its speakers stands beside the transcript: that stays as it was found, for it also answers
identical jobs, whose owners may call them otherwise.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from stenogram.store.database import Transaction
from stenogram.store.tables import results as table
from stenogram.types import Transcript


def pack(transcript: Transcript) -> bytes:
    """A transcript as it is stored."""
    return zlib.compress(msgspec.json.encode(transcript), level=6)


def unpack(stored: bytes) -> Transcript:
    """A stored transcript; fields that it does not have yet get their defaults."""
    return msgspec.json.decode(zlib.decompress(stored), type=Transcript)


def put(tx: Transaction, job_id: str, stored: bytes) -> None:
    """Keep the transcript of a job, in place of an earlier one."""
    tx.connection.execute(delete(table).where(table.c.job_id == job_id))
    tx.connection.execute(insert(table).values(job_id=job_id, transcript=stored))


def find_stored(connection: Connection, job_id: str) -> bytes | None:
    """The transcript of a job as it is stored."""
    found: bytes | None = connection.execute(select(table.c.transcript).where(table.c.job_id == job_id)).scalar()
    return found


def find(connection: Connection, job_id: str) -> Transcript | None:
    """The transcript of a job as it was found, where it has one; ``app.transcripts`` gives it with its names."""
    stored = find_stored(connection, job_id)
    return unpack(stored) if stored is not None else None


def names_of(connection: Connection, job_id: str) -> dict[str, str]:
    """Label of a speaker -> what the owner of the job calls them; those who are called by their label are left out."""
    names = connection.execute(select(table.c.names).where(table.c.job_id == job_id)).scalar()
    return dict(json.loads(names)) if names else {}


def lock(tx: Transaction, job_id: str) -> None:
    """Let nobody else change the names of a job before this transaction ends."""
    tx.connection.execute(select(table.c.job_id).where(table.c.job_id == job_id).with_for_update())


def name(tx: Transaction, job_id: str, names: Mapping[str, str]) -> None:
    """Keep what the owner of a job calls its speakers."""
    stored = json.dumps(names, ensure_ascii=False) if names else None
    tx.connection.execute(update(table).where(table.c.job_id == job_id).values(names=stored))


def note_skipped(tx: Transaction, job_id: str, reason: str) -> None:
    """Keep why no language model is to go over a transcript by itself."""
    tx.connection.execute(update(table).where(table.c.job_id == job_id).values(skipped=reason))


def reasons_skipped(connection: Connection, job_ids: Sequence[str]) -> dict[str, str]:
    """Id of a job -> why no language model went over its transcript by itself, where that was kept."""
    query = select(table.c.job_id, table.c.skipped).where(table.c.job_id.in_(job_ids), table.c.skipped.is_not(None))
    return {row.job_id: row.skipped for row in connection.execute(query)}
