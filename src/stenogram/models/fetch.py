"""One file by HTTP: resumed where it broke off, checked while it comes, put in place whole."""

from __future__ import annotations

import http
import time
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from stenogram.errors import Cancelled, DownloadFailed, ModelDamaged
from stenogram.models import web
from stenogram.models.catalogue import File
from stenogram.models.digests import Digest, Running, sha1_matches
from stenogram.models.hub import Address, Reported
from stenogram.protocols import Stop

_READ_BYTES = 1 << 16
_TRY_LATER = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})


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
    place: Address
    target: Path
    progress: Callable[[int, int | None], None]
    """Told the bytes of this file that are here, also those of an earlier attempt, and its size once that is known."""
    stop: Stop
    patience: Patience = field(default_factory=Patience)
    _received: int = 0
    _running: Running = field(init=False)
    _reported: Reported = field(default_factory=Reported)

    def __post_init__(self) -> None:
        self._begin_digest()

    @property
    def partial(self) -> Path:
        """Where the file grows until it is complete."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def _validator(self) -> Path:
        """Holds the ETag of the partial file's source: another version is never appended to it."""
        return self.target.with_name(self.target.name + ".etag")

    def run(self) -> Digest:
        """Fetch, check, rename; gives the SHA-256, and whether the hub vouches for it.

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
            self._check_kind(response)
            total = self._total(response, resumed=resumed)
            with self.partial.open("ab" if resumed else "wb") as out:
                if self._running.bytes != out.tell():  # what an earlier process left, or nothing
                    self._begin_digest()
                    self._running.read(self.partial)
                self._validator.write_text(_etag(response), encoding="utf-8")
                self._copy(response, out, total)
        if total is not None and self._running.bytes < total:
            message = f"{self.place.url}: the connection ended after {self._running.bytes} of {total} bytes"
            raise _Broken(message, later=True)

    def _begin_digest(self) -> None:
        self._running = Running(crc32c=self.file.crc32c is not None)

    def _connect(self) -> Any:
        request = web.request(self.place.url, self.place.token)
        have, etag = self._resumable()
        if have:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", etag)
        redirects = web.StrictRedirects()
        try:
            response = web.opener(redirects).open(request, timeout=self.patience.timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refusal(error) from error
        except web.FAILURES as error:
            raise _Broken(f"{self.place.url}: {web.reason(error)}") from error
        if self.place.hub:
            self._reported = self._report([*redirects.answers, (response.url, response.headers)])
            self._check_version()
        return response

    def _report(self, answers: list[tuple[str, Mapping[str, str]]]) -> Reported:
        """What the hub itself said, on its way to the host that holds the file; the answer that names a digest."""
        host = urlsplit(self.place.url).netloc
        reports = [Reported.read(headers) for url, headers in answers if urlsplit(url).netloc == host]
        return next((report for report in reports if report.sha256 or report.sha1), reports[-1])

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        message = f"{self.place.url}: the server answered {error.code} {error.reason}"
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._discard()
        if error.code in _TRY_LATER:
            return _Broken(message, later=True)
        if error.code in _REFUSED and self.place.hub:
            message += ". Set HF_TOKEN to a token that may read it"
        return self._failed(message)

    def _check_version(self) -> None:
        """Refuse another version than the recorded one before gigabytes of it have come."""
        wanted, offered = self.file.sha256, self._reported.sha256
        if wanted and offered and wanted != offered:
            cause = (
                f"{self.place.url}: the hub has another version of {self.file.name} (SHA-256 {offered}) than the "
                f"recorded one ({wanted}). To take it, remove the model first: stenogram models remove {self.model}"
            )
            raise self._failed(cause)

    def _check_kind(self, response: Any) -> None:
        """Refuse what cannot be the file: a login page in the way, or bytes that were packed on the way."""
        if response.headers.get_content_type() == "text/html":
            cause = "a web page came instead of the file. Does this network ask for a login, or the proxy for leave?"
            raise self._failed(f"{self.place.url}: {cause}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._failed(f"{self.place.url}: the server packs what was asked for as it is")

    def _resumable(self) -> tuple[int, str]:
        """Bytes of an earlier attempt and the ETag of their source; 0 where they cannot be continued."""
        try:
            have = self.partial.stat().st_size
            etag = self._validator.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return 0, ""
        whole = self.file.bytes is not None and have >= self.file.bytes
        return (have, etag) if etag and not whole else (0, "")

    def _total(self, response: Any, *, resumed: bool) -> int | None:
        """Length of the whole file, all sources agreeing, before anything is written; None: it comes in chunks."""
        length = response.headers.get("Content-Length")
        sent = int(length) if length and length.isdigit() else None
        if resumed:
            start, _, total_text = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            if start.partition("-")[0] != str(self.partial.stat().st_size):
                self._discard()
                raise _Broken(f"{self.place.url}: the server resumed at the wrong place", later=True)
            sent = int(total_text) if total_text.isdigit() else None
        claims = [
            (self.file.bytes, "the catalogue says"),
            (self._reported.bytes, "the hub says"),
            (sent, "the server sends"),
        ]
        known = [(total, who) for total, who in claims if total is not None]
        if not known and not response.chunked:
            raise self._failed(
                f"{self.place.url}: nobody says how long it is, so that a broken copy would go unnoticed"
            )
        for total, who in known[1:]:
            if total != known[0][0]:
                raise self._failed(f"{self.place.url}: {who} {total} bytes of it, {known[0][1]} {known[0][0]}")
        return known[0][0] if known else None

    def _copy(self, response: Any, out: BinaryIO, total: int | None) -> None:
        while total is None or self._running.bytes < total:
            if self.stop():
                raise Cancelled
            want = _READ_BYTES if total is None else min(_READ_BYTES, total - self._running.bytes)
            try:
                data = response.read1(want)
            except web.FAILURES as error:
                raise _Broken(f"{self.place.url}: {web.reason(error)}", later=True) from error
            if not data:
                return
            out.write(data)
            self._running.update(data)
            self._received += len(data)
            self.progress(self._running.bytes, total)

    def _finish(self) -> Digest:
        """Check the complete file and put it in its place."""
        sha256 = self._running.sha256()
        good = self._running.fits(self.file) and self._reported.sha256 in (None, sha256)
        if self._reported.sha1 is not None:
            good = good and sha1_matches(self.partial, self._reported.sha1)
        if not good:
            self._discard()
            advice = "It was removed. Try again; if it happens again, the server's file is not the recorded one."
            raise ModelDamaged(model=self.model, path=self.place.url, advice=advice)
        self.partial.replace(self.target)
        self._discard()
        vouched = self._reported.sha256 or self._reported.sha1
        return Digest(sha256, "hub" if vouched else "pinned", self._reported.commit)

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


def _etag(response: Any) -> str:
    """What identifies this version of the file for ``If-Range``: a strong ETag or the time of change, else nothing."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
