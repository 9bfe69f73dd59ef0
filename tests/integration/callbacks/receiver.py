"""A receiver of callbacks that behaves, or misbehaves, as a test tells it to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CERTIFICATE = Path(__file__).with_name("receiver.pem")
"""Of receiver.example, signed by itself; the key is no secret."""

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(slots=True)
class Receiver:
    """Takes callbacks on the loopback; ``behaviours`` are used up one by one, the last one stays."""

    port: int
    received: list[Received] = field(default_factory=list)
    behaviours: list[Behaviour] = field(default_factory=lambda: [status(200)])
    released: threading.Event = field(default_factory=threading.Event)
    """Ends what ``hang`` and ``drip`` wait for; set by ``flood`` when the client has gone."""
    flooded_bytes: int = 0
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str = "/done", host: str = "receiver.example", scheme: str = "http") -> str:
        """An address of it, by a name that only the test's resolver knows."""
        return f"{scheme}://{host}:{self.port}{path}"

    def wait_for(self, number: int) -> None:
        """Until so many requests have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.received) >= number, 20.0), self.received

    def take(self, request: Received) -> Behaviour:
        """Note a request, and say what to do with it."""
        with self._arrived:
            self.received.append(request)
            self._arrived.notify_all()
            return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


def status(code: int, **headers: str) -> Behaviour:
    """Answer at once."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close without a word."""
    handler.close_connection = True


def hang_up_in_answer(handler: BaseHTTPRequestHandler) -> None:
    """Close in the middle of the headers."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    handler.close_connection = True


def hang_up_in_body(handler: BaseHTTPRequestHandler) -> None:
    """Promise 100 bytes and give 3."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    handler.close_connection = True


def hang(receiver: Receiver) -> Behaviour:
    """Say nothing until released."""

    def wait(handler: BaseHTTPRequestHandler) -> None:
        receiver.released.wait(30.0)
        handler.close_connection = True

    return wait


def drip(receiver: Receiver) -> Behaviour:
    """Answer with a header that never ends, byte by byte: each comes in time, the answer never does."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while not receiver.released.wait(0.02):
            handler.wfile.write(b"a")

    return write


def flood(receiver: Receiver) -> Behaviour:
    """Answer 2xx, and then without an end; notes how much was taken."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not receiver.released.is_set():
                handler.wfile.write(b"a" * 65536)
                receiver.flooded_bytes += 65536
        finally:
            receiver.released.set()

    return write


@contextmanager
def serve(*, tls: bool = False) -> Iterator[Receiver]:
    """A receiver until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            behaviour = receiver.take(Received(self.path, headers, body))
            try:
                behaviour(self)
            except OSError:  # the client is gone
                self.close_connection = True

        do_GET = do_POST  # noqa: N815 - so that a POST that became a GET would be noticed

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            """A client that goes away is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
