"""Endpoints whose models think before they answer, and some that do not hang up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stenogram.enhance import chat as chat_module
from stenogram.enhance.chat import THOUGHT_TOKENS, OpenAIChat
from stenogram.enhance.endpoint import Endpoint
from stenogram.testing.chat_server import ChatServer
from tests import chats

THOUGHT = "<think>" + "let me think " * 50 + "</think>"


def test_thoughts_do_not_eat_the_answer_s_limit() -> None:
    """The first time it is asked once more with room for them, from then on at once."""
    with (
        ChatServer(say=lambda _messages: f"{THOUGHT} The answer.") as server,
        closing(OpenAIChat(Endpoint(server.url, server.models[0], timeout_s=20))) as chat,
    ):
        first = chats.ask(chat, max_tokens=20)
        second = chats.ask(chat, max_tokens=20)

    assert (first.text, second.text) == ("The answer.", "The answer.")
    assert not first.usage.cut
    assert [request.limit for request in server.requests] == [20, 20 + THOUGHT_TOKENS, 20 + THOUGHT_TOKENS]


def test_an_answer_that_is_too_long_is_cut_however_much_it_thought() -> None:
    """Only thoughts without an answer get more room."""
    with (
        ChatServer(say=lambda _messages: "<think>so</think> " + "word " * 60) as server,
        closing(OpenAIChat(Endpoint(server.url, server.models[0], timeout_s=20))) as chat,
    ):
        found = chats.ask(chat, max_tokens=20)

    assert found.usage.cut
    assert len(server.requests) == 1


class _Lingers(BaseHTTPRequestHandler):
    """Answers, and keeps the line open."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta, finish in (({"content": "Done."}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            frame = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(frame)}\n\n".encode())
        self.wfile.flush()
        self.server.over.wait(30)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def lingering() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Lingers) as server:
        server.over = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.over.set()  # type: ignore[attr-defined]
        server.shutdown()


def test_a_line_that_stays_open_after_the_answer_does_no_harm(lingering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_module, "_AFTERWORD_S", 0.3)
    with closing(OpenAIChat(Endpoint(lingering, "m", timeout_s=20))) as chat:
        found = chats.ask(chat)

    assert found.text == "Done."
    assert not found.usage.cut
