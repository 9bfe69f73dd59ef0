"""``/api/v1/users``: who may sign in. Users are stopped, not deleted: what is theirs stays theirs."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from stenogram.accounts import passwords, users
from stenogram.accounts.users import Change, Wish
from stenogram.server.auth import Warden
from stenogram.server.errors import ANSWERS
from stenogram.server.routes.session import hashing, private
from stenogram.server.state import State, state_of
from stenogram.store.users import Known, Role

router = APIRouter(prefix="/api/v1/users", tags=["users"], responses=ANSWERS, dependencies=[Depends(private)])

UserId = Annotated[str, Path(description="Of the user", min_length=1, max_length=64)]


class UserView(BaseModel):
    """A user, as who manages users sees them; nothing of what they recorded."""

    id: str
    email: str = Field(examples=["ann@example.org"])
    name: str = Field(examples=["Ann"])
    role: Role
    is_active: bool = Field(description="Whether they may sign in, and their keys open anything")
    must_change: bool = Field(description="Their password was set by somebody else")
    created_at: float
    seen_at: float | None = Field(description="When they were last here; null: never, or that is forgotten")
    recordings: int


class UserSecret(UserView):
    """A user, and the password that was made for them."""

    password: str | None = Field(description="Told only now; null where who made the user chose it")


class UserList(BaseModel):
    """Every user, oldest first."""

    users: list[UserView]


class NewUser(BaseModel):
    """Who is to come in."""

    email: str = Field(max_length=users.MOST_EMAIL_CHARS, examples=["ann@example.org"])
    name: str = Field("", max_length=users.MOST_NAME_CHARS, examples=["Ann"])
    role: Role = "user"
    password: str | None = Field(None, max_length=1024, description="null: the server makes one, and tells it once")


class UserChange(BaseModel):
    """What is to be otherwise."""

    name: str | None = Field(None, min_length=1, max_length=users.MOST_NAME_CHARS, examples=["Ann"])
    role: Role | None = None
    is_active: bool | None = None
    password: str | None = Field(None, max_length=1024, description="null, if it is given: the server makes one")


@router.get("")
async def listing(request: Request, _caller: Warden) -> UserList:
    """Every user, with the number of their recordings."""
    found = await to_thread.run_sync(users.listing, state_of(request).house.db)
    return UserList(users=[_view(known) for known in found])


@router.post("", status_code=201)
async def create(request: Request, caller: Warden, given: NewUser) -> UserSecret:
    """Make a user; whoever it is chooses another password at the first sign-in."""
    state = state_of(request)
    made = passwords.invented() if given.password is None else None
    wish = Wish(given.email, given.password or made or "", given.name, given.role, must_change=True)
    user = await hashing(state, lambda: users.create(state.house.db, state.sign_in.passwords, wish, caller))
    state.forget_callers()
    return await to_thread.run_sync(_told, state, user.id, made)


@router.patch("/{user_id}")
async def change(request: Request, caller: Warden, user_id: UserId, given: UserChange) -> UserSecret:
    """Change a user. Who is stopped, or gets another password, is signed out everywhere."""
    state = state_of(request)
    wants_one = "password" in given.model_fields_set and given.password is None
    made = passwords.invented() if wants_one else None
    wanted = Change(given.name, given.role, given.is_active, given.password if made is None else made)
    await hashing(state, lambda: users.change(state.house.db, state.sign_in.passwords, user_id, wanted, caller))
    state.forget_callers()
    return await to_thread.run_sync(_told, state, user_id, made)


def _told(state: State, user_id: str, password: str | None) -> UserSecret:
    known = next(known for known in users.listing(state.house.db) if known.user.id == user_id)
    return UserSecret(**dict(_view(known)), password=password)


def _view(known: Known) -> UserView:
    user = known.user
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        is_active=user.is_active,
        must_change=user.must_change,
        created_at=user.created_at,
        seen_at=known.seen_at,
        recordings=known.recordings,
    )
