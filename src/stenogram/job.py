"""The nouns of the service: who asks, the recording, the job, and what happens to it. Frozen values without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
JobSource = Literal["service", "openai", "v1"]
"""Which of the server's faces took the job in: that of R1 to R9, the OpenAI wire, or ``/api/v1``."""
Lane = Literal["speech", "chat"]
"""Whose work a job is: of the workers that compute, or of those that ask a language model. Neither does the other's."""
CHAT_DEVICE = "chat"
"""What the device of a worker of the lane ``chat`` is called."""
UNFINISHED: tuple[JobState, ...] = ("queued", "running")


def lane_of(device: str) -> Lane:
    """The lane of a worker, by its device."""
    return "chat" if device == CHAT_DEVICE else "speech"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Without any key or user configured, everybody is the same caller, who may do everything."""

    owner: str | None = None
    """Whose jobs these are; None: nobody's in particular."""
    key_id: str | None = None
    scopes: frozenset[str] = frozenset({"*"})
    priority: int = 0
    """Of the key, added to that of the job."""
    admin: bool = True
    """Sees the jobs of all owners."""
    user_id: str | None = None
    """Of the user who is signed in; None also where a key asks that a user made."""
    session_id: str | None = None
    """Of the browser's session that asks, be it a user's or a key's."""
    name: str = ""
    """What the user, or the key, is called."""
    address: str = ""
    """Where the request came from; empty: not by the network."""

    def owns(self, owner: str | None) -> bool:
        """Whether something of this owner is the caller's to see."""
        return self.admin or owner == self.owner


@dataclass(frozen=True, slots=True)
class Media:
    """A recording in the media store."""

    url: str
    digest: str
    """SHA-256 of its bytes, hex."""
    bytes: int
    filename: str
    """As the user named it; where it lies is in ``url``."""


@dataclass(frozen=True, slots=True)
class Reference:
    """How a known speaker sounds: a few seconds of a recording of any format, as a client sent them."""

    name: str
    """The speaker's."""
    digest: str
    """SHA-256 of the bytes, hex."""
    sound: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Job:
    """One request to transcribe, as the table of jobs has it. Times are Unix seconds."""

    id: str
    state: JobState
    source: JobSource
    created_at: float
    kind: str = "transcribe"
    """``voice``: to learn how a person sounds (``app.enrol``); ``enhance``: to have a language model go over the text
    of another job (``parent``)."""
    parent: str | None = None
    """Id of the job whose transcript it is about."""
    owner: str | None = None
    priority: int = 0
    model: str = "auto"
    """As asked for."""
    language: str | None = None
    """As asked for; the transcript has the one that was found."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for beside model and language, as JSON: ``{"profile": ..., "run": {...}, "diarize": {...}}``."""
    media: Media | None = None
    """None once the recording was deleted."""
    filename: str | None = None
    """As the user named it."""
    duration: float | None = None
    """Length of the recording, seconds; None until it is known."""
    attempt: int = 0
    """How often a worker took it up."""
    crashes: int = 0
    """Workers that died over it in a row without getting any further."""
    worker: str | None = None
    stage: str | None = None
    progress: float = 0.0
    """0..1"""
    position: int | None = None
    """Place among the queued, from 1."""
    wait_s: float | None = None
    """Estimate of the time until it starts, seconds; None where nothing is known yet."""
    started_at: float | None = None
    finished_at: float | None = None
    processing_s: float | None = None
    """Time the successful attempt took."""
    error_code: str | None = None
    error: str | None = None
    callback_url: str | None = None
    batch: str | None = None
    """Id that the jobs of one request with several files share."""
    dedupe_key: str | None = None
    cancel_requested: bool = False
    cached: bool = False
    """Answered by what an identical job had found."""
    token_count: int | None = None
    gpu: Mapping[str, Any] | None = None
    """What the GPU did meanwhile, in the words of R6."""
    title: str | None = None
    """What its owner calls it; None: by its file's name."""
    deleted_at: float | None = None
    """When its owner put it into the trash; None: it is not there."""

    @property
    def finished(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state not in UNFINISHED


JobEventKind = Literal["state", "stage", "segment", "speakers", "warning", "line"]


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job, in the order of ``seq``, which counts from 1 over all attempts."""

    job_id: str
    seq: int
    attempt: int
    kind: JobEventKind
    payload: Mapping[str, Any]
    at: float
    """Unix seconds."""
