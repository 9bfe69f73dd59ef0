"""A small language-model server without a model: the OpenAI wire over real sockets, and every fault on command.

For tests and benchmarks of what talks to a chat endpoint, ours and yours::

    with ChatServer() as server:
        server.fail("cut", times=2)  # the next two answers break off
        ...  # ask at server.url
        assert server.stopped == 0

``python -m stenogram.testing.chat_server --help`` runs it as a process of its own, which is told what to do by header
(``X-Fault: cut``, for that request) or by ``POST /test/fail {"fault": "cut", "times": 2}``, and tells by
``GET /test/state`` what it has seen.

A token is a word with the white space after it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self, get_args

from stenogram.enhancement import Message
from stenogram.testing.chat_answer import THOUGHT, Answer, Fault

Say = Callable[[Sequence[Message]], str]
"""The answer to the messages."""

_STATUS: dict[Fault, tuple[int, str]] = {
    "rate_limited": (429, "Rate limit reached"),
    "broken": (500, "the runner has gone"),
    "unauthorised": (401, "Incorrect API key provided"),
    "forbidden": (403, "This key may not use this model"),
    "no_model": (404, "model not found, try pulling it first"),
    "bad_request": (400, "this cannot be"),
}
_POLL_S = 0.01


def last_message(messages: Sequence[Message]) -> str:
    """What the user said, as it is."""
    return messages[-1]["content"]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question as it came."""

    messages: list[Message]
    limit: int | None
    """``max_tokens`` or ``max_completion_tokens``."""
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    fault: Fault | None
    """What went wrong with it."""


class _Gone(Exception):
    """The client closed the connection."""


class _Dropped(Exception):
    """The server closes it."""


@dataclass(slots=True)
class ChatServer:
    """The server in a thread of its own; every field may be changed while it runs."""

    say: Say = last_message
    models: tuple[str, ...] = ("mistral:7b-instruct",)
    """Those it has; others are answered with 404."""
    first_token_s: float = 0.0
    """Time to the first token."""
    tokens_per_s: float | None = None
    """None: as fast as can be."""
    slots: int = 1000
    """Answers at once; who asks for more waits."""
    fault: Fault | None = None
    """What goes wrong with every question that nothing else was said of (``fail``, the header)."""
    slow_s: float = 0.1
    retry_after: str | None = "0.05"
    """Header of ``rate_limited``, in seconds or as a date; None: none."""
    schemas: bool = True
    """Whether it takes ``response_format``; otherwise it answers 400."""
    limits: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    """Names of the token limit that it takes; to others it answers 400."""
    usage: bool = True
    """Whether it takes ``stream_options``; otherwise it never tells what an answer cost."""
    api_key: str | None = None
    """Wanted from everybody, where set."""
    ollama: bool = False
    """Whether it answers Ollama's own ``/api/tags`` and ``/api/ps`` too."""
    vram_share: float | None = 1.0
    """Share of the first model that is in GPU memory (``/api/ps``); None: it is not loaded."""

    port: int = 0
    """Where it listens, on 127.0.0.1; 0: any free port, which stands here once it runs."""
    requests: list[ChatRequest] = field(default_factory=list)
    """Every question so far."""
    generating: int = 0
    """Answers under way now."""
    most_generating: int = 0
    """Answers under way at once, at most."""
    finished: int = 0
    """Answers that were given whole, or up to their limit."""
    stopped: int = 0
    """Answers that ended because the client went away."""
    _faults: list[Fault | None] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _socket: socket.socket | None = None
    _end: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The base URL, as clients of the OpenAI API want it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def fail(self, *faults: Fault | None, times: int = 1) -> None:
        """Let these happen to the next questions, one after the other, so many times over; None: nothing happens."""
        self._faults.extend(faults * times)

    def __enter__(self) -> Self:
        """Listen, and come back when it does."""
        ready = threading.Event()
        self._socket = self._bind()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(ready.set)), name="chat server")
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    async def serve(self, ready: Callable[[], object]) -> None:
        """Serve until the end of the ``with`` block; ``ready`` is called when it listens."""
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                connections.add(task)
                task.add_done_callback(connections.discard)
            with contextlib.suppress(OSError, _Gone, _Dropped, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await _Exchange(self, reader, writer).run():
                    pass
            writer.transport.abort()

        server = await asyncio.start_server(connected, sock=self._socket or self._bind())
        ready()
        await self._end.wait()
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _bind(self) -> socket.socket:
        bound = socket.socket(proto=socket.IPPROTO_TCP)  # said, so that asyncio sets TCP_NODELAY
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", self.port))
        self.port = bound.getsockname()[1]
        return bound

    def next_fault(self, asked: str | None) -> Fault | None:
        """What happens to the question that has just come; ``asked``: what its header says."""
        if asked in get_args(Fault):
            return asked  # type: ignore[return-value]
        return self._faults.pop(0) if self._faults else self.fault

    def state(self) -> dict[str, Any]:
        """What it has seen, for ``GET /test/state``."""
        counts = ("generating", "most_generating", "finished", "stopped")
        return {name: getattr(self, name) for name in counts} | {"requests": [asdict(one) for one in self.requests]}


class _Exchange:
    """One request on a connection, and its answer."""

    def __init__(self, server: ChatServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    async def run(self) -> bool:
        """Answer; whether the connection can be used again."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        content = await self.reader.readexactly(int(headers.get("content-length", 0)))
        server = self.server
        if server.api_key is not None and headers.get("authorization") != f"Bearer {server.api_key}":
            await self._error(401, "Incorrect API key provided")
        elif (method, path) == ("POST", "/v1/chat/completions"):
            await self._chat(json.loads(content), headers)
        elif (method, path) == ("POST", "/test/fail"):
            told = json.loads(content)
            server.fail(told["fault"], times=told.get("times", 1))
            await self._json({})
        elif method == "GET" and (found := _listings(server).get(path)) is not None:
            await self._json(found())
        else:
            await self._error(404, f"no {path} here")
        return headers.get("connection", "").lower() != "close"

    async def _chat(self, body: dict[str, Any], headers: dict[str, str]) -> None:
        server = self.server
        fault = server.next_fault(headers.get("x-fault"))
        named = [name for name in ("max_tokens", "max_completion_tokens") if body.get(name) is not None]
        limit = body[named[0]] if named else None
        server.requests.append(ChatRequest(body["messages"], limit, headers, body, fault))
        if fault in _STATUS:
            retry = {"Retry-After": server.retry_after} if fault == "rate_limited" and server.retry_after else {}
            await self._error(*_STATUS[fault], headers=retry)
        elif body["model"] not in server.models:
            await self._error(404, f'model "{body["model"]}" not found, try pulling it first')
        elif wrong := [name for name in named if name not in server.limits]:
            await self._error(400, f"Unsupported parameter: '{wrong[0]}' is not supported with this model.")
        elif "response_format" in body and not server.schemas:
            await self._error(400, "response_format is not supported")
        else:
            if not server.usage:
                body.pop("stream_options", None)
            await self._generate(Answer(server.say(body["messages"]), body, limit, fault))

    async def _generate(self, answer: Answer) -> None:
        server = self.server
        while server.generating >= server.slots:
            await self._until(time.monotonic() + _POLL_S)
        server.generating += 1
        server.most_generating = max(server.most_generating, server.generating)
        try:
            await self._speak(answer)
        except (_Gone, ConnectionError):
            server.stopped += 1
            raise
        finally:
            server.generating -= 1
        server.finished += 1

    async def _speak(self, answer: Answer) -> None:
        """Send the answer, or what its fault makes of it."""
        fault = answer.fault
        if fault == "drop":
            raise _Dropped
        if fault == "silent":
            await self._hang()
        if fault == "not_sse":
            await self._send(200, "text/html", b"<html><body>It works!</body></html>")
        elif not answer.stream:
            pieces = [piece async for piece in self._paced(answer)]
            await self._json(answer.whole(pieces))
        else:
            await self._begin()
            if fault == "headers_only":
                await self._hang()
            if fault != "empty":
                await self._stream(answer)
            await self._write(b"0\r\n\r\n")

    async def _stream(self, answer: Answer) -> None:
        await self._frame(answer.frame({"role": "assistant", "content": ""}))
        while answer.fault == "wordless":
            await self._until(time.monotonic() + _POLL_S)
            await self._frame(answer.frame({"content": ""}))
        if answer.fault == "think_aside":
            await self._frame(answer.frame({"reasoning_content": THOUGHT}))
        middle, sent = len(answer.pieces) // 2, 0
        async for piece in self._paced(answer):
            await self._frame(answer.frame({"content": piece}))
            sent += 1
            if sent > middle:
                await self._break(answer.fault)
        await self._frame(answer.frame({}, finish=answer.finish))
        if answer.tells_usage:
            await self._frame(answer.frame(None, usage=answer.usage(sent)))
        await self._frame("[DONE]")

    async def _break(self, fault: Fault | None) -> None:
        """Do what goes wrong in the middle of an answer."""
        if fault == "cut":
            raise _Dropped
        if fault == "stalled":
            await self._hang()
        if fault == "not_json":
            await self._frame("{'choices': oops")
        if fault == "stream_error":
            await self._frame(json.dumps({"error": {"message": "the runner has gone", "type": "api_error"}}))

    async def _paced(self, answer: Answer) -> AsyncIterator[str]:
        began = time.monotonic()
        for number, piece in enumerate(answer):
            pace = number / self.server.tokens_per_s if self.server.tokens_per_s else 0.0
            slow = (number + 1) * self.server.slow_s if answer.fault == "slow" else 0.0
            await self._until(began + self.server.first_token_s + pace + slow)
            yield piece

    async def _until(self, at: float) -> None:
        """Wait, unless the client goes away."""
        while True:
            if self.reader.at_eof():
                raise _Gone
            left = at - time.monotonic()
            await asyncio.sleep(min(max(left, 0), _POLL_S))
            if left <= _POLL_S:
                return

    async def _hang(self) -> None:
        await self._until(float("inf"))

    async def _begin(self) -> None:
        await self._write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
            b"Cache-Control: no-cache\r\n\r\n"
        )

    async def _frame(self, data: str) -> None:
        frame = f"data: {data}\n\n".encode()
        await self._write(b"%x\r\n%b\r\n" % (len(frame), frame))

    async def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        body = {"error": {"message": message, "type": "api_error", "param": None, "code": None}}
        await self._send(status, "application/json", json.dumps(body).encode(), headers)

    async def _json(self, value: object) -> None:
        await self._send(200, "application/json", json.dumps(value).encode())

    async def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self._write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode("latin-1") + body)

    async def _write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


def _listings(server: ChatServer) -> dict[str, Callable[[], object]]:
    """What ``GET`` knows."""
    size = 4_000_000_000
    loaded = server.models[:1] if server.vram_share is not None else ()
    found: dict[str, Callable[[], object]] = {
        "/test/state": server.state,
        "/v1/models": lambda: {"object": "list", "data": [{"id": name, "object": "model"} for name in server.models]},
    }
    if server.ollama:
        vram = int(size * (server.vram_share or 0.0))
        found["/api/tags"] = lambda: {"models": [{"name": name, "model": name, "size": size} for name in server.models]}
        found["/api/ps"] = lambda: {
            "models": [{"name": name, "model": name, "size": size, "size_vram": vram} for name in loaded]
        }
    return found


def main() -> None:
    """Serve until Ctrl-C; the first line on standard output is the base URL."""
    parser = argparse.ArgumentParser(description="A language-model server without a model, for tests and benchmarks.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--model", action="append", help="a model it has; may be given several times")
    parser.add_argument("--first-token-s", type=float, default=0.0, help="time to the first token")
    parser.add_argument("--tokens-per-s", type=float, help="words a second; unset: as fast as can be")
    parser.add_argument("--fault", choices=get_args(Fault), help="what goes wrong with every question")
    parser.add_argument("--ollama", action="store_true", help="answer Ollama's own /api/tags and /api/ps too")
    given = parser.parse_args()
    server = ChatServer(
        port=given.port,
        models=tuple(given.model or ("mistral:7b-instruct",)),
        first_token_s=given.first_token_s,
        tokens_per_s=given.tokens_per_s,
        fault=given.fault,
        ollama=given.ollama,
    )

    def told() -> None:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve(told))


if __name__ == "__main__":
    main()
