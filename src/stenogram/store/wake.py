"""Waking other processes: a topic (a short text) says where to look; what happened stands in the tables.

On PostgreSQL this is LISTEN/NOTIFY. On SQLite, whose processes share a machine, it is a datagram to every listener on
the loopback; each has its port in the table ``listeners``. A lost wake-up costs time, never work: every reader also
looks by itself now and then.

Topics: ``jobs`` (something to claim), ``job:<id>`` (it changed), ``workers``, ``control``, ``callbacks``, ``models``.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy import select as select_rows
from sqlalchemy.exc import SQLAlchemyError

from stenogram.store.tables import listeners

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

CHANNEL = "stenogram"
"""Of PostgreSQL's NOTIFY."""
OnTopic = Callable[[str], None]

_LOOPBACK = "127.0.0.1"
_SIGN_OF_LIFE_S = 20.0
_DEAD_AFTER_S = 90.0
_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
"""Between attempts to listen."""
_PORTS_VALID_S = 0.25
"""A sender reads the table of listeners at most so often; who begins to listen later first looks by itself."""


class Datagrams:
    """Wake-ups between processes of one machine, for SQLite."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._ports: list[int] = []
        self._read_at = float("-inf")

    def send(self, topics: Iterable[str]) -> None:
        """Tell every listener; one that is gone or whose buffer is full misses it."""
        for port in self._listening():
            for topic in topics:
                with contextlib.suppress(OSError):
                    self._socket.sendto(topic.encode(), (_LOOPBACK, port))

    def _listening(self) -> list[int]:
        with self._lock:
            now = time.monotonic()
            if now - self._read_at > _PORTS_VALID_S:
                try:
                    with self._engine.connect() as connection:
                        self._ports = list(connection.execute(select_rows(listeners.c.port)).scalars())
                except SQLAlchemyError as error:
                    log.debug("nobody is woken: %s", error)
                self._read_at = now
            return self._ports

    def listen(self, on_topic: OnTopic, stop: threading.Event, ready: threading.Event) -> None:
        """Call back with each topic until ``stop``; runs in a thread of its own."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
            inbox.bind((_LOOPBACK, 0))
            port: int = inbox.getsockname()[1]
            seen_at, unknown = 0.0, True
            while not stop.is_set():
                now = time.time()
                if now - seen_at > _SIGN_OF_LIFE_S:
                    seen_at = now
                    self._register(port, now)
                    ready.set()
                if select.select([inbox], [], [], 0.25)[0]:
                    on_topic(inbox.recv(1024).decode(errors="replace"))
                if unknown and time.time() - seen_at > _PORTS_VALID_S:
                    unknown = False
                    on_topic("")  # what was sent by those who did not know of this listener yet
            self._execute(delete(listeners).where(listeners.c.port == port))

    def _register(self, port: int, now: float) -> None:
        from sqlalchemy.dialects.sqlite import insert

        self._execute(
            insert(listeners)
            .values(port=port, seen_at=now)
            .on_conflict_do_update(index_elements=["port"], set_={"seen_at": now}),
            delete(listeners).where(listeners.c.seen_at < now - _DEAD_AFTER_S),
        )

    def _execute(self, *statements: object) -> None:
        try:
            with self._engine.begin() as connection:
                for statement in statements:
                    connection.execute(statement)  # type: ignore[call-overload]
        except SQLAlchemyError as error:
            log.warning("the table of listeners cannot be written, so wake-ups come late: %s", error)

    def close(self) -> None:
        """Send nothing more."""
        self._socket.close()


class Notifications:
    """Wake-ups by PostgreSQL; they are sent within the transaction, by ``database``."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def send(self, topics: Iterable[str]) -> None:
        """Nothing to do after the commit."""

    def listen(self, on_topic: OnTopic, stop: threading.Event, ready: threading.Event) -> None:
        """Call back with each topic until ``stop``, over a connection of its own; a lost one is made again."""
        import psycopg

        pause_s = _PAUSE_S
        while not stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    ready.set()
                    on_topic("")  # what came while nobody listened
                    pause_s = _PAUSE_S
                    self._receive(connection, on_topic, stop)
            except psycopg.Error as error:
                level = logging.WARNING if pause_s == _PAUSE_S else logging.DEBUG  # told once
                log.log(level, "PostgreSQL cannot be listened to, trying again: %s", str(error).strip().split("\n")[0])
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    @staticmethod
    def _receive(connection: psycopg.Connection, on_topic: OnTopic, stop: threading.Event) -> None:
        while not stop.is_set():
            for notification in connection.notifies(timeout=0.25):
                on_topic(notification.payload)

    def close(self) -> None:
        """Nothing is open."""
