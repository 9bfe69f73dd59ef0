"""Connections of callbacks: to addresses that were checked and to no others, and over at a fixed time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore2
from httpcore2 import NetworkBackend, NetworkStream

_PIECE_BYTES = 64 * 1024
"""Written at once, so that a receiver that reads slowly cannot stretch the time."""


class Connections:
    """Those under way, so that they can be cut off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: set[NetworkStream] = set()
        self.cut = False

    def add(self, stream: NetworkStream) -> None:
        """Raises ``httpcore2.ConnectError`` once all were cut off."""
        with self._lock:
            if not self.cut:
                self._streams.add(stream)
                return
        stream.close()
        raise httpcore2.ConnectError("stopped")

    def remove(self, stream: NetworkStream) -> None:
        """It is over."""
        with self._lock:
            self._streams.discard(stream)

    def cut_off(self) -> None:
        """End all at once, whatever they wait for; there will be no other."""
        with self._lock:
            self.cut = True
            for stream in self._streams:
                with contextlib.suppress(OSError):  # ended by itself
                    # Not SSLSocket.shutdown, which takes the TLS state from under the thread that reads.
                    socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)


class PinnedBackend(NetworkBackend):
    """Connects to the first of ``addresses`` that answers, whatever the host's name means by now.

    ``end`` is when everything must be over, by ``time.monotonic``.
    """

    def __init__(self, addresses: Sequence[str], end: float, connections: Connections) -> None:
        self._addresses = addresses
        self._end = end
        self._connections = connections
        self._system = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - its addresses were checked; it is not asked again
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - ``end`` holds for all
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        """Raises ``httpcore2.ConnectError``, ``ConnectTimeout`` of the last address."""
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout = httpcore2.ConnectError("no address")
        for index, address in enumerate(self._addresses):
            left_s = (self._end - time.monotonic()) / (len(self._addresses) - index)
            if left_s <= 0:
                raise httpcore2.ConnectTimeout("out of time")
            try:
                stream = self._system.connect_tcp(address, port, left_s, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            return _BoundedStream(stream, self._end, self._connections)
        raise failure


class _BoundedStream(NetworkStream):
    """A connection whose every step ends at one and the same time."""

    def __init__(self, stream: NetworkStream, end: float, connections: Connections) -> None:
        connections.add(stream)
        self._stream = stream
        self._end = end
        self._connections = connections

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - ``end`` holds
        return self._stream.read(max_bytes, self._left_s(httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - ``end`` holds
        for start in range(0, len(buffer), _PIECE_BYTES):
            self._stream.write(buffer[start : start + _PIECE_BYTES], self._left_s(httpcore2.WriteTimeout))

    def close(self) -> None:
        self._connections.remove(self._stream)
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - ``end`` holds
    ) -> NetworkStream:
        self._connections.remove(self._stream)
        secured = self._stream.start_tls(ssl_context, server_hostname, self._left_s(httpcore2.ConnectTimeout))
        return _BoundedStream(secured, self._end, self._connections)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left_s(self, out_of_time: type[httpcore2.TimeoutException]) -> float:
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise out_of_time("out of time")
        return left_s
