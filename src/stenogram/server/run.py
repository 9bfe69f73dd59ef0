"""Runs the server: checks that it may, starts the workers, serves until it is told to stop, and ends in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn

from stenogram.accounts.keys import Doorkeeper
from stenogram.accounts.set_up import SetUp
from stenogram.app import crew
from stenogram.app.doctor import log_facts
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotAllowed, StorageError
from stenogram.jobs.callbacks.address import allow_list
from stenogram.jobs.callbacks.sign import Signer
from stenogram.models.store import require
from stenogram.server.asgi import build
from stenogram.server.guard import is_loopback
from stenogram.server.hub import Hub
from stenogram.store import schema
from stenogram.types import LoadOptions

log = logging.getLogger(__name__)


def serve(settings: Settings, server: ServerSettings, started: Callable[[str, str | None], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``started`` is told the address, and the token of ``accounts.set_up`` if any.

    Raises ``NotAllowed`` for an open address with neither users nor keys, ``SchemaOutdated``, ``DatabaseUnavailable``,
    ``ModelNotInstalled`` for a required model that is absent, ``StorageError`` for a port that is taken,
    ``OptionError`` for settings of callbacks that cannot be.
    """
    allow_list(server.callback_allow)
    Signer(server.callback_secret)
    with House.open(settings, server) as house:
        prepare(house)
        mode = Doorkeeper(house.db).mode()
        check_bind(server, locked=mode != "open")
        set_up = SetUp.begin() if mode != "accounts" else SetUp()
        if settings.model != "auto":
            require([settings.model], settings)
        log_facts(LoadOptions())
        with _bound(server) as bound:
            host, port = bound.getsockname()[:2]
            supervisor = crew.supervisor(house)
            supervisor.start()
            try:
                config = uvicorn.Config(
                    build(house, set_up),
                    forwarded_allow_ips=server.trusted_proxies,
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=int(server.shutdown_grace_s) + 5,
                    timeout_keep_alive=75,
                    ws_max_size=2**16,
                )
                shown = f"[{host}]" if ":" in host else host
                _Server(
                    config,
                    ready=lambda: started(f"http://{shown}:{port}", set_up.token),
                    end_jobs=lambda: supervisor.stop(server.shutdown_grace_s),
                ).run([bound])
            finally:
                supervisor.stop(server.shutdown_grace_s)


def prepare(house: House) -> None:
    """Have the tables in order: made here on SQLite, only checked on PostgreSQL, which others may share.

    Raises ``SchemaOutdated``, ``DatabaseUnavailable``.
    """
    if house.db.dialect == "sqlite":
        schema.upgrade(house.db)
    else:
        schema.check(house.db)


def check_bind(server: ServerSettings, *, locked: bool) -> None:
    """Raises ``NotAllowed`` where anybody on the network could use the server, with neither user nor key to lock it."""
    host = server.host
    if is_loopback(host) or server.no_auth or locked:
        return
    cause = (
        f"listening on {host or 'all addresses'} with neither users nor API keys would let everybody in. "
        "Make a user (stenogram users create --admin --email EMAIL) or a key (stenogram keys create --name NAME), "
        "or say --no-auth if that is what you want"
    )
    raise NotAllowed(cause=cause)


class _Server(uvicorn.Server):
    """Lets the workers end their jobs while the last requests wait for them; what is left then is told to come back."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[], None], end_jobs: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = config.app
        self._ready = ready
        self._end_jobs = end_jobs

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the address once requests are taken."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the jobs, and with them the requests that wait."""
        loop = asyncio.get_running_loop()
        hub: Hub = cast("Any", self._app).state.stenogram.hub

        def end() -> None:
            self._end_jobs()
            loop.call_soon_threadsafe(hub.close)

        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        await super().shutdown(sockets)
        await asyncio.to_thread(ending.join)


@contextlib.contextmanager
def _bound(server: ServerSettings) -> Iterator[socket.socket]:
    """The socket to listen on, so that a taken port is told before anything else starts."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio sets TCP_NODELAY
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((server.host, server.port))
        except OSError as error:
            cause = f"{error.strerror or error}. Is another server running? Choose another port: --port"
            raise StorageError(path=f"{server.host}:{server.port}", cause=cause) from error
        listening.set_inheritable(False)
        yield listening
    finally:
        listening.close()
