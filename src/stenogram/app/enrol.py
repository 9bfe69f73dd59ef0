"""Use case: know a person by recordings that came to the server, whose own process never computes.

Each recording is a job of the kind ``KIND``, which a worker does like any other, and for which the request waits. It is
deleted when it is over, with the recording and the person's name: nothing of it stays but the voice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from stenogram.accounts.keys import MOST_PRIORITY
from stenogram.app import speakers
from stenogram.app.house import House
from stenogram.app.speakers import VoiceOf
from stenogram.diarization.rename import check_person
from stenogram.errors import FileNotReadable, InputError, RequestError
from stenogram.job import Caller, Job, Media
from stenogram.jobs.attempt import Attempt
from stenogram.jobs.worker import Done
from stenogram.store import jobs
from stenogram.types import Transcript

KIND = "voice"
_FORGOTTEN_AFTER_S = 60.0
"""A job that is over stays so long for a request that waits for it."""


def submit(house: House, caller: Caller, name: str, recordings: Sequence[Media]) -> list[Job]:
    """Have workers listen to recordings of a person, one job for each. They go first: it takes a second.

    Raises ``OptionError`` for a name that cannot be, ``RequestError``, ``DatabaseUnavailable``, ``StorageFull``.
    """
    name = check_person(name)
    if not recordings:
        raise RequestError(cause="no recording came with the request", param="file")
    found = []
    with house.db.write() as tx:
        for media in recordings:
            new = jobs.NewJob(
                source="v1",
                media=media,
                model="auto",
                options={"speaker": name},
                owner=caller.owner,
                priority=caller.priority + MOST_PRIORITY,
                delete_media=True,
                kind=KIND,
            )
            job, rank = jobs.put(tx, new)
            house.queue.submit(tx, job.id, rank, None)
            found.append(job)
    return found


def perform(house: House, voice_of: VoiceOf, attempt: Attempt) -> Done:
    """Listen to the recording of a job, in a worker, and keep the voice. Raises ``InputError``, ``Cancelled``."""
    job = attempt.job
    filename = job.filename or "the recording"
    if job.media is None:
        raise FileNotReadable(path=filename, cause="it was deleted")
    with house.media.local(job.media.url) as path:
        try:
            voice = speakers.hear(house.app, path, voice_of, attempt.stop)
        except InputError as error:  # its user knows it by another name
            facts: dict[str, Any] = {**error.facts, "path": filename}
            raise type(error)(**facts) from error
    speakers.add(house.db, job.owner, str(job.options["speaker"]), [voice])
    return Done(Transcript((), voice.heard_s))


def forget(house: House, ended: Sequence[Job]) -> None:
    """Delete jobs that are over, with the recordings."""
    for job in ended:
        if job.media is not None:
            house.media.delete(job.media.url)
    with house.db.write() as tx:
        jobs.remove(tx, [job.id for job in ended])
    house.db.forget_log()


def forget_left(house: House) -> int:
    """Delete the jobs whose request did not wait for their end. Gives their number."""
    with house.db.read() as connection:
        left = jobs.expired(connection, time.time() - _FORGOTTEN_AFTER_S, kind=KIND)
    if left:
        forget(house, left)
    return len(left)
