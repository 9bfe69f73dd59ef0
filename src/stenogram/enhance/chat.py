"""A language model behind an OpenAI-compatible endpoint, by the ``openai`` client.

Requests run on one event loop in a thread of its own, so that whoever waits for the next word can give up at any
time: the request is cancelled, its connection closes, and the server stops generating.

What fails before the first word is tried again after ``PAUSES_S``: connections that fail, 429 and 5xx (after as long
as ``Retry-After`` says, up to ``RETRY_AFTER_MAX_S``). Silence is not: it has taken its time already. Once a word has
come nothing is tried again. An endpoint that refuses a parameter is asked without it, or by its other name, and that is
remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stenogram.enhance.endpoint import Endpoint, said
from stenogram.enhance.thought import Thought
from stenogram.enhancement import ChatUsage, Message
from stenogram.errors import Cancelled
from stenogram.protocols import Stop

if TYPE_CHECKING:
    import openai

PAUSES_S = (0.5, 1.0, 2.0)
"""Waits before the second try and those after it."""
RETRY_AFTER_MAX_S = 30.0
"""An endpoint that wants to be left alone for longer is as good as absent."""

THOUGHT_TOKENS = 4096
"""A model that thinks before it answers may have so many more."""
_AFTERWORD_S = 5.0
"""What an answer cost may come so long after its end."""
_POLL_S = 0.1
_CLOSE_S = 5.0
_REFUSED = (400, 422, 500)  # the last by the server of llama-cpp-python
_BUSY, _FAULT = 429, 500
_PARAMETERS = {
    "response_format": ("response_format", "json_schema", "structured output", "grammar"),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "temperature": ("temperature",),
    "stream_options": ("stream_options", "include_usage"),
}
"""What an endpoint may not know, and words by which its refusal is recognised."""


class OpenAIChat:
    """``protocols.Chat`` at an endpoint. It connects when it is first asked."""

    context_tokens: int | None = None
    """The API does not tell."""

    def __init__(self, endpoint: Endpoint, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        """``pauses_s``: how long to wait before each new try; their number is that of the tries after the first."""
        self.endpoint = endpoint
        self._pauses_s = pauses_s
        self._unknown: frozenset[str] = frozenset()
        self._thinks = False
        """It thinks aloud before it answers, and that takes tokens too."""
        self._queued: set[asyncio.Timeout] = set()
        """Of answers that have not begun; touched on the event loop only."""
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._closed = False

    @property
    def model(self) -> str:
        """The endpoint's name of it."""
        return self.endpoint.model

    @property
    def identity(self) -> str:
        """The same."""
        return self.endpoint.model

    def fault(self) -> str | None:
        """What is wrong with the address, as far as can be told without asking there."""
        return self.endpoint.fault

    def answer(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float,
        stop: Stop,
        schema: Mapping[str, Any] | None = None,
    ) -> Generator[str, None, ChatUsage]:
        """As ``protocols.Chat`` says; several answers at once share connections."""
        if fault := self.fault():
            raise self.endpoint.nonsense(fault)
        question: dict[str, Any] = {
            "model": self.model,
            "messages": list(messages),
            "temperature": temperature,
            "max_tokens": max_tokens,
            "stream_options": {"include_usage": True},
        }
        if schema is not None:
            form = {"name": "answer", "schema": dict(schema), "strict": True}
            question["response_format"] = {"type": "json_schema", "json_schema": form}
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        future = self._start(stop, lambda client: self._ask(client, _Answer(question, max_tokens, pieces.put)))
        future.add_done_callback(lambda _: pieces.put(None))
        try:
            while (piece := self._next(pieces, stop)) is not None:
                yield piece
            return future.result()
        except CancelledError as error:  # by ``close``
            raise Cancelled from error
        finally:
            future.cancel()

    def close(self) -> None:
        """Close all connections; idempotent."""
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _start(
        self, stop: Stop, ask: Callable[[openai.AsyncOpenAI], Coroutine[Any, Any, ChatUsage]]
    ) -> Future[ChatUsage]:
        with self._lock:
            if self._closed or stop():
                raise Cancelled
            self._line = self._line or _Line(self.endpoint)
            return self._line.start(ask)

    def _next(self, pieces: queue.SimpleQueue[str | None], stop: Stop) -> str | None:
        while True:
            if stop() or self._closed:
                raise Cancelled
            with contextlib.suppress(queue.Empty):
                return pieces.get(timeout=_POLL_S)

    async def _ask(self, client: openai.AsyncOpenAI, answer: _Answer) -> ChatUsage:
        """Get the answer, in as many tries as it takes."""
        import openai

        unknown, pauses_s = self._unknown, iter(self._pauses_s)
        while True:
            try:
                usage = await self._once(client, answer, unknown)
            except (openai.OpenAIError, TimeoutError, ValueError, _CutOff) as error:
                refused = _refused(error, answer.question.keys() - unknown)
                if refused is not None:
                    unknown |= {refused}
                    continue
                wait_s = None if answer.begun else _wait_s(error, next(pauses_s, None))
                if wait_s is None:
                    raise self._told(error, answer) from error
                await asyncio.sleep(wait_s)
            else:
                self._unknown |= unknown
                if usage.cut and answer.thoughtful and not self._thinks:  # it did not come to its answer
                    self._thinks = True
                    answer = answer.anew()
                    continue
                self._thinks |= answer.thoughtful
                return usage

    async def _once(self, client: openai.AsyncOpenAI, answer: _Answer, unknown: frozenset[str]) -> ChatUsage:
        question = {name: value for name, value in answer.question.items() if name not in unknown}
        answer.room = answer.limit + (THOUGHT_TOKENS if self._thinks else 0)
        question["max_completion_tokens" if "max_tokens" in unknown else "max_tokens"] = answer.room
        with _ended(answer):
            await self._stream(client, question, answer)
        if not answer.frames:
            raise self.endpoint.wordless() if answer.streams else self.endpoint.nonsense()
        if answer.finish == "content_filter":
            raise self.endpoint.filtered()
        if answer.finish is None:
            raise _CutOff
        return answer.end()

    async def _stream(self, client: openai.AsyncOpenAI, question: Mapping[str, Any], answer: _Answer) -> None:
        async with asyncio.timeout(self.endpoint.timeout_s) as clock, self._waits(clock):
            stream = await client.chat.completions.create(**question, stream=True)
            answer.streams = stream.response.headers.get("content-type", "").startswith("text/event-stream")
            async with stream:
                async for chunk in stream:
                    if answer.take(chunk):
                        self._heard(clock)
                    if answer.overrun:  # the server does not keep to the limit
                        break
                    if answer.finish is not None:  # what it cost may follow, or nothing
                        clock.reschedule(asyncio.get_running_loop().time() + _AFTERWORD_S)

    @contextlib.asynccontextmanager
    async def _waits(self, clock: asyncio.Timeout) -> AsyncIterator[None]:
        self._queued.add(clock)
        try:
            yield
        finally:
            self._queued.discard(clock)

    def _heard(self, clock: asyncio.Timeout) -> None:
        """A word has come: for who waits for its first one too, since many endpoints answer one question at a time."""
        until = asyncio.get_running_loop().time() + self.endpoint.timeout_s
        self._queued.discard(clock)
        for each in (clock, *self._queued):
            if not each.expired():
                each.reschedule(until)

    def _told(self, error: Exception, answer: _Answer) -> Exception:
        import openai

        if isinstance(error, _CutOff) or (answer.frames and type(error) is openai.APIConnectionError):
            return self.endpoint.broken_off()
        return self.endpoint.explain(error)


@contextlib.contextmanager
def _ended(answer: _Answer) -> Iterator[None]:
    """A stream that stays open after the end of the answer does no harm."""
    try:
        yield
    except TimeoutError:
        if answer.finish is None:
            raise


class _CutOff(Exception):
    """The stream ended without an end of the answer."""


@dataclass(slots=True)
class _Answer:
    """An answer as it comes."""

    question: dict[str, Any]
    limit: int
    put: Callable[[str], None]
    """Takes each piece."""
    room: int = 0
    """Tokens that it may have with its thoughts."""
    streams: bool = False
    """Whether it comes as a stream of events at all."""
    frames: int = 0
    aside: bool = False
    """Whether thoughts came beside it."""
    shown: bool = False
    """Whether any of it was given on."""
    begun: bool = False
    """Whether the model has said, or thought, anything."""
    finish: str | None = None
    usage: Any = None
    pieces: int = 0
    first_s: float | None = None
    asked: float = field(default_factory=time.monotonic)
    thought: Thought = field(default_factory=Thought)

    @property
    def overrun(self) -> bool:
        """Whether there are more pieces than there may be tokens, which have at most one piece each."""
        return self.pieces > self.room

    @property
    def thoughtful(self) -> bool:
        """Whether there were thoughts, and nothing else so far."""
        return not self.shown and (self.aside or self.thought.thinking)

    def anew(self) -> _Answer:
        """The same question, of which nothing is answered yet."""
        return _Answer(self.question, self.limit, self.put, asked=self.asked)

    def take(self, chunk: Any) -> bool:
        """Take one frame, whatever is in it; whether that was a word."""
        choices = getattr(chunk, "choices", None)
        if not isinstance(choices, list):
            raise ValueError("a frame without choices")  # noqa: TRY004 - the wire's fault, not the caller's
        self.frames += 1
        self.usage = getattr(chunk, "usage", None) or self.usage
        pieces = self.pieces
        for choice in choices[:1]:
            delta = getattr(choice, "delta", None)
            text = getattr(delta, "content", None)
            aside = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
            if text or aside:
                self.begun = True
                self.aside = self.aside or not text
                self.pieces += 1
                self.first_s = self.first_s or time.monotonic() - self.asked
            if self.overrun:
                self.finish = "length"
            elif isinstance(text, str) and (shown := self.thought.take(_whole(text))):
                self.shown = True
                self.put(shown)
            self.finish = getattr(choice, "finish_reason", None) or self.finish
        return self.pieces > pieces

    def end(self) -> ChatUsage:
        """What it cost; nothing more is coming."""
        if rest := self.thought.end():
            self.put(rest)
        prompt, completion = (getattr(self.usage, f"{name}_tokens", None) for name in ("prompt", "completion"))
        return ChatUsage(
            prompt_tokens=prompt or 0,
            completion_tokens=completion or min(self.pieces, self.room),
            first_token_s=self.first_s,
            answer_s=time.monotonic() - self.asked,
            cut=self.finish == "length",
        )


class _Line:
    """An event loop in a thread, and a client on it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._loop = asyncio.new_event_loop()
        self._client: openai.AsyncOpenAI | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="language model", daemon=True)
        self._thread.start()

    def start(self, ask: Callable[[openai.AsyncOpenAI], Coroutine[Any, Any, ChatUsage]]) -> Future[ChatUsage]:
        """Begin to ask; cancelling the future closes its connection."""

        async def asked() -> ChatUsage:
            self._client = self._client or self._endpoint.client()
            return await ask(self._client)

        return asyncio.run_coroutine_threadsafe(asked(), self._loop)

    def close(self) -> None:
        """Cancel what is asked and end the thread."""
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(_CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
        await self._loop.shutdown_asyncgens()


def _whole(text: str) -> str:
    """Without halves of characters, which JSON can hold and no file or database."""
    return text.encode(errors="replace").decode()


def _refused(error: Exception, asked: set[str]) -> str | None:
    """The parameter that the endpoint does not know, of those it was asked with."""
    import openai

    if not isinstance(error, openai.APIStatusError) or error.status_code not in _REFUSED:
        return None
    told = f"{error.param or ''} {said(error)}".lower()
    found = (name for name, words in _PARAMETERS.items() if name in asked and any(word in told for word in words))
    return next(found, None)


def _wait_s(error: Exception, pause_s: float | None) -> float | None:
    """How long to wait before the next try; None: there is none."""
    import openai

    if pause_s is None or isinstance(error, TimeoutError | openai.APITimeoutError | ValueError):
        return None
    if isinstance(error, openai.APIStatusError):
        if error.status_code != _BUSY and error.status_code < _FAULT:
            return None
        asked_s = _seconds(error.response.headers.get("retry-after"))
        if asked_s is not None:
            return max(asked_s, 0.0) if asked_s <= RETRY_AFTER_MAX_S else None
    return pause_s


def _seconds(retry_after: str | None) -> float | None:
    """What ``Retry-After`` says: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    with contextlib.suppress(ValueError):
        return float(retry_after)
    with contextlib.suppress(ValueError):
        return email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
    return None
