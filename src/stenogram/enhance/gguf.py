"""A language model from a GGUF file, by llama-cpp-python in a process of its own, on the CPU.

It lives apart because a damaged file, or a grammar that comes to no end, may bring the library's process down, and so
that its memory is given back when it closes. It answers one question at a time; others wait. To compute on a GPU, run
llama.cpp's own server, or Ollama, and name that as the endpoint.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stenogram.child import Child
from stenogram.enhance import gguf_header
from stenogram.enhancement import ChatUsage, Message
from stenogram.errors import (
    Cancelled,
    ChatNotInstalled,
    ChatRefused,
    EnhancementError,
    ModelError,
    OutOfMemory,
)
from stenogram.hardware.processor import available_cpus
from stenogram.library import Row
from stenogram.models.digests import sha256_of
from stenogram.protocols import Stop

LIBRARY = Row("stenogram.enhance.gguf:GgufChat", ("llama_cpp",), ("llama-cpp-python",), extra="llama-cpp")
MAX_CONTEXT_TOKENS = 4096
"""More is not needed for a part of a transcript, and takes memory: half a GB for a model of 7 B."""

_MODULE, _PACKAGES = "stenogram.enhance.gguf_child", ("stenogram", "llama_cpp", "numpy", "jinja2", "markupsafe")
_POLL_S = 0.1
_STOP_S = 1.0
"""A process that has not stopped by then is ended."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A file and its digest, hex."""

    path: Path
    digest: str


def weights_at(path: Path) -> Weights:
    """Those in a file of the user's own; hashed once by each process. Raises ``ModelError``."""
    try:
        facts = path.stat()
        return Weights(path, _digest(path, facts.st_size, facts.st_mtime_ns))
    except OSError as error:
        raise ModelError(model=path.name, cause=f"{path}: {error.strerror or error}") from error


@functools.lru_cache(maxsize=16)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    return sha256_of(path)


class GgufChat:
    """``protocols.Chat`` on a file. The process starts, and loads, with the first question."""

    def __init__(self, model: str, locate: Callable[[], Weights], idle_unload_s: float = math.inf) -> None:
        """``locate`` finds the file; it raises ``ModelNotInstalled`` and other ``ModelError``.

        After ``idle_unload_s`` without a question the process is ended, and its memory free; the next one starts it.
        """
        self._name = model
        self._locate = locate
        self._alone = threading.Lock()
        self._numbers = itertools.count()
        self._child: Child | None = None
        self._idle_unload_s = idle_unload_s
        self._rest: threading.Timer | None = None
        self._closed = False

    @property
    def model(self) -> str:
        """The name in the catalogue, or the path."""
        return self._name

    @property
    def identity(self) -> str:
        """By the digest of the file. Raises ``ModelError`` where there is none."""
        return f"gguf {self._locate().digest}"

    @property
    def context_tokens(self) -> int | None:
        """What the file can, up to ``MAX_CONTEXT_TOKENS``; None: it cannot be read."""
        with contextlib.suppress(ModelError):
            return self._context(self._locate().path)
        return None

    def fault(self) -> str | None:
        """What is not installed, or wrong with the file."""
        if not LIBRARY.installed:
            return str(ChatNotInstalled(model=self.model))
        try:
            self._context(self._locate().path)
        except ModelError as error:
            return str(error)
        return None

    def answer(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float,
        stop: Stop,
        schema: Mapping[str, Any] | None = None,
    ) -> Generator[str, None, ChatUsage]:
        """As ``protocols.Chat`` says. A thread finishes, or closes, one answer before it asks for another."""
        if not LIBRARY.installed:
            raise ChatNotInstalled(model=self.model)
        path = self._locate().path
        request = {
            "path": str(path),
            "context": self._context(path),
            "threads": _threads(),
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "schema": None if schema is None else dict(schema),
        }
        began = time.monotonic()
        with self._waiting(stop):
            waited_s = time.monotonic() - began
            usage = yield from self._ask(request, stop)
        first_s = usage["first_token_s"]
        return ChatUsage(
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            first_token_s=None if first_s is None else waited_s + first_s,
            answer_s=waited_s + usage["answer_s"],
            cut=usage["cut"],
        )

    def close(self) -> None:
        """End the process, also one that is at work; idempotent."""
        self._closed = True
        if self._rest is not None:
            self._rest.cancel()
        self._end()

    def _unload(self) -> None:
        """Nobody has asked for long."""
        if self._alone.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._alone.release()

    def _context(self, path: Path) -> int:
        return min(gguf_header.read(path).context_tokens, MAX_CONTEXT_TOKENS)

    @contextlib.contextmanager
    def _waiting(self, stop: Stop) -> Iterator[None]:
        """Be the only one who uses the process."""
        while not self._alone.acquire(timeout=_POLL_S):
            self._check(stop)
        try:
            self._check(stop)
            if self._rest is not None:
                self._rest.cancel()
            yield
        finally:
            if self._idle_unload_s < threading.TIMEOUT_MAX and not self._closed:
                self._rest = threading.Timer(self._idle_unload_s, self._unload)
                self._rest.daemon = True
                self._rest.start()
            self._alone.release()

    def _check(self, stop: Stop) -> None:
        if stop() or self._closed:
            raise Cancelled

    def _ask(self, request: dict[str, Any], stop: Stop) -> Generator[str, None, dict[str, Any]]:
        child = self._child
        if child is None or not child.alive:
            self._end()
            child = self._child = Child(_MODULE, _PACKAGES, {})
        number = next(self._numbers)
        child.send(request | {"ask": number})
        over = False
        try:
            while True:
                reply = self._reply(child, number, stop)
                over = "piece" not in reply
                if "piece" in reply:
                    yield reply["piece"]
                elif "done" in reply:
                    done: dict[str, Any] = reply["done"]
                    return done
                elif "refused" in reply:
                    advice = "Ask for less at once, or choose another model with --llm-model."
                    raise ChatRefused(model=self.model, where=request["path"], cause=reply["refused"], advice=advice)
                else:
                    raise OutOfMemory(engine="gguf", device="cpu", cause=reply["out_of_memory"])
        finally:
            if not over:
                self._quiet(child, number)

    def _reply(self, child: Child, number: int, stop: Stop) -> dict[str, Any]:
        while True:
            self._check(stop)
            try:
                reply = child.replies.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if reply is None:
                self._check(stop)
                self._died(child.epitaph())
            elif reply["ask"] == number:
                return reply

    def _died(self, cause: str) -> None:
        if "SIGKILL" in cause:  # nobody else does that
            raise OutOfMemory(engine="gguf", device="cpu", cause="the system has ended its process")
        raise EnhancementError(model=self.model, cause=cause)

    def _quiet(self, child: Child, number: int) -> None:
        """Have it stop, so that it can be asked again; or end it."""
        child.send({"stop": number})
        until = time.monotonic() + _STOP_S
        with contextlib.suppress(queue.Empty):
            while child is self._child and (left_s := until - time.monotonic()) > 0:
                reply = child.replies.get(timeout=left_s)
                if reply is None or self._closed:
                    break
                if reply["ask"] == number and "piece" not in reply:
                    return
        self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def _threads() -> int:
    """One for each core: llama.cpp is not faster with more."""
    import psutil

    return min(available_cpus(), psutil.cpu_count(logical=False) or available_cpus())
