"""How far the fetching of models is, for every process to see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, delete, insert, select

from stenogram.store.database import Transaction
from stenogram.store.tables import downloads

DownloadState = Literal["absent", "downloading", "installed", "failed"]


@dataclass(frozen=True, slots=True)
class Download:
    """The fetching of one model to one machine."""

    model: str
    host: str
    state: DownloadState
    bytes_done: int = 0
    bytes_total: int | None = None
    error: str | None = None


def put(tx: Transaction, download: Download) -> None:
    """Note how far it is."""
    key = (downloads.c.model == download.model) & (downloads.c.host == download.host)
    tx.connection.execute(delete(downloads).where(key))
    tx.connection.execute(
        insert(downloads).values(
            model=download.model,
            host=download.host,
            state=download.state,
            bytes_done=download.bytes_done,
            bytes_total=download.bytes_total,
            error=download.error,
            updated_at=time.time(),
        )
    )
    tx.wake("models")


def all_of(connection: Connection, host: str) -> dict[str, Download]:
    """What is or was fetched to a machine, by model."""
    rows = connection.execute(select(downloads).where(downloads.c.host == host))
    return {
        row.model: Download(row.model, row.host, row.state, row.bytes_done, row.bytes_total, row.error) for row in rows
    }


def forget_broken_off(tx: Transaction, host: str) -> None:
    """At the start: what a killed process of this machine was fetching, nobody fetches now."""
    broken_off = (downloads.c.host == host) & (downloads.c.state == "downloading")
    if tx.connection.execute(delete(downloads).where(broken_off)).rowcount:
        tx.wake("models")
