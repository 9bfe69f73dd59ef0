"""Use cases: the transcript of a job as its owner reads it, and what they call its speakers.

What was found stays as it was found; versions that the owner edited (``app.documents``) and names are kept beside it,
and put in when it is read. So they can be changed and taken back, two speakers who were made one can be parted again,
and an identical job of another owner has none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from stenogram.app.house import House
from stenogram.diarization.rename import SpeakerShare, check_name, rename_speakers, shares, speakers_of, unknown
from stenogram.errors import Conflict, OptionError
from stenogram.job import Job
from stenogram.store import results, versions
from stenogram.types import Transcript

Wish = Mapping[str, str | None]
"""Label or present name of a speaker -> the name they are to have; None: that of their label again."""


@dataclass(frozen=True, slots=True)
class NamedSpeaker:
    """A speaker of a transcript."""

    share: SpeakerShare
    labels: tuple[str, ...]
    """What the diarizer calls them; several where they were made one."""


def read(connection: Connection, job_id: str) -> Transcript | None:
    """The transcript of a job as its owner last edited it, with the names that they gave, where it has one."""
    text = versions.find(connection, job_id)
    return named(text.transcript, results.names_of(connection, job_id)) if text is not None else None


def named(transcript: Transcript, names: Mapping[str, str]) -> Transcript:
    """A transcript with the names that its owner gave; some may be those of speakers of other versions."""
    present = speakers_of(transcript) if names else ()
    names = {label: name for label, name in names.items() if label in present}
    return rename_speakers(transcript, names) if names else transcript


def speakers(house: House, job: Job) -> list[NamedSpeaker]:
    """Who speaks in the transcript of a job, in the order in which they begin. Raises ``Conflict`` without one."""
    with house.db.read() as connection:
        return _speakers(_found(connection, job), results.names_of(connection, job.id))


def rename(house: House, job: Job, wish: Wish) -> list[NamedSpeaker]:
    """Call speakers of a job's transcript otherwise, all at once; those who get one name become one.

    The same wish by labels may be sent again: it changes nothing more. Raises ``Conflict`` while there is no
    transcript, ``NotFound`` for somebody who does not speak in it, ``OptionError`` for a name that cannot be.
    """
    with house.db.write() as tx:
        versions.lock(tx, job.id)
        transcript = _found(tx.connection, job)
        names = _merged(speakers_of(transcript), results.names_of(tx.connection, job.id), wish)
        results.name(tx, job.id, names)
    return _speakers(transcript, names)


def _found(connection: Connection, job: Job) -> Transcript:
    found = versions.find(connection, job.id)
    if found is None:
        raise Conflict(what=f"job {job.id}", cause=f"it is {job.state}, so there is no transcript")
    return found.transcript


def _merged(labels: Sequence[str], names: Mapping[str, str], wish: Wish) -> dict[str, str]:
    """The names after a wish. A key is first of all a label, so that a repeat of the wish means the same speakers."""
    wished: dict[str, str] = {}
    for key, name in wish.items():
        meant = [key] if key in labels else [label for label in labels if names.get(label) == key]
        if not meant:
            raise unknown(key, dict.fromkeys(names.get(label, label) for label in labels))
        for label in meant:
            new = label if name is None else check_name(name)
            if wished.setdefault(label, new) != new:
                raise OptionError(name=key, value=name, cause="is given two names at once", param=key)
    return {label: name for label, name in {**names, **wished}.items() if name != label}


def _speakers(transcript: Transcript, names: Mapping[str, str]) -> list[NamedSpeaker]:
    labels = speakers_of(transcript)
    return [
        NamedSpeaker(share, tuple(label for label in labels if names.get(label, label) == share.speaker))
        for share in shares(named(transcript, names))
    ]
