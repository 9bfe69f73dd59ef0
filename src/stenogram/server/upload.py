"""Uploads: a multipart form whose files go to the media store piece by piece as they arrive, however large they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from stenogram.errors import EmptyFile, RequestError, StorageFull, TooLarge
from stenogram.job import Media
from stenogram.media import MediaStore, Receiver

_PIECE_BYTES = 2**20
"""Handed to the disk at once."""
_MOST_FILES = 100
_MOST_FIELDS = 300
_MOST_FIELDS_BYTES = 16 * 2**20
"""Of all fields together: four samples of known speakers, ten seconds each, come as fields in base64."""
_MOST_HEADER_BYTES = 16 * 1024
_FORM_BYTES = _MOST_FIELDS_BYTES + 2**20
"""Allowance for what surrounds the files."""


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

    Raises ``RequestError``, ``TooLarge``, ``EmptyFile``, ``StorageError``.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise RequestError(cause="the body must be multipart/form-data with a boundary")
    await _check_room(request, store, limits)
    reader = _Reader(store, limits)
    parser = MultipartParser(boundary, reader.callbacks(), max_size=float("inf"))
    try:
        async for piece in request.stream():
            parser.write(piece)
            await reader.work()
        parser.finalize()
        await reader.work()
        if not reader.ended:
            raise RequestError(cause="the body ended in the middle: was the upload cut off?")
    except MultipartParseError as error:
        await reader.discard()
        raise RequestError(cause=f"the multipart body is malformed ({error})") from error
    except ClientDisconnect as error:
        await reader.discard()
        raise RequestError(cause="the client went away in the middle of the upload") from error
    except BaseException:
        await reader.discard()
        raise
    return reader.form


async def _check_room(request: Request, store: MediaStore, limits: Limits) -> None:
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    if size > limits.max_bytes + _FORM_BYTES:
        raise _too_large(size, limits.max_bytes)
    free = await to_thread.run_sync(store.free_bytes)
    if free is not None and free - size < limits.min_free_bytes:
        sizes = f"the upload has {size >> 20} MiB, and {limits.min_free_bytes >> 20} MiB must stay free"
        cause = f"{free >> 20} MiB are free, {sizes}"
        raise StorageFull(path="the disk of the recordings", cause=cause)


@dataclass(slots=True)
class _Part:
    """A part of the form while it comes in."""

    headers: dict[str, str] = field(default_factory=dict)
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    held: bytearray = field(default_factory=bytearray)
    name: str = ""
    filename: str | None = None
    receiver: Receiver | None = None


class _Reader:
    """Takes what the parser finds; the disk's part is done between two pieces, in a thread."""

    def __init__(self, store: MediaStore, limits: Limits) -> None:
        self.form = Form()
        self.ended = False
        self._store = store
        self._limits = limits
        self._part = _Part()
        self._found: list[tuple[str, bytes]] = []
        self._parts = 0
        self._size = 0
        self._fields_size = 0

    def callbacks(self) -> Any:
        """For the parser, which calls them inside ``write``."""

        def note(kind: str) -> Any:
            return lambda *data: self._found.append((kind, data[0][data[1] : data[2]] if data else b""))

        kinds = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "end")
        return {f"on_{kind}": note(kind) for kind in (*kinds, "headers_finished")}

    async def work(self) -> None:
        """Do what was found since the last call."""
        found, self._found = self._found, []
        for kind, data in found:
            if kind == "part_data":
                await self._take(data)
            elif kind == "part_end":
                await self._finish()
            elif kind == "headers_finished":
                await self._begin()
            else:
                self._note(kind, data)

    async def discard(self) -> None:
        """Delete what was stored."""

        def delete() -> None:
            if self._part.receiver is not None:
                self._part.receiver.abort()
            for _, media in self.form.files:
                self._store.delete(media.url)

        await to_thread.run_sync(delete)

    def _note(self, kind: str, data: bytes) -> None:
        part = self._part
        if kind == "part_begin":
            self._part = _Part()
            self._parts += 1
            if self._parts > _MOST_FIELDS + _MOST_FILES:
                raise RequestError(cause=f"more than {_MOST_FIELDS} fields")
        elif kind == "header_field":
            part.header += data
        elif kind == "header_value":
            part.value += data
        elif kind == "header_end":
            part.headers[part.header.decode("latin-1").lower()] = part.value.decode("utf-8", errors="replace")
            part.header, part.value = bytearray(), bytearray()
        elif kind == "end":
            self.ended = True
        if len(part.header) + len(part.value) > _MOST_HEADER_BYTES or len(part.headers) > 20:  # noqa: PLR2004 - plenty
            raise RequestError(cause="the headers of a part are too large")

    async def _begin(self) -> None:
        part = self._part
        part.name, part.filename = _disposition(part.headers.get("content-disposition", ""))
        if part.filename is not None:
            if len(self.form.files) >= _MOST_FILES:
                raise RequestError(cause=f"more than {_MOST_FILES} files in one request")
            part.receiver = await to_thread.run_sync(self._store.receive, part.filename)

    async def _take(self, data: bytes) -> None:
        part = self._part
        part.held += data
        if part.receiver is None:
            self._fields_size += len(data)
            if self._fields_size > _MOST_FIELDS_BYTES:
                raise RequestError(cause=f"the fields are longer than {_MOST_FIELDS_BYTES >> 20} MiB together")
            return
        self._size += len(data)
        if self._size > self._limits.max_bytes:
            raise _too_large(self._size, self._limits.max_bytes)
        if len(part.held) >= _PIECE_BYTES:
            held, part.held = bytes(part.held), bytearray()
            await to_thread.run_sync(part.receiver.write, held)

    async def _finish(self) -> None:
        part = self._part
        if part.receiver is None:
            self.form.fields.append((part.name, part.held.decode("utf-8", errors="replace")))
            return
        receiver, held = part.receiver, bytes(part.held)

        def close() -> Media:
            receiver.write(held)
            if not receiver.size:
                receiver.abort()
                raise EmptyFile(path=part.filename or "the recording")
            return receiver.close()

        media = await to_thread.run_sync(close)
        part.receiver = None
        self.form.files.append((part.name, media))


def _disposition(header: str) -> tuple[str, str | None]:
    """Name and file name of a part; browsers send UTF-8, others RFC 5987's ``filename*``."""
    _, options = parse_options_header(header.encode("utf-8").decode("latin-1"))
    name = options.get(b"name", b"").decode("utf-8", errors="replace")
    extended = options.get(b"filename*")
    if extended is not None:
        encoding, _, rest = extended.decode("latin-1").partition("'")
        value = rest.partition("'")[2]
        try:
            return name, unquote(value, encoding=encoding or "utf-8", errors="replace") or "upload"
        except LookupError:
            return name, value or "upload"
    filename = options.get(b"filename")
    if filename is None:
        return name, None
    return name, filename.decode("utf-8", errors="replace").replace("\x00", "") or "upload"


def _too_large(size: int, limit: int) -> TooLarge:
    return TooLarge(
        what="the upload",
        size=f"{size / 2**20:.1f} MiB or more",
        limit=f"{limit / 2**20:.0f} MiB",
        setting="STENOGRAM_MAX_UPLOAD_MB",
    )
