"""The token that the server prints at its start while there is no user: who has it makes the first admin."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from typing import Self, TypeVar

from stenogram.accounts.errors import SetUpRefused

T = TypeVar("T")


class SetUp:
    """A token in memory, good for one use; None: none was printed."""

    def __init__(self, token: str | None = None) -> None:
        self._token = token
        self._lock = threading.Lock()

    @classmethod
    def begin(cls) -> Self:
        """With a new token of 128 random bits."""
        return cls(secrets.token_urlsafe(16))

    @property
    def token(self) -> str | None:
        """What was printed, until it is used."""
        return self._token

    def use(self, given: str, make: Callable[[], T]) -> T:
        """Do what the token allows, and with that use it up, unless it fails. Raises ``SetUpRefused``."""
        with self._lock:
            token = self._token
            same = hmac.compare_digest((token or "").encode(), given.encode(errors="surrogatepass"))
            if token is None or not same:
                raise SetUpRefused(param="token")
            made = make()
            self._token = None
            return made
