"""The lossless form of a transcript and its parts, for the cache: ``load(dump(x)) == x``.

A line that names the schema, four bytes of CRC-32, then MessagePack. The schema's name is a digest over the fields of
every type inside, so that a renamed or added field makes older bytes unreadable (a miss) instead of silently wrong.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import zlib
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from stenogram.types import Segment, Span, Transcript, Word

_VERSION = 1
"""Raise it when a field keeps its name and type but changes its meaning (a unit, a clock)."""
_CRC_BYTES = 4

T = TypeVar("T")


def dump(transcript: Transcript) -> bytes:
    """A transcript as bytes."""
    return _packed(transcript, "transcript")


def load(data: bytes) -> Transcript:
    """The transcript in ``data``. Raises ``ValueError`` for bytes that are damaged, of another kind or schema."""
    return _unpacked(data, "transcript", Transcript)


def dump_segments(segments: Sequence[Segment]) -> bytes:
    """Segments as bytes."""
    return _packed(list(segments), "segments")


def load_segments(data: bytes) -> list[Segment]:
    """The segments in ``data``. Raises ``ValueError`` for bytes that are damaged, of another kind or schema."""
    return _unpacked(data, "segments", list[Segment])


def dump_spans(spans: Sequence[Span]) -> bytes:
    """Spans as bytes."""
    return _packed(list(spans), "spans")


def load_spans(data: bytes) -> list[Span]:
    """The spans in ``data``. Raises ``ValueError`` for bytes that are damaged, of another kind or schema."""
    return _unpacked(data, "spans", list[Span])


def _packed(value: object, kind: str) -> bytes:
    body = msgspec.msgpack.encode(value)
    return _header(kind) + zlib.crc32(body).to_bytes(_CRC_BYTES, "big") + body


def _unpacked(data: bytes, kind: str, shape: type[T]) -> T:
    header = _header(kind)
    if not data.startswith(header):
        raise ValueError(f"not stored {kind}, or of another version")
    crc, body = data[len(header) : len(header) + _CRC_BYTES], data[len(header) + _CRC_BYTES :]
    if zlib.crc32(body).to_bytes(_CRC_BYTES, "big") != crc:
        raise ValueError(f"stored {kind} are damaged")
    try:
        return msgspec.msgpack.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        raise ValueError(f"stored {kind} cannot be read: {error}") from error


@functools.cache
def _header(kind: str) -> bytes:
    fields = [
        (t.__name__, f.name, str(f.type)) for t in (Transcript, Segment, Word, Span) for f in dataclasses.fields(t)
    ]
    return f"stenogram {kind} {_VERSION} {hashlib.sha256(repr(fields).encode()).hexdigest()[:16]}\n".encode()
