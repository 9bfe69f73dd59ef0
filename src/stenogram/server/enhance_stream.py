"""The text of a language model as server-sent events, while it is written or afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from anyio import CancelScope, to_thread

from stenogram.app import enhancing, jobs
from stenogram.app.house import House
from stenogram.errors import DatabaseUnavailable, StenogramError
from stenogram.job import Job
from stenogram.server.errors import body_of, failure_of, told_of
from stenogram.server.follow import ends, events_of
from stenogram.server.openai.answer import PING
from stenogram.server.state import State
from stenogram.store import enhancements, events

_PING_S = 5.0
_CANCELLED = body_of(409, "It was cancelled.", "cancelled")


def begun_at(house: House, job: Job, last_event_id: str | None) -> int | None:
    """The event after which a client is to be told; None: it was told all there will ever be.

    Ids are those of the job and the event: of an earlier job there is nothing to go on after.
    """
    job_id, _, number = (last_event_id or "").rpartition(".")
    if job_id != job.id or not number.isdecimal() or len(number) > len(str(2**31)):
        return 0
    with house.db.read() as connection:
        found = events.after(connection, job.id, int(number) - 1)
    if not found or found[0].seq != int(number):
        return 0
    return None if ends(found[0]) else int(number)


async def follow_begun(state: State, enhance_id: str) -> AsyncGenerator[str]:
    """The frames of a job that this very client began: when it goes away before the end, the job is given up."""
    over = False
    try:
        async for frame in follow(state, enhance_id):
            yield frame
        over = True
    finally:
        if not over and not state.hub.closing:
            with CancelScope(shield=True):
                await to_thread.run_sync(enhancing.abandon, state.house, enhance_id)


async def follow(state: State, enhance_id: str, seq: int = 0) -> AsyncGenerator[str]:
    """The frames of a job after event ``seq``, and a comment wherever the client would hear nothing for long."""
    yield f": job {enhance_id}\n\n"  # the headers go out now: clients wait only so long for them
    told, told_at = "", time.monotonic()
    try:
        async for event in events_of(state, enhance_id, seq):
            if event is not None and ends(event):
                last = await to_thread.run_sync(_last, state.house, enhance_id)
                whole = last.get("enhanced_text") or ""
                if not seq and whole.startswith(told) and whole != told:  # lines were final, and not told any more
                    yield _frame({"chunk": whole[len(told) :]})
                yield _frame(last, f"{enhance_id}.{event.seq}")
                return
            if event is not None and event.kind == "line" and event.payload["chunk"]:
                told += event.payload["chunk"]
                yield _frame({"chunk": event.payload["chunk"]}, f"{enhance_id}.{event.seq}")
            elif event is None or time.monotonic() - told_at >= _PING_S:
                yield PING
            else:
                continue
            told_at = time.monotonic()
        await to_thread.run_sync(jobs.find_any, state.house, enhance_id)  # was it deleted?
        raise DatabaseUnavailable(where="the server", cause="it is stopping")
    except StenogramError as error:
        yield _frame(told_of(error))


def _last(house: House, enhance_id: str) -> Mapping[str, Any]:
    job = jobs.find_any(house, enhance_id)
    with house.db.read() as connection:
        stored = enhancements.find(connection, enhance_id)
    if job.state != "succeeded" or stored is None:
        told = _CANCELLED if job.state == "cancelled" else told_of(failure_of(job))
        return {**told, "llm_enhancement_status": "failed"}
    made = stored.enhancement
    done = {"done": True, "llm_enhancement_status": "completed", "enhanced_text": made.text}
    return done if made.document is None else {**done, "document": made.document}


def _frame(data: Mapping[str, Any], event_id: str | None = None) -> str:
    named = f"id: {event_id}\n" if event_id is not None else ""
    return f"{named}data: {json.dumps(data, ensure_ascii=False)}\n\n"
