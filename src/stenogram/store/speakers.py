"""People whose voices are known, as they are stored: biometric data, kept because somebody asked for it."""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from stenogram.store.database import Transaction
from stenogram.store.tables import speaker_voices, speakers


@dataclass(frozen=True, slots=True)
class Voice:
    """How a person sounds in one recording."""

    values: tuple[float, ...]
    """The embedding of ``diarization.voices``."""
    network: str
    """Version of what made it: only those of the same version can be compared."""
    sample: str
    """SHA-256 of the recording's bytes, hex."""
    heard_s: float
    """Seconds of speech it was made from."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person and all that was heard of them. Times are Unix seconds."""

    id: str
    owner: str | None
    """None: nobody's in particular."""
    name: str
    created_at: float
    voices: tuple[Voice, ...] = ()


def put(tx: Transaction, owner: str | None, name: str, voices: Sequence[Voice]) -> str:
    """Add voices to the owner's speaker of this name, who is made where there is none; gives their id.

    A voice takes the place of an earlier one of the same recording, and of those that other networks made, which are
    comparable with nothing any more.
    """
    now = time.time()
    insert_new = sqlite_insert if tx.connection.dialect.name == "sqlite" else postgresql_insert
    new = insert_new(speakers).values(id=uuid.uuid4().hex, owner=owner or "", name=name, created_at=now)
    tx.connection.execute(new.on_conflict_do_nothing(index_elements=["owner", "name"]))
    condition = (speakers.c.owner == (owner or "")) & (speakers.c.name == name)
    speaker_id: str = tx.connection.execute(select(speakers.c.id).where(condition).with_for_update()).scalar_one()
    for voice in voices:
        replaced = (speaker_voices.c.sample == voice.sample) | (speaker_voices.c.network != voice.network)
        tx.connection.execute(delete(speaker_voices).where(speaker_voices.c.speaker_id == speaker_id, replaced))
        tx.connection.execute(
            insert(speaker_voices).values(
                speaker_id=speaker_id,
                sample=voice.sample,
                voice=struct.pack(f"<{len(voice.values)}f", *voice.values),
                network=voice.network,
                heard_s=voice.heard_s,
                created_at=now,
            )
        )
    return speaker_id


def find(connection: Connection, speaker_id: str) -> Speaker | None:
    """The speaker of this id."""
    row = connection.execute(select(speakers).where(speakers.c.id == speaker_id)).first()
    return _of_row(connection, row) if row is not None else None


def find_named(connection: Connection, owner: str | None, name: str) -> Speaker | None:
    """The owner's speaker of this name."""
    condition = (speakers.c.owner == (owner or "")) & (speakers.c.name == name)
    row = connection.execute(select(speakers).where(condition)).first()
    return _of_row(connection, row) if row is not None else None


def listing(connection: Connection, owner: str | None, *, everybody: bool = False) -> list[Speaker]:
    """The speakers of an owner, or of all, by name."""
    query = select(speakers).order_by(speakers.c.name, speakers.c.owner)
    if not everybody:
        query = query.where(speakers.c.owner == (owner or ""))
    return [_of_row(connection, row) for row in connection.execute(query).all()]


def rename(tx: Transaction, speaker_id: str, name: str) -> None:
    """Call a speaker otherwise. Raises ``DatabaseError`` where the owner has another one of this name."""
    tx.connection.execute(update(speakers).where(speakers.c.id == speaker_id).values(name=name))


def remove(tx: Transaction, speaker_id: str) -> bool:
    """Delete a speaker with all their voices; False where there is none."""
    return bool(tx.connection.execute(delete(speakers).where(speakers.c.id == speaker_id)).rowcount)


def _of_row(connection: Connection, row: Row[Any]) -> Speaker:
    query = select(speaker_voices).where(speaker_voices.c.speaker_id == row.id)
    order = (speaker_voices.c.created_at, speaker_voices.c.sample)
    voices = tuple(
        Voice(struct.unpack(f"<{len(found.voice) // 4}f", found.voice), found.network, found.sample, found.heard_s)
        for found in connection.execute(query.order_by(*order))
    )
    return Speaker(row.id, row.owner or None, row.name, row.created_at, voices)
