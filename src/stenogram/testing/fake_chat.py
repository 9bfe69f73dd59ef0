"""A language model without weights. It implements the real Protocol."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stenogram.enhancement import ChatUsage, Message
from stenogram.errors import Cancelled
from stenogram.protocols import Stop


def echo(messages: Sequence[Message]) -> Iterable[str]:
    """The last message, word by word."""
    return re.findall(r"\S+\s*|\s+", messages[-1]["content"])


@dataclass(slots=True)
class FakeChat:
    """Answers what ``say`` makes of the messages, and keeps count; several threads may use it."""

    say: Callable[[Sequence[Message]], Iterable[str]] = echo
    model: str = "fake"
    identity: str = "fake 1"
    context_tokens: int | None = None
    cause: str | None = None
    """Why it cannot be used."""
    questions: list[Sequence[Message]] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    """The token limit of each question."""
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self) -> str | None:
        """As told."""
        return self.cause

    def answer(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float,  # noqa: ARG002 - it draws no lots
        stop: Stop,
        schema: Mapping[str, Any] | None = None,  # noqa: ARG002 - what ``say`` gives is the caller's business
    ) -> Generator[str, None, ChatUsage]:
        """A piece counts as a token."""
        with self.lock:
            self.questions.append(list(messages))
            self.limits.append(max_tokens)
        began = time.monotonic()
        first_s: float | None = None
        count = 0
        for piece in self.say(messages):
            if stop() or self.closed:
                raise Cancelled
            if count == max_tokens:
                return ChatUsage(_count(messages), count, first_s, time.monotonic() - began, cut=True)
            count += 1
            first_s = time.monotonic() - began if first_s is None else first_s
            yield piece
        if stop() or self.closed:
            raise Cancelled
        return ChatUsage(_count(messages), count, first_s, time.monotonic() - began)

    def close(self) -> None:
        """End all answers."""
        self.closed = True


def _count(messages: Sequence[Message]) -> int:
    return sum(len(message["content"].split()) for message in messages)
