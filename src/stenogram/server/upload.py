"""Uploads: a multipart form whose files go to the media store piece by piece as they arrive, however large they are.

The event loop only parses. Hashing and writing are done in threads of their own number, so that neither many uploads
nor a slow store hold up anything else; a client that sends faster than the disk takes is made to wait.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from anyio import CancelScope, CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from stenogram.errors import EmptyFile, RequestError, StenogramError, StorageFull, TooLarge
from stenogram.job import Media
from stenogram.media import MediaStore, Receiver
from stenogram.server.guard import OWN_LIMIT

log = logging.getLogger(__name__)

T = TypeVar("T")

PIECE_BYTES = 2**20
"""Collected, then handed to the disk at once."""
SLICE_BYTES = 2**18
"""Parsed at once, so that no more is held however much the server hands over."""
MOST_FILES = 100
MOST_FIELDS = 200
MOST_FIELD_BYTES = 5 * 2**20
"""Recordings of known speakers, ten seconds each, come as fields in base64 (``references``)."""
MOST_FIELDS_BYTES = 20 * 2**20
"""Of all fields together."""
MOST_HEADER_BYTES = 16 * 1024
"""Of all headers of a part together; the parser has limits of its own for one."""
_FORM_BYTES = 22 * 2**20
"""What may surround the files."""
_DISK_THREADS = 8
_STORE_THREADS = 8
_PARAMETER = re.compile(r';\s*([\w!#$&+^`|~.*-]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;"]*)', re.DOTALL)

_writing: RunVar[CapacityLimiter] = RunVar("_writing")
_keeping: RunVar[CapacityLimiter] = RunVar("_keeping")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upload may take."""

    max_bytes: int
    """Of the files of one request together."""
    min_free_bytes: int
    """To be left on the disk."""


@dataclass(slots=True)
class Form:
    """What came: fields in order, each as often as it was sent, and the files, which are stored."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, Media]] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """The last value of a field; None where it was not sent, or is empty."""
        return next((value for known, value in reversed(self.fields) if known == name and value), None)

    def all_of(self, name: str) -> list[str]:
        """Every value of a field, also of its spelling with brackets."""
        return [value for known, value in self.fields if known in (name, f"{name}[]") and value]

    def media(self, *names: str) -> list[Media]:
        """The files that came under these names."""
        return [media for name, media in self.files if name in names]


async def receive_form(request: Request, store: MediaStore, limits: Limits) -> Form:
    """Take in a multipart form. When it cannot be taken in whole, nothing of it is kept.

    Raises ``RequestError`` for what is no such form or was cut off, ``TooLarge``, ``EmptyFile``, ``StorageError``.
    """
    reader = _Reader(store, limits)
    parser = _parser_for(request.headers.get("content-type"), reader)
    await _check_first(request.headers.get("content-length", ""), store, limits)
    request.scope.setdefault("state", {})[OWN_LIMIT] = True
    try:
        async for piece in request.stream():
            for start in range(0, len(piece), SLICE_BYTES):
                parser.write(piece[start : start + SLICE_BYTES])
                await reader.work()
        if not reader.ended:
            raise RequestError(cause="the body ended in the middle: was the upload cut off?")
    except FormParserError as error:
        await reader.discard()
        raise RequestError(cause=f"the multipart body is malformed: {error}") from error
    except ClientDisconnect as error:
        await reader.discard()
        raise RequestError(cause="the client went away in the middle of the upload") from error
    except BaseException:
        await reader.discard()
        raise
    return reader.form


def _parser_for(content_type: str | None, reader: _Reader) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data":
        shown = (content_type or "").partition(";")[0][:100]
        raise RequestError(cause=f"the body must be multipart/form-data, not {shown or 'of no content type'}")
    if not boundary:
        raise RequestError(cause="the content type multipart/form-data must name its boundary")
    try:
        return MultipartParser(boundary, reader.callbacks())
    except FormParserError as error:
        raise RequestError(cause=f"the multipart body cannot be read: {error}") from error


async def _check_first(declared: str, store: MediaStore, limits: Limits) -> None:
    """Refuse what is known to be too much before any of it is read."""
    size = int(declared) if re.fullmatch("[0-9]{1,18}", declared) else 0
    if size > limits.max_bytes + _FORM_BYTES:
        raise _too_large(f"{size / 2**20:.1f} MiB", limits)
    await _in_thread(_writing, _DISK_THREADS, lambda: _check_room(store, limits, size))


def _check_room(store: MediaStore, limits: Limits, coming: int) -> None:
    free = store.free_bytes()
    if free is not None and free - coming < limits.min_free_bytes:
        needed = f"the upload needs {coming / 2**20:.1f} MiB, and {limits.min_free_bytes >> 20} MiB must stay free"
        raise StorageFull(path="the disk of the recordings", cause=f"{free >> 20} MiB are free, {needed}")


async def _in_thread(limiter: RunVar[CapacityLimiter], threads: int, work: Callable[[], T]) -> T:
    """Do ``work`` in one of the ``threads`` that its kind of work has."""
    found = limiter.get(None)
    if found is None:
        found = CapacityLimiter(threads)
        limiter.set(found)
    return await to_thread.run_sync(work, limiter=found)


@dataclass(slots=True)
class _Part:
    """A part of the form while it comes in."""

    headers: dict[str, str] = field(default_factory=dict)
    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    header_bytes: int = 0
    held: bytearray = field(default_factory=bytearray)
    name: str = ""
    filename: str | None = None
    receiver: Receiver | None = None


class _Reader:
    """Takes what the parser finds; the disk's part is done between two slices, in a thread."""

    def __init__(self, store: MediaStore, limits: Limits) -> None:
        self.form = Form()
        self.ended = False
        self._store = store
        self._limits = limits
        self._part = _Part()
        self._found: list[tuple[str, bytes]] = []
        self._file_bytes = 0
        self._field_bytes = 0

    def callbacks(self) -> Any:
        """For the parser, which calls them inside ``write``."""

        def note(kind: str) -> Any:
            return lambda *data: self._found.append((kind, data[0][data[1] : data[2]] if data else b""))

        kinds = ("part_begin", "header_field", "header_value", "header_end", "headers_finished")
        return {f"on_{kind}": note(kind) for kind in (*kinds, "part_data", "part_end", "end")}

    async def work(self) -> None:
        """Do what was found since the last call."""
        found, self._found = self._found, []
        for kind, data in found:
            match kind:
                case "part_begin":
                    self._part = _Part()
                case "headers_finished":
                    await self._begin()
                case "part_data":
                    await self._take(data)
                case "part_end":
                    await self._finish()
                case "end":
                    self.ended = True
                case _:
                    self._take_header(kind, data)

    async def discard(self) -> None:
        """Delete what was stored, also while the request is being cancelled."""
        receiver, files = self._part.receiver, [media.url for _, media in self.form.files]
        self._part.receiver = None
        self.form.files.clear()

        def delete() -> None:
            if receiver is not None:
                receiver.abort()
            for url in files:
                try:
                    self._store.delete(url)
                except StenogramError as error:
                    log.warning("a recording of a failed upload stays: %s", error)

        if receiver is not None or files:
            with CancelScope(shield=True):
                await _in_thread(_keeping, _STORE_THREADS, delete)

    def _take_header(self, kind: str, data: bytes) -> None:
        part = self._part
        part.header_bytes += len(data)
        if part.header_bytes > MOST_HEADER_BYTES:
            raise RequestError(cause=f"the headers of a part are longer than {MOST_HEADER_BYTES >> 10} KiB")
        if kind == "header_field":
            part.header_name += data
        elif kind == "header_value":
            part.header_value += data
        else:
            part.headers[part.header_name.decode("latin-1").lower()] = _text(part.header_value)
            part.header_name, part.header_value = bytearray(), bytearray()

    async def _begin(self) -> None:
        part = self._part
        part.name, part.filename = _disposition(part.headers.get("content-disposition", ""))
        coding = part.headers.get("content-transfer-encoding", "binary").strip().lower()
        if coding not in ("binary", "8bit", "7bit"):
            raise RequestError(cause=f"the part {part.name} is sent as {coding[:40]}; send its bytes as they are")
        if part.filename is None:
            if len(self.form.fields) >= MOST_FIELDS:
                raise RequestError(cause=f"more than {MOST_FIELDS} fields in one request")
            return
        if len(self.form.files) >= MOST_FILES:
            raise RequestError(cause=f"more than {MOST_FILES} files in one request")
        filename = part.filename
        part.receiver = await _in_thread(_writing, _DISK_THREADS, lambda: self._store.receive(filename))

    async def _take(self, data: bytes) -> None:
        part = self._part
        if part.receiver is None:
            self._field_bytes += len(data)
            if len(part.held) + len(data) > MOST_FIELD_BYTES or self._field_bytes > MOST_FIELDS_BYTES:
                most = f"{MOST_FIELD_BYTES >> 20} MiB, or all fields together than {MOST_FIELDS_BYTES >> 20} MiB"
                raise TooLarge(f"The field {part.name} is longer than {most}.", param=part.name)
            part.held += data
            return
        self._file_bytes += len(data)
        if self._file_bytes > self._limits.max_bytes:
            raise _too_large(f"more than {(self._file_bytes - 1) / 2**20:.1f} MiB", self._limits)
        part.held += data
        if len(part.held) >= PIECE_BYTES:
            receiver, held = part.receiver, bytes(part.held)
            part.held = bytearray()
            await _in_thread(_writing, _DISK_THREADS, lambda: self._write(receiver, held))

    def _write(self, receiver: Receiver, data: bytes) -> None:
        _check_room(self._store, self._limits, len(data))  # others take room meanwhile
        receiver.write(data)

    async def _finish(self) -> None:
        part = self._part
        if part.receiver is None:
            value = part.held.decode("utf-8", errors="replace")
            if "\x00" in value:
                raise RequestError(cause=f"the field {part.name} has a NUL character in it", param=part.name)
            self.form.fields.append((part.name, value))
            return
        receiver, held, filename = part.receiver, bytes(part.held), part.filename or ""
        part.held = bytearray()

        def close() -> Media:
            if not receiver.size and not held:
                raise EmptyFile(path=filename)
            self._write(receiver, held)
            return receiver.close()

        media = await _in_thread(_keeping, _STORE_THREADS, close)
        part.receiver = None
        self.form.files.append((part.name, media))


def _disposition(header: str) -> tuple[str, str | None]:
    """Name and file name of a part; browsers send UTF-8, others RFC 5987's ``filename*``, which goes first.

    The parser's own reader leaves ``filename*`` out, as RFC 7578 says; there are clients that send nothing else.
    """
    kind, _, rest = header.partition(";")
    given = {name.lower(): _unquoted(value) for name, value in _PARAMETER.findall(f";{rest}")}
    if kind.strip().lower() != "form-data" or not given.get("name"):
        raise RequestError(cause="a part of the form has no name (Content-Disposition: form-data; name=...)")
    filename = _extended(given.get("filename*", ""))
    if filename is None:
        filename = given.get("filename")
    return _shown(given["name"]), None if filename is None else _shown(filename) or "upload"


def _unquoted(value: str) -> str:
    value = value.strip()
    return re.sub(r'\\([\\"])', r"\1", value[1:-1]) if value.startswith('"') else value


def _extended(value: str) -> str | None:
    """The text of ``charset'language'percent-encoded``; the two charsets that RFC 5987 has."""
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    return unquote_to_bytes(encoded).decode(charset, errors="replace")


def _shown(name: str) -> str:
    """As its user named it, without what no name has: control characters and halves of characters."""
    return "".join(char for char in name if unicodedata.category(char) not in ("Cc", "Cs")).strip()


def _text(value: bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _too_large(size: str, limits: Limits) -> TooLarge:
    return TooLarge(
        what="the upload", size=size, limit=f"{limits.max_bytes / 2**20:.0f} MiB", setting="STENOGRAM_MAX_UPLOAD_MB"
    )
