"""A small model hub on this machine: one server that answers as the hub does, and one that holds the large files."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 100_000
"""From this size on a file is kept apart, as the hub does."""


@dataclass
class Hub:
    """What the two servers hold and do next; ``faults`` are used up one by one, one for each request of a file."""

    url: str = ""
    cdn_url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """Path in the repository -> content."""
    faults: list[str] = field(default_factory=list)
    """``flip N``, ``cut N``, ``slow S``, ``status N``, ``linked-size N``, ``linked-etag X``, ``page``, ``packed``,
    ``nolength``, ``etag X``."""
    renamed_from: str | None = None
    """A repository that the hub redirects to ``own/small``."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """(server, path, headers in lower case) of every request."""
    token: str | None = None
    """Wanted from everybody, where set."""

    def asked(self, server: str) -> list[str]:
        """Paths that a server (``hub`` or ``cdn``) was asked for."""
        return [path for name, path, _ in self.requests if name == server]


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, hub: Hub, server_name: str, *args: Any) -> None:
        self.hub = hub
        self.server_name = server_name
        super().__init__(*args)

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.requests.append(
            (self.server_name, self.path, {key.lower(): text for key, text in self.headers.items()})
        )
        if self.server_name == "cdn":
            self.send_file(self.hub.files[self.path.removeprefix("/blob/")], self.next_fault("cdn"))
            return
        if self.hub.token is not None and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self.send_error(401)
            return
        repo, _, rest = self.path.removeprefix("/").partition("/resolve/")
        name = rest.partition("/")[2]
        if repo == self.hub.renamed_from:
            self.redirect(f"/own/small/resolve/{rest}", {})
        elif name not in self.hub.files:
            self.send_error(404)
        else:
            self.answer(name, self.hub.files[name])

    def answer(self, name: str, content: bytes) -> None:
        if len(content) < LARGE:
            git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            self.send_file(content, self.next_fault("cdn"), {"ETag": f'"{git}"', "X-Repo-Commit": COMMIT})
            return
        fault, _, amount = self.next_fault("hub").partition(" ")
        if fault == "status":
            self.send_error(int(amount))
            return
        digest = amount if fault == "linked-etag" else hashlib.sha256(content).hexdigest()
        size = amount if fault == "linked-size" else str(len(content))
        headers = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": size, "X-Repo-Commit": COMMIT}
        self.redirect(f"{self.hub.cdn_url}/blob/{name}", headers)

    def next_fault(self, server: str) -> str:
        mine = (
            ("status", "linked-size", "linked-etag")
            if server == "hub"
            else ("flip", "cut", "slow", "page", "packed", "nolength", "etag")
        )
        if self.command == "GET" and self.hub.faults and self.hub.faults[0].split(" ")[0] in mine:
            return self.hub.faults.pop(0)
        return ""

    def redirect(self, location: str, headers: dict[str, str]) -> None:
        self.send_response(302)
        for key, text in {"Location": location, "Content-Length": "0", **headers}.items():
            self.send_header(key, text)
        self.end_headers()

    def send_file(self, content: bytes, fault: str, headers: dict[str, str] | None = None) -> None:
        fault, _, amount = fault.partition(" ")
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        headers = {"Content-Type": "application/octet-stream", "ETag": etag} | (headers or {})
        if fault == "etag":
            headers["ETag"] = amount
        if fault == "page":
            headers["Content-Type"] = "text/html; charset=utf-8"
        if fault == "packed":
            headers["Content-Encoding"] = "gzip"
        wanted = self.headers.get("Range")
        start = 0
        if wanted and self.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        else:
            self.send_response(200)
        if fault != "nolength":
            headers["Content-Length"] = str(len(content) - start)
        for key, text in headers.items():
            self.send_header(key, text)
        self.end_headers()
        if self.command == "GET":
            self.send_body(bytearray(content[start:]), fault, amount)

    def send_body(self, body: bytearray, fault: str, amount: str) -> None:
        if fault == "flip":
            body[int(amount)] ^= 1
        if fault == "cut":
            body = body[: int(amount)]
        if fault == "slow":
            self.wfile.write(body[:1000])
            self.wfile.flush()
            time.sleep(float(amount))
            return
        self.wfile.write(body)


@contextmanager
def running() -> Iterator[Hub]:
    """The two servers, until the end of the block."""
    hub = Hub()
    with ExitStack() as stack:
        for name in ("hub", "cdn"):
            server = stack.enter_context(
                http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, hub, name))
            )
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            setattr(hub, "url" if name == "hub" else "cdn_url", f"http://127.0.0.1:{server.server_address[1]}")
        yield hub
