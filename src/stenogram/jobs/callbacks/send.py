"""One try to deliver a callback."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from urllib.parse import urljoin

import httpcore2

from stenogram.errors import CallbackRefused
from stenogram.jobs.callbacks.address import AddressGuard, Resolve, Target, parse
from stenogram.jobs.callbacks.connect import Connections, PinnedBackend
from stenogram.models.web import reason

_MOST_REDIRECTS = 3
_KEPT_REDIRECTS = (307, 308)
"""The others turn a POST into a GET, which would lose the body (RFC 9110, 15.4)."""
_MOST_ANSWER_BYTES = 64 * 1024
_MOST_ADDRESSES = 4
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try."""

    status: int | None
    """Of HTTP; None where there was no answer."""
    error: str | None
    """Why it did not arrive; None: it did."""
    retry_after_s: float | None = None
    refused: bool = False
    """The address may not be reached."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str | None
    retry_after_s: float | None


class Sender:
    """Sends callbacks where they may go; safe to use from several threads.

    ``timeout_s`` is for all of a try: connecting, sending, redirects and the answer. Proxies of the environment are not
    used: what they connect to, nobody could check. Raises ``OptionError`` for an ``allow`` that cannot be read.
    """

    def __init__(
        self, allow: str, timeout_s: float, resolve: Resolve | None = None, trust: ssl.SSLContext | None = None
    ) -> None:
        self.timeout_s = timeout_s
        self._guard = AddressGuard(allow, resolve)
        self._trust = trust or _trusted()
        self._agent = f"stenogram/{version('stenogram')}"
        self._connections = Connections()

    @property
    def closed(self) -> bool:
        """Whether tries that failed may have been cut off."""
        return self._connections.cut

    def close(self) -> None:
        """Cut off what is under way, and send nothing more."""
        self._connections.cut_off()

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """POST a body, also where the receiver sends it on to, as far as that may be reached."""
        told = {"content-type": "application/json", "user-agent": self._agent, **headers}
        try:
            outcome = self._follow(url, body, told)
        except CallbackRefused as error:
            outcome = Outcome(None, str(error), refused=True)
        except httpcore2.TimeoutException:
            outcome = Outcome(None, f"no answer within {self.timeout_s:g} s")
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            outcome = Outcome(None, reason(error.__cause__ or error))
        if outcome.error is not None and len(outcome.error) > _LONGEST_ERROR:
            outcome = replace(outcome, error=outcome.error[:_LONGEST_ERROR] + "...")
        return outcome

    def _follow(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        end = time.monotonic() + self.timeout_s
        target = parse(url)
        for _ in range(_MOST_REDIRECTS + 1):
            addresses = self._guard.addresses(target)[:_MOST_ADDRESSES]
            if not addresses:
                return Outcome(None, f"the name {target.host} is not known")
            backend = PinnedBackend(addresses, end, self._connections)
            answer = self._post(target, body, headers, backend)
            if answer.location is None:
                return _judged(answer)
            following = parse(_joined(target.url, answer.location))
            if (target.scheme, following.scheme) == ("https", "http"):
                return Outcome(answer.status, "the receiver redirects from https to http, which is not followed")
            target = following
        return Outcome(answer.status, f"more than {_MOST_REDIRECTS} redirects")

    def _post(self, target: Target, body: bytes, headers: Mapping[str, str], backend: PinnedBackend) -> _Answer:
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        lines = [(name.encode(), value.encode()) for name, value in {"host": target.authority, **headers}.items()]
        with (
            httpcore2.HTTPConnection(url.origin, ssl_context=self._trust, network_backend=backend) as connection,
            connection.stream("POST", url, headers=lines, content=body) as response,
        ):
            _let_finish(response)
            told = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            location = told.get(b"location") if response.status in _KEPT_REDIRECTS else None
            return _Answer(response.status, location, _retry_after_s(told.get(b"retry-after")))


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise CallbackRefused(url=location, cause=f"it is not an address ({error})") from error


def _judged(answer: _Answer) -> Outcome:
    if 200 <= answer.status < 300:  # noqa: PLR2004 - a class of HTTP
        return Outcome(answer.status, None)
    try:
        phrase = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = str(answer.status)
    return Outcome(answer.status, f"the receiver answered {phrase}", answer.retry_after_s)


def _let_finish(response: httpcore2.Response) -> None:
    """Read what the receiver says, within reason: to be cut off would be an error to it. What it is does not matter."""
    read = 0
    try:
        for piece in response.iter_stream():
            read += len(piece)
            if read > _MOST_ANSWER_BYTES:
                return
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        return  # the status came, and that is the answer


def _retry_after_s(value: str | None) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3); what is neither is left out."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:12])  # longer than anybody waits
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _trusted() -> ssl.SSLContext:
    """Certificates of the system, an operator's own among them, and certifi's."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
