"""``/api/v1/keys``: the caller's own API keys; those of all, for who manages the users."""

from __future__ import annotations

import time
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.accounts import keys
from stenogram.accounts.keys import Wish
from stenogram.server.auth import Anyone
from stenogram.server.errors import ANSWERS
from stenogram.server.state import state_of
from stenogram.store.keys import ApiKey, KeyState

router = APIRouter(prefix="/api/v1/keys", tags=["accounts"], responses=ANSWERS)


class KeyView(BaseModel):
    """An API key, without what opens."""

    id: str = Field(examples=["7h2kd90a"])
    name: str = Field(examples=["desk"])
    owner: str = Field(description="Id of the user, or a name")
    prefix: str = Field(description="How it begins", examples=["stn_7h2kd90a"])
    scopes: list[str]
    created_at: float
    expires_at: float | None
    last_used_at: float | None = Field(description="To the minute")
    state: KeyState = Field(description="stopped: the user whose key it is was deactivated")


class KeyList(BaseModel):
    """Keys, oldest first."""

    keys: list[KeyView]


class KeyWish(BaseModel):
    """What a new key is to be."""

    name: str = Field(min_length=1, max_length=100, examples=["desk"])
    scopes: list[str] = Field(default=["transcribe"], max_length=len(keys.SCOPES), description="None beyond your own")
    expires_days: float | None = Field(default=None, gt=0, description="null: it does not expire")


class MadeKey(BaseModel):
    """A key that was made just now."""

    key: KeyView
    secret: str = Field(description="What opens. It is told now and never again")


@router.get("")
async def listing(
    request: Request,
    caller: Anyone,
    everybody: Annotated[bool, Query(alias="all", description="Those of all owners; for the scope users")] = False,
) -> KeyList:
    """The caller's keys."""
    db = state_of(request).house.db
    found = await to_thread.run_sync(lambda: keys.listing(db, caller, everybody=everybody))
    now = time.time()
    return KeyList(keys=[_view(key, now) for key in found])


@router.post("", status_code=201)
async def create(request: Request, caller: Anyone, wish: KeyWish, response: Response) -> MadeKey:
    """Make a key for oneself. A key may do so only with the scope users, so that one that leaks has no offspring."""
    state = state_of(request)
    wanted = Wish(wish.name, scopes=wish.scopes, expires_days=wish.expires_days)
    secret, key = await to_thread.run_sync(keys.create, state.house.db, wanted, caller)
    response.headers["cache-control"] = "no-store"
    return MadeKey(key=_view(key, time.time()), secret=secret)


@router.delete("/{key_id}", status_code=204)
async def revoke(
    request: Request, caller: Anyone, key_id: Annotated[str, Path(min_length=1, max_length=64)]
) -> Response:
    """Make a key useless for good; of another owner only with the scope users."""
    state = state_of(request)
    await to_thread.run_sync(keys.revoke, state.house.db, key_id, caller)
    state.forget_callers()
    return Response(status_code=204)


def _view(key: ApiKey, now: float) -> KeyView:
    return KeyView(
        id=key.id,
        name=key.name,
        owner=key.owner,
        prefix=key.prefix,
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        state=key.state(now),
    )
