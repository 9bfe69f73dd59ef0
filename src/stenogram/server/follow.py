"""Following a job from the event loop: its events as they come, and its end. Nobody who waits holds a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator

from anyio import to_thread

from stenogram.app import jobs
from stenogram.errors import DatabaseUnavailable, NotFound
from stenogram.job import Job, JobEvent
from stenogram.server.state import State

_LOOK_AGAIN_S = 5.0
"""A wake-up may be lost; this long at most is an event late for it."""


async def events_of(state: State, job_id: str, seq: int) -> AsyncIterator[JobEvent | None]:
    """The events after ``seq``, until the job is over; None where nothing came for some seconds.

    Ends without the last event when the server stops, or the job is deleted.
    """
    with state.hub.watch(f"job:{job_id}") as watch:
        while True:
            closing = state.hub.closing
            try:
                found = await to_thread.run_sync(jobs.events_after, state.house, job_id, seq)
            except DatabaseUnavailable:
                found = []
            for event in found:
                seq = event.seq
                yield event
                if ends(event):
                    return
            if found:
                continue
            if closing:  # and nothing has come since
                return
            if await watch.wait(_LOOK_AGAIN_S):
                continue
            if await to_thread.run_sync(_is_deleted, state, job_id):
                return
            yield None


def _is_deleted(state: State, job_id: str) -> bool:
    try:
        jobs.find_any(state.house, job_id)
    except NotFound:
        return True
    except DatabaseUnavailable:
        return False
    return False


def ends(event: JobEvent) -> bool:
    """Whether nothing follows this event."""
    return event.kind == "state" and event.payload["state"] not in ("queued", "running")


async def end_of(state: State, job_id: str) -> Job:
    """Wait until a job is over. Raises ``NotFound`` when it is deleted meanwhile, ``DatabaseUnavailable`` at a stop."""
    with state.hub.watch(f"job:{job_id}") as watch:
        while True:
            try:
                job = await to_thread.run_sync(jobs.find_any, state.house, job_id)
            except DatabaseUnavailable:
                job = None
            if job is not None and job.finished:
                return job
            if state.hub.closing:
                raise DatabaseUnavailable(where="the server", cause="it is stopping")
            await watch.wait(_LOOK_AGAIN_S)
