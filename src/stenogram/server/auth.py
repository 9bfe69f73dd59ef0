"""Who asks, and whether they may: the dependency of every route but the public ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import HTTPConnection

from stenogram.accounts.keys import caller_of
from stenogram.errors import NotAllowed
from stenogram.job import Caller
from stenogram.server.guard import ANSWER_HEADERS
from stenogram.server.limits import Allowance
from stenogram.server.state import state_of

SUBPROTOCOL = "stenogram.key."
"""Browsers cannot set headers on a WebSocket: there the key comes as a subprotocol of this beginning.

Nor can they on an EventSource: there the page reads the stream with ``fetch``, which can. A key is never taken from
the address of a request, which proxies and browsers write down.
"""
_KEY_HEADERS = ("x-api-key", "api-key")
"""The latter is what OpenAI's client for Azure sends."""


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
    """Who asks. Raises ``NotAuthenticated``, ``DatabaseUnavailable``."""
    state = state_of(connection)
    settings, door = state.house.server, state.door
    stands_open = door.stands_open()
    if stands_open is None:
        stands_open = await to_thread.run_sync(door.open_now)
    if stands_open:
        return Caller(), Allowance(settings.requests_per_minute, settings.max_concurrent)
    secret = key_in(connection)
    key = door.remembered(secret)
    if key is None:
        key = await to_thread.run_sync(door.verify, secret)
    return caller_of(key), Allowance(
        settings.requests_per_minute if key.requests_per_minute is None else key.requests_per_minute,
        settings.max_concurrent if key.max_concurrent is None else key.max_concurrent,
    )


def may(caller: Caller, scope: str) -> bool:
    """Whether the caller has a scope; who may transcribe may read."""
    return bool(caller.scopes & {"*", "admin", scope}) or (scope == "read" and "transcribe" in caller.scopes)


_BEARER = Security(HTTPBearer(auto_error=False, description="A key made by `stenogram keys create`"))
_HEADER = Security(APIKeyHeader(name="X-API-Key", auto_error=False))


def _needs(scope: str) -> Callable[..., Any]:
    async def caller(
        connection: HTTPConnection, _bearer: Annotated[Any, _BEARER], _header: Annotated[Any, _HEADER]
    ) -> AsyncIterator[Caller]:
        found, allowance = await identify(connection)
        if not may(found, scope):
            raise NotAllowed(cause=f"the key lacks the scope {scope}")
        client = connection.client.host if connection.client else ""
        told: dict[str, str] = connection.scope.setdefault("state", {}).setdefault(ANSWER_HEADERS, {})
        with state_of(connection).limits.admit(found.key_id or client, allowance, told):
            yield found

    return caller


Reader = Annotated[Caller, Depends(_needs("read"))]
"""May look at what is theirs."""
Submitter = Annotated[Caller, Depends(_needs("transcribe"))]
"""May have recordings transcribed."""
Keeper = Annotated[Caller, Depends(_needs("models"))]
"""May change which models there are."""
Warden = Annotated[Caller, Depends(_needs("users"))]
"""May manage users, and see the keys of all and the audit log."""
