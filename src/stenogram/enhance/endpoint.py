"""A chat endpoint that speaks the OpenAI API: its address, a client for it, and what its errors mean for people.

The client takes nothing from the environment but the system's proxies, and these only for other machines: no
``OPENAI_API_KEY``, no other variable of the library's, and no word about this machine goes out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from stenogram.config import Settings
from stenogram.errors import ChatRefused, ChatUnavailable

if TYPE_CHECKING:
    import openai

CONNECT_S = 10.0
"""A connection takes a moment or does not come; only answers take their time."""

_OLLAMA_PORT = 11434
_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "transfer-encoding"}
)
_NOT_FOUND, _BUSY, _FAULT = 404, 429, 500
_RIGHTS = (401, 403)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a language model answers, and how it is asked there."""

    base_url: str
    model: str
    api_key: str | None = None
    timeout_s: float = 60.0
    """For its next word, never for the whole answer."""
    offline: bool = False
    """The network is not to be used; this machine may be asked."""

    @classmethod
    def of(cls, settings: Settings) -> Endpoint:
        """The one in the settings."""
        return cls(
            settings.llm_base_url, settings.llm_model, settings.llm_api_key, settings.llm_timeout_s, settings.offline
        )

    @property
    def where(self) -> str:
        """The address for messages: without a password that may stand in it."""
        address = self._address
        return self.base_url if address is None else address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        host = "" if self._address is None else self._address.hostname or ""
        return host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")

    @property
    def is_ollama(self) -> bool:
        """Whether it is where Ollama listens unless told otherwise."""
        return self._address is not None and self._address.port == _OLLAMA_PORT

    @property
    def fault(self) -> str | None:
        """Why it cannot be asked, as far as its address tells."""
        address = self._address
        if address is None or address.scheme not in {"http", "https"} or not address.hostname:
            return "its address must be one like http://localhost:11434/v1"
        if self.offline and not self.is_local:
            return "it is on another machine, and the network is not to be used (--offline)"
        return None

    @property
    def _address(self) -> SplitResult | None:
        try:
            address = urlsplit(self.base_url)
            _ = address.port  # raises for one that is no number
        except ValueError:
            return None
        return address

    @property
    def _authorization(self) -> str | None:
        if self.api_key:
            return f"Bearer {self.api_key}"
        if self._address is None or self._address.username is None:
            return None
        login = f"{unquote(self._address.username)}:{unquote(self._address.password or '')}"
        return "Basic " + base64.b64encode(login.encode()).decode()

    def client(self) -> openai.AsyncOpenAI:
        """A client for it, which belongs to the running event loop; it repeats nothing and follows no redirects."""
        import openai

        authorization = self._authorization

        async def bare(request: Any) -> None:
            for name in set(request.headers) - _HEADERS:
                del request.headers[name]
            request.headers["User-Agent"] = "stenogram"
            if authorization is not None:
                request.headers["Authorization"] = authorization

        return openai.AsyncOpenAI(
            api_key=self.api_key or "none",  # it wants one
            admin_api_key="",
            base_url=self.base_url,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=openai.Timeout(None, connect=min(CONNECT_S, self.timeout_s)),
                trust_env=not self.is_local,
                follow_redirects=False,
                event_hooks={"request": [bare]},
            ),
        )

    def absent(self, cause: str, advice: str | None = None) -> ChatUnavailable:
        """It does not answer."""
        start = "Start it (ollama serve)" if self.is_ollama and self.is_local else "Start it"
        return ChatUnavailable(
            model=self.model,
            where=self.where,
            cause=cause,
            advice=advice or f"{start}, or name another with --llm-base-url.",
        )

    def silent(self) -> ChatUnavailable:
        """It does not say the next word."""
        advice = "If it is only slow, give it more time with --llm-timeout-s, or choose a smaller model."
        return self.absent(f"not a word for {self.timeout_s:g} s", advice)

    def broken_off(self, cause: str = "the answer broke off") -> ChatUnavailable:
        """It ended in the middle."""
        return self.absent(cause, "Try again; its log may say more.")

    def wordless(self) -> ChatRefused:
        """It ends before it begins, as the server of llama-cpp-python does with what it cannot take in."""
        advice = "The text may be too long for its context; its log may say more."
        return ChatRefused(model=self.model, where=self.where, cause="it ends without a word", advice=advice)

    def filtered(self) -> ChatRefused:
        """It did not like the text."""
        cause, advice = "its content filter ended the answer", "Choose another model with --llm-model."
        return ChatRefused(model=self.model, where=self.where, cause=cause, advice=advice)

    def nonsense(self, cause: str = "what it sends is no answer of the OpenAI API") -> ChatRefused:
        """What it says is not in the form of the API."""
        advice = (
            "Does an OpenAI-compatible chat endpoint answer there? Its address, --llm-base-url, usually ends in /v1."
        )
        return ChatRefused(model=self.model, where=self.where, cause=cause, advice=advice)

    def lacking(self) -> ChatRefused:
        """It has no such model."""
        cause, advice = f"it has no model {self.model!r}", self._remedy(_NOT_FOUND)
        return ChatRefused(model=self.model, where=self.where, cause=cause, advice=advice)

    def beside(self, path: str) -> str:
        """The address of something beside the OpenAI API on the same server."""
        address = urlsplit(self.base_url)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{path}"

    def explain(self, error: Exception) -> ChatUnavailable | ChatRefused:
        """What an error of the client means."""
        import openai

        if isinstance(error, TimeoutError):
            return self.silent()
        if isinstance(error, openai.APITimeoutError):
            return self.absent(f"no connection within {min(CONNECT_S, self.timeout_s):g} s")
        if isinstance(error, openai.APIConnectionError):
            return self.absent(_deepest(error))
        if isinstance(error, openai.APIStatusError):
            return self._status(error.status_code, said(error))
        if isinstance(error, openai.APIError):  # an error instead of the next word
            return self.broken_off(f"the answer broke off: {said(error)}")
        return self.nonsense()

    def _status(self, status: int, message: str) -> ChatUnavailable | ChatRefused:
        cause = f"{message} (status {status})"
        if status == _BUSY:
            return self.absent(cause, "Try again later, or ask for less at once with --llm-parallel.")
        if status >= _FAULT:
            return self.broken_off(cause)
        if status == _NOT_FOUND and "model" not in message.lower():
            return self.nonsense(cause)
        return ChatRefused(model=self.model, where=self.where, cause=cause, advice=self._remedy(status))

    def _remedy(self, status: int) -> str:
        if status in _RIGHTS:
            return "Give it a key that may: STENOGRAM_LLM_API_KEY."
        if status != _NOT_FOUND:
            return "Its log may say more. Another model: --llm-model."
        return (
            f"Get it: ollama pull {self.model}"
            if self.is_ollama
            else f"Name one that it has with --llm-model; {self.where.rstrip('/')}/models lists them."
        )


def said(error: openai.APIError) -> str:
    """The server's own words, on one line."""
    body = error.body
    words = body.get("message") or body.get("error") or body.get("detail") if isinstance(body, Mapping) else None
    plain = "".join(letter if letter.isprintable() else " " for letter in str(words or error.message))
    return " ".join(plain.split())[:300]


def _deepest(error: BaseException) -> str:
    """The cause of a failed connection in the system's words."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    words = error.strerror if isinstance(error, OSError) else None
    return (words or str(error) or type(error).__name__).rstrip(".")
