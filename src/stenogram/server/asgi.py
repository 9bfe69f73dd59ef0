"""Puts the server together: ``build(house)`` gives the ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator
from importlib.metadata import version

from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from stenogram.accounts.keys import Doorkeeper
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.sessions import Sessions
from stenogram.accounts.set_up import SetUp
from stenogram.accounts.sign_in import SignIn
from stenogram.app.enabled import fetch_enabled
from stenogram.app.house import House
from stenogram.app.housekeeping import keep_tidy
from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.jobs.callbacks.send import Sender
from stenogram.server import errors
from stenogram.server.board import Board
from stenogram.server.guard import Guard, names_of
from stenogram.server.hub import Hub
from stenogram.server.limits import Limits
from stenogram.server.openai.giveup import GivenUp
from stenogram.server.routes import (
    audit,
    documents,
    enhance,
    exports,
    jobs,
    keys,
    library,
    live,
    llm,
    me,
    metrics,
    models,
    openai,
    service,
    session,
    shares,
    speakers,
    system,
    transcriptions,
    users,
)
from stenogram.server.state import State

_DESCRIPTION = """Self-hosted speech-to-text. `/v1` speaks the OpenAI audio API, `/api/v1` is everything the product can
do, and `/transcribe`, `/queue`, `/status`, `/health` are the GPU service with callbacks."""
_HOUR_S = 3600.0
_THREADS = 12
"""For the database and the disk, which are waited for; most of the time they are one after the other anyway."""
_TURN_S = 0.001
_EXPOSED = (
    "x-request-id",
    "x-stenogram-warning",
    "x-should-retry",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)
"""Headers that pages of other origins may read."""


def build(house: House, set_up: SetUp | None = None) -> FastAPI:
    """The app over an open house, whose tables are there; ``set_up`` lets the first admin be made."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Many threads that compute would keep the event loop from its turn: few, and short turns.
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        sys.setswitchinterval(_TURN_S)
        hub = Hub(asyncio.get_running_loop())
        board = Board(house, hub)
        settings = house.server
        door, sessions = Doorkeeper(house.db), Sessions(house.db, settings.session_days)
        app.state.stenogram = State(
            house=house,
            hub=hub,
            board=board,
            door=door,
            sessions=sessions,
            sign_in=SignIn(house.db, Passwords(), sessions, door),
            set_up=set_up or SetUp(),
            limits=Limits(),
            given_up=GivenUp(),
        )
        hub.attach(house.db)
        sender = Sender(settings.callback_allow, settings.callback_timeout_s)
        deliverer = Deliverer(house.db, sender, settings.callback_secret, settings.callback_give_up_h * _HOUR_S)
        deliverer.start()
        stop = app.state.stenogram.stop
        for target in (fetch_enabled, keep_tidy):
            threading.Thread(target=target, args=(house, stop), name=target.__name__, daemon=True).start()
        board.start()
        try:
            yield
        finally:
            stop.set()
            hub.close()
            await board.stop()
            await to_thread.run_sync(deliverer.stop)

    app = FastAPI(
        title="Stenogram",
        version=version("stenogram"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere; ours is in ``routes.live``
        redoc_url=None,
    )
    errors.install(app)
    modules = (
        *(service, openai, jobs, library, transcriptions, documents, exports, enhance, speakers, models, llm),
        *(session, me, users, keys, shares, audit, system, metrics, live),
    )
    for module in modules:
        app.include_router(module.router)
    app.mount("/web", live.static)
    origins = [origin.strip() for origin in house.server.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=_EXPOSED
        )
    names = names_of(house.server.host, house.server.allowed_hosts)
    app.middleware_stack = Guard(app.build_middleware_stack(), names, origins)  # around the answers to faults, too
    return app
