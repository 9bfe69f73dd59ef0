"""Use case: do a job of the kind ``enhance``, in a worker of the chat lane."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

from stenogram.app import enhance, enhancing, transcripts
from stenogram.app.house import House
from stenogram.enhancement import Enhancement, Line
from stenogram.errors import Cancelled, Conflict, StenogramError
from stenogram.jobs.attempt import Attempt
from stenogram.jobs.worker import Done
from stenogram.metrics import Chats
from stenogram.store import enhancements
from stenogram.store.claims import Progress, as_json
from stenogram.types import Transcript

CHATS = Chats()
"""Of this process."""


def perform(house: House, attempt: Attempt) -> Done:
    """Have a language model go over a transcript, and tell each line as it is final.

    What an earlier attempt told stands, and is not told again. Raises ``Conflict`` when the transcript is gone,
    ``EnhancementError``, ``ModelError``, ``Cancelled``.
    """
    try:
        made = _made(house, attempt)
    except Cancelled:
        CHATS.cancelled += 1
        raise
    except StenogramError:
        CHATS.failed += 1
        raise
    CHATS.add(made)
    parent = str(attempt.job.parent)
    return Done(None, cached=made.cached, also=lambda tx, _ended: enhancements.put(tx, attempt.job.id, parent, made))


def totals() -> Mapping[str, Any]:
    """What this process has done, for ``/metrics``."""
    return {"chat": asdict(CHATS)}


def _made(house: House, attempt: Attempt) -> Enhancement:
    job = attempt.job
    with house.db.read() as connection:
        transcript = transcripts.read(connection, str(job.parent))
        known = enhancements.lines_told(connection, job.id)
    if transcript is None:
        raise Conflict(what=f"job {job.parent}", cause="its transcript is gone")
    teller = _Teller(attempt, transcript, known)
    lines = enhance.stream(
        house.app,
        transcript,
        enhancing.options_of(job),
        attempt.stop,
        known=known,
        scope=job.owner if house.server.cache_scope == "owner" else None,
        fresh=bool(job.options.get("again")),
        progress=teller.progress,
    )
    with closing(lines):
        while True:
            try:
                line = next(lines)
            except StopIteration as ended:
                made: Enhancement = ended.value
                return made
            teller.line(line)


class _Teller:
    """Tells the attempt what the world should know."""

    def __init__(self, attempt: Attempt, transcript: Transcript, known: Mapping[int, Line]) -> None:
        self._attempt = attempt
        self._begun = any(line.text for line in known.values())
        """Whether any text was told."""
        self._progress = Progress("enhance", 0.0, transcript.duration, advanced=False)
        attempt.tell(self._progress)

    def line(self, line: Line) -> None:
        """A line is final. Its chunk joined to those before is the whole text so far."""
        chunk = f" {line.text}" if line.text and self._begun else line.text
        self._begun = self._begun or bool(line.text)
        self._tell(self._progress.share, advanced=True)
        self._attempt.tell(happenings=[("line", {**as_json(line), "chunk": chunk})])

    def progress(self, share: float) -> None:
        """So much is through."""
        self._tell(share, advanced=self._progress.advanced)

    def _tell(self, share: float, *, advanced: bool) -> None:
        self._progress = Progress("enhance", share, self._progress.duration, advanced=advanced)
        self._attempt.tell(self._progress)
