"""Language models to ask in tests, and how to ask them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stenogram.enhance.chat import OpenAIChat
from stenogram.enhance.endpoint import Endpoint
from stenogram.enhance.gguf import GgufChat, weights_at
from stenogram.enhancement import ChatUsage, Message
from stenogram.protocols import Chat
from stenogram.testing.chat_server import ChatServer
from tools import tiny_gguf

HAS_LLAMA = find_spec("llama_cpp") is not None
TEXT = "1. so it was the best of times\n2. и это было 42 раза, не больше"
ANSWER = {
    "type": "object",
    "properties": {
        "lines": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {"n": {"enum": [1, 2]}, "keep": {"type": "boolean"}},
                "required": ["n", "keep"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["lines"],
    "additionalProperties": False,
}
"""A schema that a small grammar can hold a model to."""


def never() -> bool:
    return False


def messages(text: str = TEXT) -> list[Message]:
    return [{"role": "system", "content": "Repair the text."}, {"role": "user", "content": text}]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    pieces: tuple[str, ...]
    usage: ChatUsage

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def begin(
    chat: Chat,
    text: str = TEXT,
    *,
    max_tokens: int = 40,
    stop: Callable[[], bool] = never,
    schema: Mapping[str, Any] | None = None,
) -> Generator[str, None, ChatUsage]:
    return chat.answer(messages(text), max_tokens=max_tokens, temperature=0.3, stop=stop, schema=schema)


def finish(answer: Generator[str, None, ChatUsage], begun: Sequence[str] = ()) -> Answer:
    pieces = list(begun)
    while True:
        try:
            pieces.append(next(answer))
        except StopIteration as end:
            return Answer(tuple(pieces), end.value)


def ask(chat: Chat, text: str = TEXT, **options: Any) -> Answer:
    return finish(begin(chat, text, **options))


@contextlib.contextmanager
def at_server(server: ChatServer, **facts: Any) -> Iterator[OpenAIChat]:
    """The endpoint of a server that runs, with short waits."""
    endpoint = Endpoint(server.url, server.models[0], **{"timeout_s": 30.0, **facts})
    chat = OpenAIChat(endpoint, pauses_s=(0.01, 0.01))
    try:
        yield chat
    finally:
        chat.close()


def gguf(folder: Path, shape: tiny_gguf.Shape | None = None, **facts: Any) -> GgufChat:
    """A model that says noise; needs llama-cpp-python to be asked."""
    path = tiny_gguf.write(folder / "tiny.gguf", shape or tiny_gguf.Shape(), **facts)
    return GgufChat(str(path), lambda: weights_at(path))
