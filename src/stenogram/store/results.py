"""Transcripts of finished jobs, as compressed JSON: it outlives the version of the program that wrote it."""

from __future__ import annotations

import zlib

import msgspec
from sqlalchemy import Connection, delete, insert, select

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
    """The transcript of a job, where it has one."""
    stored = find_stored(connection, job_id)
    return unpack(stored) if stored is not None else None
