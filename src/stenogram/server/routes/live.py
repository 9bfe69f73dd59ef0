"""The dashboard (R7): its page, its state, and the socket that brings each change."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from stenogram.errors import DatabaseError, NotAllowed, NotAuthenticated
from stenogram.job import Caller
from stenogram.server.auth import SUBPROTOCOL, Reader, identify, may
from stenogram.server.board import as_json
from stenogram.server.errors import ANSWERS
from stenogram.server.state import state_of

router = APIRouter(tags=["dashboard"])

WEB = Path(str(files("stenogram") / "web"))
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
"""Told by us: what a system's own table says of ``.js`` may keep a browser from running it (Windows)."""
_CACHING = {"cache-control": "no-cache"}
"""Kept, but asked for again each time: after an upgrade nobody has half of the old page."""

_KEEP_ALIVE_S = 10.0
_AT_MOST_EVERY_S = 0.5
_CHECK_KEY_S = 10.0
CLOSED_NOT_AUTHENTICATED = 4401
"""Of the WebSocket: a key is needed, or it is not a good one."""
CLOSED_NOT_ALLOWED = 4403
"""The key may not read."""
_CLOSED_GOING_AWAY, _CLOSED_TRY_LATER = 1001, 1013  # IANA's numbers


class WebFiles(StaticFiles):
    """The page's own files, which anybody may have."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """With the type and the caching that we say."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_CACHING)
        kind = _TYPES.get(Path(full_path).suffix)
        if kind is not None and "content-type" in response.headers:  # a 304 has none
            response.headers["content-type"] = f"{kind}; charset=utf-8"
        return response


static = WebFiles(directory=WEB)


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def page() -> Response:
    """The dashboard."""
    return FileResponse(WEB / "index.html", media_type="text/html; charset=utf-8", headers=_CACHING)


@router.api_route("/app", methods=["GET", "HEAD"], include_in_schema=False)
@router.api_route("/app/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
async def app() -> Response:
    """The page people work in; which view an address shows is told by its ``main.js``."""
    return FileResponse(WEB / "app" / "index.html", media_type="text/html; charset=utf-8", headers=_CACHING)


@router.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
async def docs() -> Response:
    """The API, for people."""
    return FileResponse(WEB / "docs.html", media_type="text/html; charset=utf-8", headers=_CACHING)


@router.get("/dashboard/state", responses=ANSWERS)
async def state(request: Request, caller: Reader) -> dict[str, Any]:
    """What the dashboard shows; the socket `/ws/dashboard` sends the same at each change."""
    return as_json(state_of(request).board.snapshot, caller)


@router.websocket("/ws/dashboard")
async def socket(websocket: WebSocket) -> None:
    """The state, now and at each change, but at most twice a second."""
    offered = next((name for name in websocket.scope["subprotocols"] if name.startswith(SUBPROTOCOL)), None)
    await websocket.accept(offered)  # also to refuse: a failed handshake tells browsers nothing of the reason
    gone = asyncio.create_task(_until_gone(websocket))
    try:
        code, reason = await _send_until(websocket, gone)
        if not gone.done():
            await websocket.close(code, reason[:120])
    except (WebSocketDisconnect, RuntimeError):  # it went in the middle of sending
        pass
    finally:
        gone.cancel()


async def _send_until(websocket: WebSocket, gone: asyncio.Task[None]) -> tuple[int, str]:
    """Send the state until one side ends; gives code and reason for the close."""
    shared = state_of(websocket)
    watch = shared.board.follow()
    try:
        caller = await _reader(websocket)
        check_at = time.monotonic() + _CHECK_KEY_S
        while not gone.done() and not shared.hub.closing:
            if time.monotonic() >= check_at:  # the key may have been revoked
                with contextlib.suppress(DatabaseError):  # the page should tell of that, not end over it
                    caller = await _reader(websocket)
                check_at = time.monotonic() + _CHECK_KEY_S
            await websocket.send_json(as_json(shared.board.snapshot, caller))
            await asyncio.wait({gone}, timeout=_AT_MOST_EVERY_S)
            waiting = asyncio.create_task(watch.wait(_KEEP_ALIVE_S))
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
    except NotAuthenticated as error:
        return CLOSED_NOT_AUTHENTICATED, str(error)
    except NotAllowed as error:
        return CLOSED_NOT_ALLOWED, str(error)
    except DatabaseError as error:
        return _CLOSED_TRY_LATER, str(error)
    finally:
        shared.board.unfollow(watch)
    return _CLOSED_GOING_AWAY, "the server stops"


async def _reader(websocket: WebSocket) -> Caller:
    caller, _ = await identify(websocket)
    if not may(caller, "read"):
        raise NotAllowed(cause="the key lacks the scope read")
    return caller


async def _until_gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
