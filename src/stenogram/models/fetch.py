"""One file by HTTP: resumed where it broke off, checked while it comes, put in place whole."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from stenogram.errors import Cancelled, DownloadFailed, ModelDamaged
from stenogram.models.catalogue import File
from stenogram.models.digests import recognise
from stenogram.protocols import Stop

_READ_BYTES = 1 << 16
_TRY_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to bear with a bad connection."""

    timeout_s: float = 30.0
    """Give a connection up that stays silent for this long."""
    tries: int = 5
    """Attempts in a row without a new byte before giving up."""
    pause_s: float = 1.0
    """Wait before the second attempt; doubled for each further one."""


class _Broken(Exception):
    """The connection failed; ``later``: another attempt may do better."""

    def __init__(self, message: str, *, later: bool = False) -> None:
        super().__init__(message)
        self.later = later


@dataclass(slots=True)
class Fetch:
    """The transfer of one file of a model to ``target``."""

    model: str
    file: File
    url: str
    target: Path
    progress: Callable[[int], None]
    """Told the bytes of this file that are here, also those of an earlier attempt."""
    stop: Stop
    patience: Patience = field(default_factory=Patience)
    _done: int = 0
    _received: int = 0

    @property
    def partial(self) -> Path:
        """Where the file grows until it is complete."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def _validator(self) -> Path:
        """Holds the ETag of the partial file's source: another version is never appended to it."""
        return self.target.with_name(self.target.name + ".etag")

    def run(self) -> str:
        """Fetch, check, rename; gives the SHA-256.

        Raises ``DownloadFailed``, ``ModelDamaged`` for wrong bytes (which are removed), ``Cancelled`` (what is here is
        kept for the next attempt).
        """
        failures = 0
        while True:
            before = self._received
            try:
                self._attempt()
                return self._finish()
            except _Broken as broken:
                failures = 1 if self._received > before else failures + 1
                if failures >= self.patience.tries or not (broken.later or self._received):
                    raise self._failed(f"{broken}") from broken.__cause__
                self._wait(self.patience.pause_s * 2 ** (failures - 1))
            except OSError as error:
                raise self._failed(f"{self.target.parent} cannot be written: {error.strerror or error}") from error

    def _attempt(self) -> None:
        """One connection, until the file is complete. Raises ``_Broken``."""
        response = self._connect()
        with response:
            resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
            total = self._total(response, resumed=resumed)
            with self.partial.open("ab" if resumed else "wb") as out:
                self._done = out.tell()
                self._validator.write_text(_etag(response), encoding="utf-8")
                self._copy(response, out)
        if self._done < total:
            raise _Broken(f"{self.url}: the connection ended after {self._done} of {total} bytes", later=True)

    def _connect(self) -> Any:
        request = urllib.request.Request(self.url, headers={"Accept-Encoding": "identity", "User-Agent": "stenogram"})  # noqa: S310 - pull allows http and https only
        have, etag = self._resumable()
        if have:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", etag)
        try:
            return _opener().open(request, timeout=self.patience.timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._discard()
            later = error.code in _TRY_LATER or error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            if not later:
                raise self._failed(f"{self.url}: the server answered {error.code} {error.reason}") from error
            raise _Broken(f"{self.url}: the server answered {error.code} {error.reason}", later=True) from error
        except urllib.error.URLError as error:
            raise _Broken(f"{self.url}: {_reason(error.reason)}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _Broken(f"{self.url}: {_reason(error)}") from error

    def _resumable(self) -> tuple[int, str]:
        """Bytes of an earlier attempt and the ETag of their source; 0 where they cannot be continued."""
        try:
            have = self.partial.stat().st_size
            etag = self._validator.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return 0, ""
        return (have, etag) if etag and have < self.file.bytes else (0, "")

    def _total(self, response: Any, *, resumed: bool) -> int:
        """Length of the whole file, checked against the catalogue's before anything is written."""
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        if resumed:
            start, _, total_text = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            have = self.partial.stat().st_size
            if start.partition("-")[0] != str(have):
                self._discard()
                raise _Broken(f"{self.url}: the server resumed at the wrong place", later=True)
            total = int(total_text) if total_text.isdigit() else None
        if total not in (None, self.file.bytes):
            cause = f"{self.url}: the server has {total} bytes of it, the catalogue says {self.file.bytes}"
            raise self._failed(cause)
        return self.file.bytes

    def _copy(self, response: Any, out: BinaryIO) -> None:
        while self._done < self.file.bytes:
            if self.stop():
                raise Cancelled
            try:
                data = response.read1(min(_READ_BYTES, self.file.bytes - self._done))
            except (OSError, http.client.HTTPException) as error:
                raise _Broken(f"{self.url}: {_reason(error)}", later=True) from error
            if not data:
                return
            out.write(data)
            self._done += len(data)
            self._received += len(data)
            self.progress(self._done)

    def _finish(self) -> str:
        """Check the complete file and put it in its place."""
        sha256 = recognise(self.file, self.partial)
        if sha256 is None:
            self._discard()
            advice = "It was removed. Try again; if it happens again, the server's file is not the recorded one."
            raise ModelDamaged(model=self.model, path=self.url, advice=advice)
        self.partial.replace(self.target)
        self._discard()
        return sha256

    def _discard(self) -> None:
        self.partial.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    def _wait(self, pause_s: float) -> None:
        end = time.monotonic() + pause_s
        while (left := end - time.monotonic()) > 0:
            if self.stop():
                raise Cancelled
            time.sleep(min(left, 0.1))

    def _failed(self, cause: str) -> DownloadFailed:
        return DownloadFailed(model=self.model, cause=cause)


class StrictRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to web addresses, but never from https to http."""

    def redirect_request(self, req: urllib.request.Request, *args: Any) -> urllib.request.Request | None:
        """The next request, or None; raises ``URLError`` for an address that is not followed."""
        followed = super().redirect_request(req, *args)
        if followed is not None and followed.type not in {"https", req.type}:
            raise urllib.error.URLError(f"redirected to {followed.full_url}, which is not followed")
        return followed


def _opener() -> urllib.request.OpenerDirector:
    """Proxies come from the environment; certificates from the system and, where it has none, from certifi."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), StrictRedirects())


def _etag(response: Any) -> str:
    """What identifies this version of the file for ``If-Range``: a strong ETag or the time of change, else nothing."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _reason(error: object) -> str:
    match error:
        case socket.gaierror():
            return f"the name cannot be resolved ({error.strerror}). Is this machine online, or is a proxy to be set?"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "the connection was refused"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {error.verify_message}"
    return str(error) or type(error).__name__
