"""Use cases: a language model goes over the transcript of a job, as a job of its own that workers of the chat lane do.

The transcript is there before and stays as it is: what is made of it lies beside it, and when nothing can be made, the
reason. The model is asked in a worker; the server's own process only puts in, reads and cancels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection

from stenogram.app import crew, transcripts
from stenogram.app.house import House
from stenogram.enhance import diff, run
from stenogram.enhance.policy import reason_to_skip
from stenogram.enhancement import Change, EnhanceKind, EnhanceOptions, EnhanceStatus, EnhanceWhen
from stenogram.errors import Conflict, NotFound, OptionError
from stenogram.job import CHAT_DEVICE, Caller, Job, JobState
from stenogram.store import claims, enhancements, jobs, results, versions, workers
from stenogram.store.database import Transaction
from stenogram.store.enhancements import Stored
from stenogram.types import Transcript

KIND = enhancements.KIND

_STATUS: Mapping[JobState, EnhanceStatus] = {
    "queued": "pending",
    "running": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "failed",
}
_CANCELLED = "It was cancelled; it can be asked for at any time."
Which = Sequence[int] | Literal["all"]
"""Changes by their ids."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The job that makes what was asked for."""

    job: Job
    begun: bool
    """It was put in by this very request; else it was under way, or done, before."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a language model is with a transcript."""

    status: EnhanceStatus
    reason: str | None = None
    """Why it failed or was skipped."""
    job: Job | None = None
    """The one under way; else the last that succeeded; else the last one."""

    @property
    def error_code(self) -> str | None:
        """Stable name of the failure."""
        if self.job is None or self.status != "failed":
            return None
        return "cancelled" if self.job.state == "cancelled" else self.job.error_code


@dataclass(frozen=True, slots=True)
class Report:
    """A transcript, and what a language model made of it."""

    job: Job
    """Whose transcript it is."""
    kind: EnhanceKind
    standing: Standing
    transcript: Transcript | None
    stored: Stored | None
    """The last that was made; while a new one is under way, the one before."""
    changes: tuple[Change, ...] = ()
    """Those of the clean text that fit the transcript as it is now, where they stand in it."""

    @property
    def accepted(self) -> tuple[Change, ...]:
        """The changes that fit, and that the owner did not take back."""
        reverted = self.stored.reverted if self.stored is not None else ()
        return tuple(each for each in self.changes if each.id not in reverted)

    @property
    def stale(self) -> tuple[Change, ...]:
        """The changes of what was edited since: they fit no more, and are left out."""
        if self.stored is None:
            return ()
        fitting = {change.id for change in self.changes}
        return tuple(each for each in self.stored.enhancement.changes if each.id not in fitting)

    def render(self) -> Transcript:
        """The transcript with the accepted changes, or translated. Raises ``Conflict`` while there is nothing of it."""
        if self.stored is None or self.transcript is None:
            why = self.standing.reason or f"it is {self.standing.status}"
            raise Conflict(what=f"{self.kind} text of job {self.job.id}", cause=why)
        if self.kind == "clean":
            return diff.apply(self.transcript, self.accepted)
        return run.text_of(self.transcript, self.stored.enhancement)


# --- asking for it ---


def submit(house: House, caller: Caller, job_id: str, options: EnhanceOptions, *, again: bool = False) -> Asked:
    """Have a language model go over the transcript of a job.

    What is under way with the same options is joined; what is done is given, unless the transcript was edited since, or
    it is to be done ``again``. Raises ``NotFound``, ``Conflict`` while there is no transcript, ``OptionError`` for an
    unknown language.
    """
    options = checked(options)
    with house.db.write() as tx:
        jobs.lock(tx, job_id)  # of two equal requests at once the second finds the job of the first
        parent = _owned(tx.connection, caller, job_id)
        if results.find_stored(tx.connection, job_id) is None:
            raise Conflict(what=f"job {job_id}", cause=f"it is {parent.state}, so there is no transcript")
        head = versions.head(tx.connection, job_id)
        edited_at = head.saved_at if head is not None else 0.0
        same = [job for job in enhancements.jobs_about(tx.connection, [job_id]) if options_of(job) == options]
        for job in reversed(same):
            if not job.finished and not job.cancel_requested:
                enhancements.share(tx, job)
                return Asked(job, begun=False)
            if job.state == "succeeded" and not again and (job.started_at or 0.0) >= edited_at:
                return Asked(job, begun=False)
        return Asked(_put(house, tx, parent, options, priority=caller.priority, again=again), begun=True)


def checked(options: EnhanceOptions) -> EnhanceOptions:
    """The options in their normal form. Raises ``OptionError``, with ``param``."""
    try:
        return EnhanceOptions(options.kind, run.target_of(options))
    except OptionError as error:
        raise OptionError(str(error), param="target_language") from error


def follow(house: House, transcript: Transcript, tx: Transaction, ended: Sequence[Job]) -> None:
    """Put in what the policy wants of jobs that got this transcript in this transaction, or keep why not.

    Only jobs of ``/api/v1`` have a place where anybody would look for it.
    """
    for job in ended:
        if job.source != "v1":
            continue
        reason = reason_to_skip(wish_of(house, job), transcript.model)
        if reason is None and not transcript.text.strip():
            reason = "Nothing was said in the recording."
        if reason is None and not _somebody_works(house, tx.connection):
            reason = "No worker is there for it (STENOGRAM_LLM_WORKERS); it can be asked for at any time."
        if reason is None:
            _put(house, tx, job, EnhanceOptions(), priority=job.priority)
        else:
            results.note_skipped(tx, job.id, reason)


def wish_of(house: House, job: Job) -> EnhanceWhen:
    """When the text of a job is to be cleaned up: as the job says, or the setting."""
    wish: EnhanceWhen = job.options.get("enhance") or house.server.enhance
    return wish


def _somebody_works(house: House, connection: Connection) -> bool:
    if crew.chat_places(house.server):
        return True
    return any(each.device == CHAT_DEVICE and each.state in workers.ALIVE for each in workers.all_of(connection))


def _put(
    house: House, tx: Transaction, parent: Job, options: EnhanceOptions, *, priority: int, again: bool = False
) -> Job:
    new = jobs.NewJob(
        source=parent.source,
        media=None,
        model=house.settings.llm_model,
        options={**asdict(options), "again": again},
        language=options.target_language,
        owner=parent.owner,
        priority=priority,
        kind=KIND,
        lane="chat",
        parent=parent.id,
    )
    job, rank = jobs.put(tx, new)
    house.queue.submit(tx, job.id, rank, None)
    tx.wake(f"job:{parent.id}")
    return job


def options_of(job: Job) -> EnhanceOptions:
    """What a job of this kind is to make."""
    return EnhanceOptions(job.options["kind"], job.options["target_language"])


# --- ending it ---


def cancel(house: House, caller: Caller, job_id: str, kind: EnhanceKind | None = None) -> int:
    """Cancel what is under way over a transcript, of one kind or all; gives how much that was. Raises ``NotFound``."""
    with house.db.write() as tx:
        _owned(tx.connection, caller, job_id)
        found = [
            job
            for job in enhancements.jobs_about(tx.connection, [job_id])
            if not job.finished and kind in (None, options_of(job).kind)
        ]
        for job in found:
            claims.cancel(tx, job.id)
    return len(found)


def abandon(house: House, enhance_id: str) -> None:
    """Who began a job and waited for it is gone: cancel it, unless somebody else asked for the same meanwhile."""
    with house.db.write() as tx:
        jobs.lock(tx, enhance_id)
        job = jobs.find(tx.connection, enhance_id)
        if job is not None and not job.options.get("shared"):
            claims.cancel(tx, enhance_id)


# --- reading it ---


def report(
    house: House, caller: Caller, job_id: str, kind: EnhanceKind = "clean", language: str | None = None
) -> Report:
    """All that is known of one kind, in any language or one. Raises ``NotFound`` for the job, ``OptionError``."""
    language = checked(EnhanceOptions(kind, language)).target_language
    with house.db.read() as connection:
        job = _owned(connection, caller, job_id)
        about = [
            each
            for each in enhancements.jobs_about(connection, [job_id])
            if options_of(each).kind == kind and language in (None, options_of(each).target_language)
        ]
        skipped = results.reasons_skipped(connection, [job_id]).get(job_id) if kind == "clean" else None
        standing = _standing(house, job, about, skipped)
        if standing.job is not None and standing.status == "pending" and not _somebody_works(house, connection):
            standing = replace(standing, reason="It waits for a worker, and none is there (STENOGRAM_LLM_WORKERS).")
        transcript = transcripts.read(connection, job_id)
        stored = enhancements.latest(connection, [each.id for each in about])
    changes: Sequence[Change] = ()
    if stored is not None and transcript is not None:
        changes = diff.carried(transcript, stored.enhancement)
    return Report(job, kind, standing, transcript, stored, tuple(changes))


def standings(house: House, found: Sequence[Job]) -> dict[str, Standing]:
    """Id of a job -> how far the clean-up of its text is."""
    with house.db.read() as connection:
        ids = [job.id for job in found]
        about = [each for each in enhancements.jobs_about(connection, ids) if options_of(each).kind == "clean"]
        skipped = results.reasons_skipped(connection, ids)
    return {
        job.id: _standing(house, job, [each for each in about if each.parent == job.id], skipped.get(job.id))
        for job in found
    }


def _standing(house: House, job: Job, about: Sequence[Job], skipped: str | None) -> Standing:
    """``about`` are jobs of one kind, oldest first."""
    if not about:
        if skipped is not None:
            return Standing("skipped", skipped)
        if job.state in ("failed", "cancelled"):
            return Standing("skipped", "There is no transcript.")
        if job.finished or job.source != "v1":
            return Standing("skipped", "Nobody asked for it; it can be asked for at any time.")
        if wish_of(house, job) == "never":
            return Standing("skipped", reason_to_skip("never", job.model))
        return Standing("pending")
    under_way = [each for each in about if not each.finished]
    succeeded = [each for each in about if each.state == "succeeded"]
    last = (under_way or succeeded or about)[-1]
    reason = _reason(last)
    if last.state == "succeeded" and about[-1] is not last:
        reason = f"It was asked for again, in vain: {_reason(about[-1])}"
    return Standing(_STATUS[last.state], reason, last)


def _reason(job: Job) -> str | None:
    return _CANCELLED if job.state == "cancelled" else job.error if job.state == "failed" else None


# --- taking changes back ---


def choose(house: House, caller: Caller, job_id: str, revert: Which, accept: Which) -> Report:
    """Take changes of the clean text back, and others again. Raises ``NotFound``, ``Conflict``, ``OptionError``."""
    with house.db.write() as tx:
        _owned(tx.connection, caller, job_id)
        about = [each for each in enhancements.jobs_about(tx.connection, [job_id]) if options_of(each).kind == "clean"]
        stored = enhancements.latest(tx.connection, [each.id for each in about])
        if stored is None:
            raise Conflict(what=f"clean text of job {job_id}", cause="there is none")
        enhancements.lock(tx, stored.job_id)
        known = {change.id for change in stored.enhancement.changes}
        back, taken = _ids(revert, known), _ids(accept, known)
        if back & taken:
            cause = "is also to be accepted"
            raise OptionError(name="revert", value=min(back & taken), cause=cause, param="revert")
        fresh = enhancements.find(tx.connection, stored.job_id)
        before = fresh.reverted if fresh is not None else stored.reverted
        enhancements.revert(tx, stored.job_id, (before | back) - taken)
    return report(house, caller, job_id)


def _ids(which: Which, known: Collection[int]) -> set[int]:
    if which == "all":
        return set(known)
    unknown = [number for number in which if number not in known]
    if unknown:
        raise NotFound(what="change", id=unknown[0])
    return {int(number) for number in which}


def _owned(connection: Connection, caller: Caller, job_id: str) -> Job:
    job = jobs.find(connection, job_id)
    if job is None or job.kind != "transcribe" or not caller.owns(job.owner):
        raise NotFound(what="job", id=job_id)
    return job


def archived(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    """Everything that was made of a transcript, for the archive."""
    return [
        {"enhancement": claims.as_json(each.enhancement), "reverted": sorted(each.reverted)}
        for each in enhancements.all_of(connection, job_id)
    ]
