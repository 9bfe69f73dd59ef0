"""What stands before everything else, as plain ASGI: request ids, names and origins of browsers, the size of requests.

A page of any site that the user has open can send requests to a server on the user's machine. It cannot read a foreign
origin's answers, but it could change things, and by rebinding its own name to 127.0.0.1 it could read, too. So a
request must come by a name that is ours, and a change must not come from a page of another origin. Both hold where no
key exists, too: there they are the only walls.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stenogram.app.log import REQUEST_ID
from stenogram.server.errors import body_of, headers_of

log = logging.getLogger(__name__)

ANSWER_HEADERS = "answer_headers"
"""In a request's state: headers that whatever answer it gets shall have."""
OWN_LIMIT = "own_limit"
"""In a request's state: whoever reads its body looks after its size, once it is known who asks."""
MOST_BODY_BYTES = 2**20
"""Of a request whose body is held in memory, and read before anybody is asked who they are."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_FREE_PATH = "/health"
"""Load balancers ask by number; nothing is told there that needs hiding."""
_REQUEST_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)
_SECRET = re.compile(r"/shared/[^/]+")
"""The part of an address that opens what it leads to; the log must not have it."""
_POLICY = (
    "default-src 'self'; connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; form-action 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "cache-control": "no-store",  # where nobody said otherwise: most answers are for who asked, by a cookie or a key
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Names:
    """The names by which the server may be called."""

    own: frozenset[str]
    listed: frozenset[str] = frozenset()
    """By the operator; ``*.example.org`` is every name below, ``*`` every name."""
    addresses: bool = False
    """Any IP address will do: a page can have its name rebound, but never come by a number that is not the server's."""

    def know(self, host: str) -> bool:
        """Whether a request by this name is answered."""
        return host in self.own or "*" in self.listed or self.lists(host) or (self.addresses and _is_address(host))

    def lists(self, host: str) -> bool:
        """Whether the operator named it."""
        below = (name[1:] for name in self.listed if name.startswith("*."))
        return host in self.listed or host.endswith(tuple(below))


def names_of(host: str, allowed: str) -> Names:
    """The names for a server that listens on ``host``: loopback, ``host``, and what the setting ``allowed`` adds.

    Where others can reach it, the machine's own name too, and any IP address where it listens on all of them: a
    container does not know those of its machine.
    """
    own = {*_LOOPBACK, _name_in(host)} - {""}
    if not is_loopback(host):
        machine = socket.gethostname().lower()
        own |= {machine, f"{machine}.local"}
    listed = frozenset(name for name in map(_name_in, allowed.split(",")) if name)
    return Names(frozenset(own), listed, addresses=host in _EVERYWHERE)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Middleware around the whole app; ``origins`` are those of pages that may use the API although not ours."""

    def __init__(self, app: ASGIApp, names: Names, origins: Collection[str] = ()) -> None:
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
        token = REQUEST_ID.set(request_id)
        try:
            if scope["type"] == "http":
                receive = _bounded(receive, scope, headers.get("content-length", ""))
            await self._answer(scope, headers, receive, _adding(send, scope, request_id))
        finally:
            REQUEST_ID.reset(token)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._timed(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1][:120]})
        else:
            status, message, code = refusal
            await JSONResponse(body_of(status, message, code), status, headers_of(status))(scope, receive, send)

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            took_ms = round((time.monotonic() - began) * 1000)
            log.debug("%s %r: %d ms", scope.get("method", "WS"), _SECRET.sub("/shared/...", scope["path"]), took_ms)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if scope["path"] == _FREE_PATH and not changes:
            return None
        host = _name_in(headers.get("host", ""))
        if not self._names.know(host):
            advice = "The operator can add it: STENOGRAM_ALLOWED_HOSTS."
            return 421, f"The server does not answer to the name {host!r}. {advice}", "unknown_host"
        if changes and not self._may_change(headers):
            message = "A page of another origin may not do this. The operator can allow it: STENOGRAM_CORS_ORIGINS."
            return 403, message, "cross_origin"
        return None

    def _may_change(self, headers: Headers) -> bool:
        """Programs send neither header; browsers send ``Origin`` with every change, and pages cannot forge it."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is None:
            return site in ("same-origin", "none")
        origin = origin.lower()
        if origin == "null":  # a sandboxed page, a file, a redirect from elsewhere: anybody's
            return False
        if origin in self._origins or "*" in self._origins:
            return True
        if site == "cross-site":
            return False
        # A proxy may have put another Host than the one the browser came by; then the operator's list knows that.
        return _netloc(origin) == headers.get("host", "").lower() or self._names.lists(_name_in(origin))


def _name_in(place: str) -> str:
    """The host in a URL, in ``host:port``, or alone; lower case, without brackets; empty where there is none."""
    place = place.strip().lower()
    if _is_address(place):
        return place
    try:
        return (urlsplit(place if "://" in place else f"//{place}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bounded(receive: Receive, scope: Scope, declared: str) -> Receive:
    """``receive`` that raises 413 for a body which is too large, before it is read where it says so itself."""
    size = int(declared) if re.fullmatch("[0-9]{1,18}", declared) else 0
    read = 0

    async def receiving() -> Message:
        nonlocal read
        if scope["state"].get(OWN_LIMIT):
            return await receive()
        if size <= MOST_BODY_BYTES:
            message = await receive()
            read += len(message.get("body", b""))
            if read <= MOST_BODY_BYTES:
                return message
        raise HTTPException(413, f"The request is larger than {MOST_BODY_BYTES // 2**20} MiB.")

    return receiving


def _adding(send: Send, scope: Scope, request_id: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = request_id
            for name, value in scope["state"].get(ANSWER_HEADERS, {}).items():
                headers[name] = value
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("content-security-policy", _POLICY)
        await send(message)

    return sending
