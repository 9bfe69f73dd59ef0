"""``/api/v1/session``, ``/api/v1/sessions``, ``/api/v1/setup``: signing in and out, and who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Any, Self, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field, model_validator

from stenogram.accounts import sessions, users
from stenogram.accounts.errors import SignInSlowed
from stenogram.accounts.keys import Mode
from stenogram.accounts.sessions import Origin, Visit, csrf_of
from stenogram.accounts.users import Wish
from stenogram.errors import NotAuthenticated
from stenogram.job import Caller
from stenogram.server.auth import COOKIE, Anyone, address_of, check_csrf, identify, visit_of
from stenogram.server.errors import ANSWERS
from stenogram.server.state import State, state_of
from stenogram.store.sessions import Session
from stenogram.store.users import Role, User


async def private(response: Response) -> None:
    """For routes whose answers hold secrets: browsers and proxies keep them nowhere."""
    response.headers["cache-control"] = "no-store"


router = APIRouter(prefix="/api/v1", tags=["session"], responses=ANSWERS, dependencies=[Depends(private)])

T = TypeVar("T")

_MOST_WAITING = 50
"""Requests that wait for a hash; more are told to come back, so that no crowd can fill the memory."""
_COME_BACK_S = 5.0


class MeView(BaseModel):
    """The user who is signed in."""

    id: str
    email: str = Field(examples=["ann@example.org"])
    name: str = Field(examples=["Ann"])
    role: Role
    settings: dict[str, Any] = Field(description="What the page remembers for them")
    must_change: bool = Field(description="Somebody else set the password: they should choose one")


class KeyName(BaseModel):
    """The API key that asks."""

    id: str
    name: str


class SessionView(BaseModel):
    """Who asks, and what they may."""

    mode: Mode = Field(description="open: everybody may do everything; keys: who has a key; accounts: users, and keys")
    setup: bool = Field(description="Whether the first admin can be made with the token that the server printed")
    user: MeView | None
    key: KeyName | None
    owner: str | None = Field(description="Whose recordings the caller sees and makes")
    scopes: list[str] = Field(description="What the caller may; none: not signed in")
    csrf: str | None = Field(description="To be sent as X-CSRF-Token with each change that comes by the cookie")
    expires_at: float | None = Field(description="When the session ends, unless it is used before")
    version: str


class Credentials(BaseModel):
    """Who wants in: an e-mail address and a password, or an API key."""

    email: str | None = Field(None, max_length=users.MOST_EMAIL_CHARS, examples=["ann@example.org"])
    password: str | None = Field(None, max_length=1024)
    key: str | None = Field(None, max_length=1024)

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.key is None) == (self.email is None or self.password is None):
            raise ValueError("give email and password, or key")
        return self


class FirstUser(BaseModel):
    """The first admin, and the token that the server printed."""

    token: str = Field(max_length=200)
    email: str = Field(max_length=users.MOST_EMAIL_CHARS, examples=["ann@example.org"])
    name: str = Field("", max_length=users.MOST_NAME_CHARS, examples=["Ann"])
    password: str = Field(max_length=1024)


class OwnSession(BaseModel):
    """One of the caller's sessions."""

    id: str
    created_at: float
    seen_at: float = Field(description="To the minute")
    expires_at: float
    address: str = Field(description="Where it was begun from")
    agent: str = Field(description="The browser, in its own words")
    current: bool


class OwnSessions(BaseModel):
    """The caller's sessions, the last used first."""

    sessions: list[OwnSession]


@router.get("/session")
async def current(request: Request) -> SessionView:
    """Who asks: a user, a key, nobody; and who may. Always answered, without any key too."""
    try:
        caller, _ = await identify(request)
    except NotAuthenticated:
        caller = None
    visit = await visit_of(request) if caller is not None and caller.session_id is not None else None
    return await to_thread.run_sync(_view, state_of(request), caller, visit, request.cookies.get(COOKIE))


@router.post("/session")
async def sign_in(request: Request, response: Response, given: Credentials) -> SessionView:
    """Sign in: sets the cookie. Whatever is wrong, the answer is the same."""
    state, origin = state_of(request), origin_of(request)
    before = await visit_of(request)
    old = before.session.id if before is not None else None

    def enter() -> tuple[str, Visit]:
        if given.key is not None:
            return state.sign_in.by_key(given.key, origin, old)
        return state.sign_in.by_password(given.email or "", given.password or "", origin, old)

    token, visit = await hashing(state, enter)
    if before is not None:
        state.sessions.forget()
    return await _signed_in(request, response, token, visit)


@router.delete("/session", status_code=204)
async def sign_out(request: Request) -> Response:
    """Sign out: the session ends, and the cookie goes."""
    state, visit = state_of(request), await visit_of(request)
    if visit is not None:
        check_csrf(request)
        await to_thread.run_sync(
            sessions.end, state.house.db, replace(visit.caller, address=address_of(request)), visit.session.id
        )
        state.sessions.forget()
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=_is_secure(request))
    return response


@router.post("/setup")
async def set_up(request: Request, response: Response, given: FirstUser) -> SessionView:
    """Make the first admin, who gets everything that was made before; signs them in."""
    state, origin = state_of(request), origin_of(request)
    wish = Wish(given.email, given.password, given.name, "admin")
    maker = Caller(name=wish.email, address=origin.address)

    def make() -> User:
        return users.create(state.house.db, state.sign_in.passwords, wish, maker, only_first=True)

    def enter() -> tuple[str, Visit]:
        return state.sign_in.enter(state.set_up.use(given.token, make), origin)

    token, visit = await hashing(state, enter)
    state.forget_callers()
    return await _signed_in(request, response, token, visit)


@router.get("/sessions")
async def listing(request: Request, caller: Anyone) -> OwnSessions:
    """Where the caller is signed in."""
    found = await to_thread.run_sync(sessions.listing, state_of(request).house.db, caller)
    return OwnSessions(sessions=[_own(session, caller) for session in found])


@router.delete("/sessions", status_code=204)
async def end_others(request: Request, caller: Anyone) -> Response:
    """End all of the caller's sessions but the current one."""
    state = state_of(request)
    await to_thread.run_sync(sessions.end_others, state.house.db, caller)
    state.sessions.forget()
    return Response(status_code=204)


@router.delete("/sessions/{session_id}", status_code=204)
async def end(
    request: Request, caller: Anyone, session_id: Annotated[str, Path(min_length=1, max_length=64)]
) -> Response:
    """End one of the caller's sessions."""
    state = state_of(request)
    await to_thread.run_sync(sessions.end, state.house.db, caller, session_id)
    state.sessions.forget()
    return Response(status_code=204)


async def hashing(state: State, work: Callable[[], T]) -> T:
    """The result of what hashes passwords, in threads of its own. Raises ``SignInSlowed`` where too many wait."""
    if state.hashing.statistics().tasks_waiting >= _MOST_WAITING:
        raise SignInSlowed(retry_after_s=_COME_BACK_S)
    return await to_thread.run_sync(work, limiter=state.hashing)


def origin_of(request: Request) -> Origin:
    """Where a request comes from."""
    return Origin(address_of(request), request.headers.get("user-agent", ""))


def me_of(user: User) -> MeView:
    """A user as they see themselves."""
    return MeView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        settings=dict(user.settings),
        must_change=user.must_change,
    )


async def _signed_in(request: Request, response: Response, token: str, visit: Visit) -> SessionView:
    state = state_of(request)
    longest_s = round(state.house.server.session_days * 86_400)
    response.set_cookie(
        COOKIE, token, max_age=longest_s, path="/", httponly=True, samesite="lax", secure=_is_secure(request)
    )
    return await to_thread.run_sync(_view, state, visit.caller, visit, token)


def _is_secure(request: Request) -> bool:
    setting = state_of(request).house.server.secure_cookies
    return request.url.scheme == "https" if setting == "auto" else setting == "on"


def _view(state: State, caller: Caller | None, visit: Visit | None, token: str | None) -> SessionView:
    mode, key = state.door.mode(), None
    if caller is not None and caller.key_id is not None:
        key = KeyName(id=caller.key_id, name=caller.name)
    user = users.find(state.house.db, caller.user_id) if caller is not None and caller.user_id is not None else None
    return SessionView(
        mode=mode,
        setup=mode != "accounts" and state.set_up.token is not None,
        user=me_of(user) if user is not None else None,
        key=key,
        owner=caller.owner if caller is not None else None,
        scopes=sorted(caller.scopes) if caller is not None else [],
        csrf=csrf_of(token) if visit is not None and token is not None else None,
        expires_at=visit.expires_at if visit is not None else None,
        version=version("stenogram"),
    )


def _own(session: Session, caller: Caller) -> OwnSession:
    return OwnSession(
        id=session.id,
        created_at=session.created_at,
        seen_at=session.seen_at,
        expires_at=session.expires_at,
        address=session.address,
        agent=session.agent,
        current=session.id == caller.session_id,
    )
