"""The dashboard (R7): its page, its state, and the socket that brings each change."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Any

from anyio import Path as AsyncPath
from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from stenogram.errors import DatabaseError, NotAllowed, NotAuthenticated
from stenogram.server.auth import SUBPROTOCOL, Reader, identify, may
from stenogram.server.board import as_json
from stenogram.server.errors import ANSWERS
from stenogram.server.state import State, state_of

router = APIRouter(tags=["dashboard"])

WEB = str(files("stenogram") / "web")
static = StaticFiles(directory=WEB)

_KEEP_ALIVE_S = 10.0
_AT_MOST_EVERY_S = 0.5
CLOSED_NOT_ALLOWED = 4401
"""Of the WebSocket: a key is needed."""


@router.get("/", include_in_schema=False)
async def page() -> Response:
    """The dashboard."""
    return FileResponse(await AsyncPath(WEB).joinpath("index.html").resolve(), headers={"cache-control": "no-cache"})


@router.get("/dashboard/state", responses=ANSWERS)
async def state(request: Request, _caller: Reader) -> dict[str, Any]:
    """What the dashboard shows; the socket `/ws/dashboard` sends the same at each change."""
    return _state_now(state_of(request))


@router.websocket("/ws/dashboard")
async def socket(websocket: WebSocket) -> None:
    """The state, now and at each change."""
    shared = state_of(websocket)
    offered = next((name for name in websocket.scope["subprotocols"] if name.startswith(SUBPROTOCOL)), None)
    try:
        caller, _ = await identify(websocket)
        if not may(caller, "read"):
            raise NotAllowed(cause="the key lacks the scope read")
    except (NotAuthenticated, NotAllowed, DatabaseError) as error:
        await websocket.accept(offered)  # a refused handshake tells browsers nothing of the reason
        await websocket.close(CLOSED_NOT_ALLOWED, str(error)[:120])
        return
    await websocket.accept(offered)
    watch = shared.board.follow()
    gone = asyncio.create_task(_until_gone(websocket))
    try:
        while not gone.done() and not shared.hub.closing:
            await websocket.send_json(_state_now(shared))
            await asyncio.sleep(_AT_MOST_EVERY_S)
            waiting = asyncio.create_task(watch.wait(_KEEP_ALIVE_S))
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if not gone.done():
            await websocket.close(1001)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        shared.board.unfollow(watch)
        gone.cancel()


async def _until_gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _state_now(shared: State) -> dict[str, Any]:
    return as_json(shared.board.snapshot, locked=shared.door.stands_open() is False)
