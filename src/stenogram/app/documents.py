"""Use cases: the transcript of a job as a document that is edited, with its versions.

Every save makes a version, from which one can go back. Two who edit at once do not undo each other's work: what was
made of an older version is taken where nobody touched the same segments, else refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from stenogram.app import jobs
from stenogram.app.house import House
from stenogram.diarization.rename import check_name
from stenogram.enhance.edit import Edit, Edited, Passage, edit
from stenogram.errors import Conflict, NotFound, OptionError, VersionConflict
from stenogram.job import Caller, Job
from stenogram.store import results, search, versions
from stenogram.store.database import Transaction
from stenogram.store.versions import Text, Version
from stenogram.types import Transcript

MOST_SPEAKERS = 200
"""Of a transcript to which another one is added."""


@dataclass(frozen=True, slots=True)
class Document:
    """A transcript as it is edited."""

    job: Job
    transcript: Transcript
    """Speakers by their labels."""
    names: Mapping[str, str]
    """Label -> what the owner calls them; those who are called by their label are left out."""
    version: int
    head: Version | None
    """The last one; None: nobody edited it yet."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of edits."""

    version: Version
    edited: Edited
    """Speakers by their labels."""
    names: Mapping[str, str]
    others: bool
    """Others had edited other segments meanwhile."""


def read(house: House, caller: Caller, job_id: str, number: int | None = None) -> Document:
    """The transcript of a job, in its last version or an earlier one.

    Raises ``NotFound`` for the job or the version, ``Conflict`` while there is no transcript.
    """
    job = jobs.find(house, caller, job_id)
    with house.db.read() as connection:
        head = versions.head(connection, job_id)
        text = versions.find(connection, job_id, number)
        names = results.names_of(connection, job_id)
    if text is None:
        raise _absent(job, number)
    last = head.number if head is not None else 0
    return Document(job, text.transcript, names, last if number is None else number, head)


def save(house: House, caller: Caller, job_id: str, base: int, edits: Sequence[Edit]) -> Saved:
    """Edit the transcript of a job; ``base`` is the version that the edits were made of, all or none are taken.

    The speaker of a passage is a label, a present name, or a new one. Raises ``NotFound`` for the job or a segment,
    ``VersionConflict`` where others touched the same segments since, ``OptionError`` for what cannot be.
    """
    job = jobs.find(house, caller, job_id)
    with house.db.write() as tx:
        text, last = _locked(tx, job)
        head = last.number if last is not None else 0
        if base != head:
            _check_untouched(text, edits, base, head)
        names = results.names_of(tx.connection, job_id)
        label_of = _Labels(text.transcript, names)
        edits = [_labelled(each, label_of) for each in edits]
        edited = edit(text.transcript, edits, text.next_id)
        touched = {**text.touched, **{segment.id: head + 1 for made in edited.made for segment in made}}
        present = {segment.id for segment in edited.transcript.segments}
        touched = {number: version for number, version in touched.items() if number in present}
        version = versions.save(
            tx, job_id, Text(edited.transcript, touched, edited.next_id), caller.owner, max(len(edits), 1)
        )
        if label_of.names != names:
            results.name(tx, job_id, label_of.names)
        search.index(tx, job_id, edited.transcript)
    return Saved(version, edited, label_of.names, others=base != head)


def listing(house: House, caller: Caller, job_id: str) -> tuple[Job, list[Version]]:
    """The versions of a transcript that can be read, the last one first; what was found is not among them.

    Raises ``NotFound``, ``Conflict`` while there is no transcript.
    """
    job = jobs.find(house, caller, job_id)
    with house.db.read() as connection:
        if results.find_stored(connection, job_id) is None:
            raise _absent(job, None)
        return job, versions.listing(connection, job_id)


def restore(house: House, caller: Caller, job_id: str, number: int, base: int) -> Version:
    """Make an earlier version the last one again; what came since can be restored in the same way.

    Raises ``NotFound`` for the job or the version, ``VersionConflict`` unless ``base`` is the last version.
    """
    job = jobs.find(house, caller, job_id)
    with house.db.write() as tx:
        text, last = _locked(tx, job)
        head = last.number if last is not None else 0
        if base != head:
            raise VersionConflict(head=head, base=base, cause="Look at it again first.", param="base")
        earlier = versions.find(tx.connection, job_id, number)
        if earlier is None:
            raise NotFound(what="version", id=number)
        touched = {
            **dict(earlier.touched),
            **dict.fromkeys(versions.differing(text.transcript, earlier.transcript), head + 1),
        }
        again = Text(earlier.transcript, touched, max(text.next_id, earlier.next_id))
        search.index(tx, job_id, again.transcript)
        return versions.restore(tx, job_id, again, caller.owner, number)


def _locked(tx: Transaction, job: Job) -> tuple[Text, Version | None]:
    versions.lock(tx, job.id)
    text = versions.find(tx.connection, job.id)
    if text is None:
        raise _absent(job, None)
    return text, versions.head(tx.connection, job.id)


def _absent(job: Job, number: int | None) -> Conflict | NotFound:
    if number:
        return NotFound(
            f"No version {number} of this transcript: later saves of the same hand took its place, or it never was."
        )
    return Conflict(what=f"job {job.id}", cause=f"it is {job.state}, so there is no transcript")


def _check_untouched(text: Text, edits: Sequence[Edit], base: int, head: int) -> None:
    """Let edits of an older version through where all that they are about is as it was then."""
    present = {segment.id for segment in text.transcript.segments}
    replaced = {number for each in edits for number in each.replace}
    about = replaced | {each.after for each in edits if each.after is not None and not each.replace}
    if not 0 <= base < head or about - present or any(text.touched.get(number, 0) > base for number in replaced):
        cause = "The same passage was changed there. Load the transcript anew."
        raise VersionConflict(head=head, base=base, cause=cause, param="base")


class _Labels:
    """Labels of speakers by whatever they are called."""

    def __init__(self, transcript: Transcript, names: Mapping[str, str]) -> None:
        speakers = [*(segment.speaker for segment in transcript.segments), *(turn.speaker for turn in transcript.turns)]
        self._labels = dict.fromkeys(speaker for speaker in speakers if speaker is not None)
        self.names = dict(names)
        """Label -> name; a new speaker is called by their label, whatever somebody of that label was called before."""

        self._called = self._read()

    def _read(self) -> dict[str, str]:
        """What speakers are called -> the label of the first who is called so."""
        labels = reversed((*self._labels, *self.names))
        return {self.names.get(label, label): label for label in labels}

    def __call__(self, speaker: str) -> str:
        if speaker in self._called:
            return self._called[speaker]
        if speaker in self._labels:
            return speaker
        label = check_name(speaker)
        if label != speaker:
            return self(label)
        if len(self._labels) >= MOST_SPEAKERS:
            cause = f"a transcript can have {MOST_SPEAKERS} speakers"
            raise OptionError(name="speaker", value=label, cause=cause, param="speaker")
        self.names.pop(label, None)
        self._labels[label] = None
        self._called = self._read()
        return label


def _labelled(wish: Edit, label_of: Callable[[str], str]) -> Edit:
    return replace(wish, by=tuple(_with_label(passage, label_of) for passage in wish.by))


def _with_label(passage: Passage, label_of: Callable[[str], str]) -> Passage:
    if passage.speaker is None or passage.keep_speaker:
        return passage
    return replace(passage, speaker=label_of(passage.speaker))
