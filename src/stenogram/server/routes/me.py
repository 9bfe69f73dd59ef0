"""``/api/v1/me``: what users change of their own account."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from stenogram.accounts import users
from stenogram.server.auth import Anyone
from stenogram.server.errors import ANSWERS
from stenogram.server.routes.session import MeView, hashing, me_of, private
from stenogram.server.state import state_of

router = APIRouter(prefix="/api/v1/me", tags=["session"], responses=ANSWERS, dependencies=[Depends(private)])


class MyChange(BaseModel):
    """What is to be otherwise."""

    name: str | None = Field(None, min_length=1, max_length=users.MOST_NAME_CHARS, examples=["Ann"])
    settings: dict[str, Any] | None = Field(None, description="Taken over key by key; null removes one")


class NewPassword(BaseModel):
    """The password there is, and the one there is to be."""

    current: str = Field(max_length=1024)
    new: str = Field(max_length=1024)


@router.patch("")
async def change(request: Request, caller: Anyone, wanted: MyChange) -> MeView:
    """Change one's own name, or what the page remembers."""
    state = state_of(request)
    user = await to_thread.run_sync(users.remember, state.house.db, caller, wanted.name, wanted.settings)
    state.sessions.forget()
    return me_of(user)


@router.post("/password", status_code=204)
async def change_password(request: Request, caller: Anyone, given: NewPassword) -> Response:
    """Change one's own password; all other sessions end."""
    state = state_of(request)
    await hashing(state, lambda: state.sign_in.change_password(caller, given.current, given.new))
    state.forget_callers()
    return Response(status_code=204)
