"""What a process of the service is made of: settings, database, queue, recordings, and the app that transcribes."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from stenogram.app.root import App
from stenogram.audio.decode import Decoder
from stenogram.cache import open_cache
from stenogram.config import ServerSettings, Settings
from stenogram.hardware import free_memory
from stenogram.jobs.embedded import EmbeddedQueue
from stenogram.media import MediaStore
from stenogram.protocols import JobQueue
from stenogram.store.database import Database, url_of


@dataclass(slots=True)
class House:
    """Put together once for each process; safe to use from several threads."""

    settings: Settings
    server: ServerSettings
    app: App
    db: Database
    media: MediaStore
    queue: JobQueue

    @classmethod
    def open(cls, settings: Settings, server: ServerSettings) -> Self:
        """Everything with its real parts; no model is loaded, and the tables must be there (``store.schema``)."""
        db = Database.open(url_of(settings, server), server.db_schema)
        app = App(settings, open_cache(settings), Decoder(), free_bytes=free_memory)
        media = MediaStore(server.media_url or str(settings.data_dir / "media"), settings.cache_dir / "work")
        return cls(settings, server, app, db, media, open_queue(db, server.lease_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the models and close the database."""
        self.app.close()
        self.db.close()


def open_queue(db: Database, lease_s: float) -> JobQueue:
    """The queue that goes with the database."""
    if db.dialect == "sqlite":
        return EmbeddedQueue(db)
    from stenogram.jobs.procrastinate import ProcrastinateQueue

    return ProcrastinateQueue(db, lease_s)
