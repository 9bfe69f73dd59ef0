"""``/api/v1/audit``: who did what, for who manages the users."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from stenogram.accounts import audit
from stenogram.accounts.audit import Action
from stenogram.server.auth import Warden
from stenogram.server.errors import ANSWERS
from stenogram.server.state import state_of

router = APIRouter(prefix="/api/v1/audit", tags=["accounts"], responses=ANSWERS)


class EntryView(BaseModel):
    """One thing that was done."""

    id: int
    at: float
    actor: str | None = Field(description="Id of the user, or owner of the key; null: nobody known")
    actor_name: str = Field(description="As they were called then", examples=["Ann"])
    action: str = Field(examples=["sign_in"])
    subject: str = Field(description="Id of what it was done to")
    address: str = Field(description="Where it came from; empty: not by the network", examples=["192.0.2.7"])
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """One page of the log, newest first."""

    entries: list[EntryView]
    next: int | None = Field(description="Give it as `before` to get the next page; null at the end")


@router.get("")
async def listing(
    request: Request,
    _caller: Warden,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(description="`next` of the page before", ge=0, lt=2**63)] = None,
    actor: Annotated[str | None, Query(description="Only what this one did", max_length=255)] = None,
    action: Annotated[Action | None, Query(description="Only this")] = None,
) -> AuditPage:
    """Sign-ins, the use of keys, shares, deletions, and what changed who may do what."""
    db = state_of(request).house.db
    found = await to_thread.run_sync(audit.listing, db, limit, before, actor, action)
    entries = [EntryView(**asdict(entry)) for entry in found]
    return AuditPage(entries=entries, next=entries[-1].id if len(entries) == limit else None)
