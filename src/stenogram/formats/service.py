"""What a job looks like to the clients of the GPU service (R5, R6), field by field as they parse it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stenogram.job import Job
from stenogram.types import Segment, Transcript

NOT_DELIVERED: Mapping[str, Any] = {"delivered": False, "delivered_at_ms": None, "error": None}
"""What the callback itself says of its delivery: it is the same on every try."""


def status(job: Job, transcript: Transcript | None, callback: Mapping[str, Any] = NOT_DELIVERED) -> dict[str, Any]:
    """The object of ``GET /status``, and of the callback when the job has ended."""
    done = job.state == "succeeded" and transcript is not None
    started_at = job.started_at if job.state != "queued" else None
    waited_s = _seconds(started_at - job.created_at) if started_at is not None else None
    took_s = _seconds(job.finished_at - started_at) if started_at and job.finished_at else None
    return {
        "job_id": job.id,
        "status": "completed" if job.state == "succeeded" else job.state,
        "model": job.model,
        "language": job.language,
        "queue_time_s": waited_s,
        "processing_time_s": took_s,
        "result": _result(job, transcript, waited_s, took_s) if done and transcript is not None else None,
        "error": job.error,
        "callback": dict(callback),
    }


def body(job: Job, transcript: Transcript | None) -> bytes:
    """The bytes that are POSTed to ``callback_url``."""
    return json.dumps(status(job, transcript), ensure_ascii=False, allow_nan=False).encode()


def _result(job: Job, transcript: Transcript, waited_s: float | None, took_s: float | None) -> dict[str, Any]:
    return {
        "text": transcript.text,
        "segments": [_segment(segment) for segment in transcript.segments],
        "queue_time_s": waited_s,
        "processing_time_s": took_s,
        "gpu": job.gpu,
        "token_count": job.token_count,
    }


def _segment(segment: Segment) -> dict[str, Any]:
    """Three keys; with a fourth, ``speaker``, only where that was asked for."""
    told: dict[str, Any] = {"start": _seconds(segment.start), "end": _seconds(segment.end), "text": segment.text}
    return told if segment.speaker is None else {**told, "speaker": segment.speaker}


def _seconds(value: float) -> float:
    return round(float(value), 3) + 0.0
