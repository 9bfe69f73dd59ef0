"""Who asks, and whether they may: the dependency of every route but the public ones."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import HTTPConnection

from stenogram.accounts.errors import CsrfFailed, MustChange
from stenogram.accounts.keys import caller_of, holds
from stenogram.accounts.sessions import Visit, csrf_of
from stenogram.config import ServerSettings
from stenogram.errors import DatabaseError, NotAllowed, NotAuthenticated
from stenogram.job import Caller
from stenogram.server.guard import ANSWER_HEADERS
from stenogram.server.limits import Allowance
from stenogram.server.state import state_of
from stenogram.store.keys import ApiKey

SUBPROTOCOL = "stenogram.key."
"""Browsers cannot set headers on a WebSocket: there the key comes as a subprotocol of this beginning.

Nor can they on an EventSource: there the page reads the stream with ``fetch``, which can. A key is never taken from
the address of a request, which proxies and browsers write down.
"""
_KEY_HEADERS = ("x-api-key", "api-key")
"""The latter is what OpenAI's client for Azure sends."""
COOKIE = "stenogram_session"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
CHECK_S = 10.0
"""So often whoever follows a stream is asked anew who they are."""
_WITH_ANY_PASSWORD = ("/api/v1/session", "/api/v1/me/password")
"""What also a password opens that somebody else set."""


def key_in(connection: HTTPConnection) -> str | None:
    """The key of a request: ``Authorization: Bearer``, ``X-API-Key``, ``api-key``, or a WebSocket's subprotocol."""
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    for name in _KEY_HEADERS:
        if name in connection.headers:
            return connection.headers[name].strip()
    if connection.scope["type"] == "websocket":
        offered: list[str] = connection.scope.get("subprotocols", [])
        return next((name.removeprefix(SUBPROTOCOL) for name in offered if name.startswith(SUBPROTOCOL)), None)
    return None


async def identify(connection: HTTPConnection) -> tuple[Caller, Allowance]:
    """Who asks: by a key, or by the cookie of a session.

    Raises ``NotAuthenticated``, ``CsrfFailed``, ``MustChange``, ``DatabaseUnavailable``.
    """
    state, address = state_of(connection), address_of(connection)
    settings, door = state.house.server, state.door
    stands_open = door.stands_open()
    if stands_open is None:
        stands_open = await to_thread.run_sync(door.open_now)
    if stands_open:
        return Caller(address=address), _allowance(settings, None)
    secret = key_in(connection)
    visit = await visit_of(connection) if secret is None else None
    if visit is not None:
        check_csrf(connection)
        if visit.user is not None and visit.user.must_change and connection.scope["path"] not in _WITH_ANY_PASSWORD:
            raise MustChange
        return replace(visit.caller, address=address), _allowance(settings, visit.key)
    key = door.remembered(secret)
    if key is None:
        key = await to_thread.run_sync(door.verify, secret, address)
    return replace(caller_of(key), address=address), _allowance(settings, key)


async def while_welcome(connection: HTTPConnection, caller: Caller, frames: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """A stream as long as who began it may still read: it may last hours, and sessions and keys end meanwhile."""
    check_at = time.monotonic() + CHECK_S
    async with aclosing(frames) as left:
        async for frame in left:
            if time.monotonic() >= check_at:
                if not await _is_welcome(connection, caller):
                    return
                check_at = time.monotonic() + CHECK_S
            yield frame


async def _is_welcome(connection: HTTPConnection, caller: Caller) -> bool:
    try:
        now, _ = await identify(connection)
    except (NotAuthenticated, NotAllowed):
        return False
    except DatabaseError:  # whoever follows should not lose it over that
        return True
    return now.owner == caller.owner and may(now, "read")


def _allowance(settings: ServerSettings, key: ApiKey | None) -> Allowance:
    per_minute, at_once = (None, None) if key is None else (key.requests_per_minute, key.max_concurrent)
    return Allowance(
        settings.requests_per_minute if per_minute is None else per_minute,
        settings.max_concurrent if at_once is None else at_once,
    )


async def visit_of(connection: HTTPConnection) -> Visit | None:
    """The session whose cookie came; None without one that opens. Raises ``DatabaseUnavailable``."""
    token = connection.cookies.get(COOKIE)
    if not token:
        return None
    sessions = state_of(connection).sessions
    try:
        return sessions.remembered(token) or await to_thread.run_sync(sessions.verify, token)
    except NotAuthenticated:
        return None


def check_csrf(connection: HTTPConnection) -> None:
    """Raises ``CsrfFailed`` where a change came by the cookie alone, which browsers send along whoever asks for it.

    A WebSocket can carry no header; there the guard has checked the page's origin.
    """
    if connection.scope["type"] == "websocket" or connection.scope["method"] in _SAFE_METHODS:
        return
    given = connection.headers.get(CSRF_HEADER, "").encode("latin-1")
    if not hmac.compare_digest(given, csrf_of(connection.cookies.get(COOKIE, "")).encode()):
        raise CsrfFailed


def address_of(connection: HTTPConnection) -> str:
    """Where a request comes from, as a trusted proxy told it."""
    return connection.client.host if connection.client else ""


def may(caller: Caller, scope: str) -> bool:
    """Whether the caller has a scope; who may transcribe may read."""
    return holds(caller, scope)


_BEARER = Security(HTTPBearer(auto_error=False, description="A key made by `stenogram keys create`"))
_HEADER = Security(APIKeyHeader(name="X-API-Key", auto_error=False))


def _needs(scope: str | None) -> Callable[..., Any]:
    async def caller(
        connection: HTTPConnection, _bearer: Annotated[Any, _BEARER], _header: Annotated[Any, _HEADER]
    ) -> AsyncIterator[Caller]:
        found, allowance = await identify(connection)
        if scope is not None and not may(found, scope):
            whose = "user" if found.user_id is not None else "key"
            raise NotAllowed(cause=f"the {whose} lacks the scope {scope}")
        told: dict[str, str] = connection.scope.setdefault("state", {}).setdefault(ANSWER_HEADERS, {})
        with state_of(connection).limits.admit(found.key_id or found.user_id or found.address, allowance, told):
            yield found

    return caller


Anyone = Annotated[Caller, Depends(_needs(None))]
"""Somebody known, whatever they may."""
Reader = Annotated[Caller, Depends(_needs("read"))]
"""May look at what is theirs."""
Submitter = Annotated[Caller, Depends(_needs("transcribe"))]
"""May have recordings transcribed."""
Keeper = Annotated[Caller, Depends(_needs("models"))]
"""May change which models there are."""
Warden = Annotated[Caller, Depends(_needs("users"))]
"""May manage users, and see the keys of all and the audit log."""
