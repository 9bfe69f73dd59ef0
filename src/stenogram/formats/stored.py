"""The lossless form of results for the cache: ``read(kind, write(value)) == value``.

A line that names the kind and schema, then MessagePack. The schema is a digest over the fields of every type inside,
so that a renamed or added field makes older bytes unreadable (a miss) instead of silently wrong. Damage to the bytes is
the cache's business: its entries carry a checksum.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from typing import Any, TypeVar

import msgspec

from stenogram.types import KnownVoice, Segment, Span, Speakers, SpeakerTurn, Transcript, Word

log = logging.getLogger(__name__)

_VERSION = 1
"""Raise it when a field keeps its name and type but changes its meaning (a unit, a clock)."""

T = TypeVar("T")


def write(value: Any) -> bytes:
    """A result as bytes: a dataclass, or lists of dataclasses."""
    return _header() + msgspec.msgpack.encode(value)


def read(kind: type[T], data: bytes | None) -> T | None:
    """The result in ``data``, or None where there is none: absent, damaged, of another kind or schema."""
    header = _header()
    if data is None or not data.startswith(header):
        return None
    try:
        return msgspec.msgpack.decode(data[len(header) :], type=kind)
    except msgspec.MsgspecError as error:
        log.warning("a stored result cannot be read and is made again: %s", error)
        return None


_KINDS = (Transcript, Segment, Word, Span, SpeakerTurn, Speakers, KnownVoice)


@functools.cache
def _header() -> bytes:
    fields = [(t.__name__, f.name, str(f.type)) for t in _KINDS for f in dataclasses.fields(t)]
    return f"stenogram {_VERSION} {hashlib.sha256(repr(fields).encode()).hexdigest()[:16]}\n".encode()
