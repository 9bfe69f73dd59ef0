"""What the routes share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from anyio import CapacityLimiter
from starlette.requests import HTTPConnection

from stenogram.accounts import passwords
from stenogram.accounts.keys import Doorkeeper
from stenogram.accounts.sessions import Sessions
from stenogram.accounts.set_up import SetUp
from stenogram.accounts.sign_in import SignIn
from stenogram.app.house import House
from stenogram.server.board import Board
from stenogram.server.hub import Hub
from stenogram.server.limits import Limits
from stenogram.server.openai.giveup import GivenUp


@dataclass(slots=True)
class State:
    """Lives as long as the server; found from every request."""

    house: House
    hub: Hub
    board: Board
    door: Doorkeeper
    sessions: Sessions
    sign_in: SignIn
    set_up: SetUp
    limits: Limits
    given_up: GivenUp
    hashing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(passwords.AT_ONCE))
    """Threads for what hashes passwords: who waits for that keeps nobody from the database."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the server stops, for its threads."""

    def forget_callers(self) -> None:
        """Believe nothing any more that was read of who may enter: it has changed."""
        self.door.forget()
        self.sessions.forget()


def state_of(connection: HTTPConnection) -> State:
    """The state of the server that a request came to."""
    return cast("State", connection.app.state.stenogram)
