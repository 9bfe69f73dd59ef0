"""One try to deliver a callback."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from stenogram.errors import CallbackRefused
from stenogram.jobs.callbacks.address import Resolve, check, parse

if TYPE_CHECKING:
    import httpx

_MOST_REDIRECTS = 3
_KEPT_REDIRECTS = (307, 308)
"""The others turn a POST into a GET, which would lose the body (RFC 9110, 15.4)."""
_MOST_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try."""

    status: int | None
    """Of HTTP; None where there was no answer."""
    error: str | None
    retry_after_s: float | None = None
    refused: bool = False
    """The address may not be reached."""


class Sender:
    """Sends callbacks where they may go; safe to use from several threads."""

    def __init__(self, allow: str, timeout_s: float, resolve: Resolve | None = None) -> None:
        import httpx

        self._allow = allow
        self._timeout_s = timeout_s
        self._resolve = resolve
        limits = httpx.Limits(max_keepalive_connections=0)  # a kept connection would outlive what was checked
        self._client = httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False, limits=limits)

    def close(self) -> None:
        """Send nothing more."""
        self._client.close()

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """POST a body, also where the receiver sends it on to, as far as that may be reached."""
        told = {"content-type": "application/json", "user-agent": f"stenogram/{version('stenogram')}", **headers}
        end = time.monotonic() + self._timeout_s
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                outcome, moved_to = self._post(url, body, told, end)
            except CallbackRefused as error:
                return Outcome(None, str(error), refused=True)
            if moved_to is None:
                return outcome
            url = urljoin(url, moved_to)
        return Outcome(None, f"more than {_MOST_REDIRECTS} redirects")

    def _post(self, url: str, body: bytes, headers: Mapping[str, str], end: float) -> tuple[Outcome, str | None]:
        import httpx

        target = parse(url)
        addresses = check(url, self._allow, self._resolve)
        error = f"{target.host}: the name is unknown"
        for address in addresses:
            request = self._client.build_request(
                "POST",
                _at(url, address),
                content=body,
                headers={**headers, "host": _authority(url)},
                # The certificate must be that of the name, although the connection goes to the number.
                extensions={"sni_hostname": target.host},
            )
            try:
                return self._answer(request, end)
            except httpx.ConnectError as failure:
                error = f"{target.host} ({address}): {failure}"
            except (httpx.HTTPError, httpx.InvalidURL) as failure:
                return Outcome(None, f"{target.host}: {failure or type(failure).__name__}"), None
        return Outcome(None, error), None

    def _answer(self, request: httpx.Request, end: float) -> tuple[Outcome, str | None]:
        response = self._client.send(request, stream=True)
        try:
            read = 0
            for piece in response.iter_raw():  # let it finish what it says, within reason
                read += len(piece)
                if read > _MOST_ANSWER_BYTES or time.monotonic() > end:
                    break
        finally:
            response.close()
        if response.status_code in _KEPT_REDIRECTS and "location" in response.headers:
            return Outcome(response.status_code, "moved"), response.headers["location"]
        if response.is_success:
            return Outcome(response.status_code, None), None
        error = f"the receiver answered {response.status_code} {response.reason_phrase}".rstrip()
        return Outcome(response.status_code, error, _retry_after_s(response.headers.get("retry-after"))), None


def _at(url: str, address: str) -> str:
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path or "/", parts.query, ""))


def _authority(url: str) -> str:
    return urlsplit(url).netloc


def _retry_after_s(value: str | None) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
