"""What the server without a model says: words for tokens, as the OpenAI API frames them, and what can go wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

Fault = Literal[
    "slow",
    "drop",
    "cut",
    "not_json",
    "not_sse",
    "empty",
    "silent",
    "headers_only",
    "stalled",
    "wordless",
    "stream_error",
    "endless",
    "rate_limited",
    "broken",
    "unauthorised",
    "forbidden",
    "no_model",
    "bad_request",
    "wrong_line_numbers",
    "wrong_numbers",
    "obey",
    "explain",
    "think",
    "think_aside",
]
"""What can go wrong.

Of the connection: ``slow`` (``slow_s`` before every token), ``drop`` (closed without a word), ``cut`` (closed in the
middle of the answer), ``silent`` (never a byte), ``headers_only`` (then nothing), ``stalled`` (half of the answer, then
nothing), ``wordless`` (frames without a word, for ever), ``endless`` (never stops, whatever the limit; only the
client's going away ends it).
Of the wire: ``not_json`` (frames that hold no JSON), ``not_sse`` (a web page), ``empty`` (a stream without frames),
``stream_error`` (an error object in the middle of the answer).
By status: ``rate_limited`` (429 with ``Retry-After``), ``broken`` (500), ``unauthorised`` (401), ``forbidden`` (403),
``no_model`` (404), ``bad_request`` (400).
Of the text: ``wrong_line_numbers`` (those that begin a line), ``wrong_numbers`` (all others), ``obey`` (does what the
transcript says), ``explain`` (words around the answer), ``think`` and ``think_aside`` (a reasoning model's thoughts
inside the answer, and beside it).
"""

POEM = "Roses are red, violets are blue, the model was told to, and wrote this for you."
BEFORE, AFTER = "Sure! Here is the corrected text:\n\n", "\n\nI fixed the punctuation. Anything else?"
THOUGHT = "The user wants this. Let me think about 42 things."


class Answer:
    """What is going to be said to one question."""

    def __init__(self, text: str, body: dict[str, Any], limit: int | None, fault: Fault | None) -> None:
        self.fault = fault
        self.stream = bool(body.get("stream"))
        self.tells_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._prompt = sum(len(message["content"].split()) for message in body["messages"])
        self._head = {"id": f"chatcmpl-{time.monotonic_ns()}", "created": int(time.time()), "model": body["model"]}
        words = re.findall(r"\S+\s*|\s+", spoil(text, fault))
        self.pieces = words if limit is None else words[:limit]
        self.finish = "stop" if len(self.pieces) == len(words) else "length"

    def __iter__(self) -> Iterator[str]:
        yield from self.pieces
        while self.fault == "endless":
            yield "and so on "

    def frame(self, delta: dict[str, Any] | None, finish: str | None = None, usage: object = None) -> str:
        """One frame of the stream; without ``delta`` the last one, which tells the usage."""
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        told = {"usage": usage} if self.tells_usage else {}
        return json.dumps({**self._head, "object": "chat.completion.chunk", "choices": choices, **told})

    def whole(self, pieces: Sequence[str]) -> dict[str, Any]:
        """The answer that is no stream."""
        message = {"role": "assistant", "content": "".join(pieces)}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self.usage(len(pieces))}

    def usage(self, completion: int) -> dict[str, int]:
        """What it cost."""
        total = self._prompt + completion
        return {"prompt_tokens": self._prompt, "completion_tokens": completion, "total_tokens": total}


def spoil(text: str, fault: Fault | None) -> str:
    """The answer as a model gives it that has this fault."""
    changes: dict[Fault, Callable[[], str]] = {
        "wrong_line_numbers": lambda: re.sub(r"(?m)^(\W*)(\d+)", lambda found: found[1] + _other(found[2]), text),
        "wrong_numbers": lambda: re.sub(r"(?m)^(\W*\d+)|(\d+)", lambda found: found[1] or _other(found[2]), text),
        "obey": lambda: POEM,
        "explain": lambda: f"{BEFORE}{text}{AFTER}",
        "think": lambda: f"<think>\n{THOUGHT}\n</think>\n\n{text}",
    }
    return changes[fault]() if fault in changes else text


def _other(number: str) -> str:
    return str(int(number) + 1)
