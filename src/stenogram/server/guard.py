"""What stands before every route, as plain ASGI: request ids, the names by which browsers may come, their origin.

A page of any site that the user has open can send requests to a server on the user's machine. It cannot read a foreign
origin's answers, but it could change things, and by rebinding its own name to 127.0.0.1 it could read, too. So a
request must come by a name that is ours, and a change must not come from a page of another origin.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stenogram.server.errors import body_of, headers_of

log = logging.getLogger(__name__)

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_FREE_PATHS = ("/health",)
"""Load balancers ask by number; nothing is told there that needs hiding."""
_REQUEST_ID = re.compile(r"[\w.-]{1,128}")
_POLICY = (
    "default-src 'self'; connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_DOCS = ("/docs", "/redoc")
"""FastAPI's pages load their scripts from elsewhere; they show no data."""
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


def names_of(host: str, allowed: str) -> list[str]:
    """The names by which the server may be called: loopback, the address it listens on, and what the setting adds."""
    listed = [name.strip().lower() for name in allowed.split(",") if name.strip()]
    own = [host.lower()] if host not in ("0.0.0.0", "::", "") else []  # noqa: S104 - compared, not bound
    return [*LOOPBACK, *own, *listed]


class Guard:
    """Middleware around the whole app."""

    def __init__(self, app: ASGIApp, names: Sequence[str], origins: Collection[str] = ()) -> None:
        self._app = app
        self._names = names
        self._origins = {origin.rstrip("/").lower() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        send = _adding(send, scope, request_id)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._timed(scope, receive, send, request_id)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1][:120]})
        else:
            status, message, code = refusal
            await JSONResponse(body_of(status, message, code), status, headers_of(status))(scope, receive, send)

    async def _timed(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began = time.monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            took_ms = round((time.monotonic() - began) * 1000)
            log.debug("%s %s: %d ms", scope.get("method", "WS"), scope["path"], took_ms, extra={"request": request_id})

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        if scope["path"] in _FREE_PATHS:
            return None
        host = _name_in(f"//{headers.get('host', '')}")
        if "*" not in self._names and not self._known(host):
            advice = "The operator can add it: STENOGRAM_ALLOWED_HOSTS."
            return 421, f"The server does not answer to the name {host!r}. {advice}", "unknown_host"
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and not self._same_origin(headers):
            message = "A page of another origin may not do this. The operator can allow it: STENOGRAM_CORS_ORIGINS."
            return 403, message, "cross_origin"
        return None

    def _same_origin(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            if origin.lower() in self._origins:
                return True
            own = _name_in(f"//{headers.get('host', '')}")
            return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() and self._known(own)
        return headers.get("sec-fetch-site", "none") in ("same-origin", "none")

    def _known(self, host: str) -> bool:
        return any(name in ("*", host) or (name.startswith("*.") and host.endswith(name[1:])) for name in self._names)


def _name_in(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def _adding(send: Send, scope: Scope, request_id: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = request_id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if not scope["path"].startswith(_DOCS):
                headers.setdefault("content-security-policy", _POLICY)
        await send(message)

    return sending
