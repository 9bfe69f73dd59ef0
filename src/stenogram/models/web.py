"""HTTP as downloads need it: proxies and certificates of this machine, careful redirects, errors in words."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

FAILURES = (OSError, http.client.HTTPException)
"""What a connection can fail with, beside an answer that is an error."""


class StrictRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to web addresses, but never from https to http, and take no token to another host."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Mapping[str, str]]] = []
        """(address, headers) of each redirect that was followed."""

    def redirect_request(self, req: urllib.request.Request, *args: Any) -> urllib.request.Request | None:
        """The next request, or None; raises ``URLError`` for an address that is not followed."""
        followed = super().redirect_request(req, *args)
        if followed is None:
            return None
        if followed.type not in {"https", req.type}:
            raise urllib.error.URLError(f"redirected to {followed.full_url}, which is not followed")
        self.answers.append((req.full_url, args[3]))
        token = req.unredirected_hdrs.get("Authorization")
        if token and _origin(followed.full_url) == _origin(req.full_url):
            followed.add_unredirected_header("Authorization", token)
        return followed


def opener(redirects: StrictRedirects | None = None) -> urllib.request.OpenerDirector:
    """Proxies come from the environment; certificates from the system and, where it has none, from certifi."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), redirects if redirects is not None else StrictRedirects()
    )


def request(url: str, token: str | None = None, method: str = "GET") -> urllib.request.Request:
    """A request for the bytes as they are; the token goes to this host only."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "stenogram"}
    made = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - addresses come from hub.address
    if token:
        made.add_unredirected_header("Authorization", f"Bearer {token}")
    return made


def reason(error: object) -> str:
    """Why a connection failed, in words."""
    match error:
        case socket.gaierror():
            return f"the name cannot be resolved ({error.strerror}). Go online, or set a proxy (https_proxy)"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "the connection was refused"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {error.verify_message}"
        case urllib.error.URLError():
            return reason(error.reason)
    return str(error) or type(error).__name__


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
