"""One cached result as bytes: magic, checksum, compressed value.

The checksum covers kind and key as well, so a torn, damaged or misplaced entry is never taken for a result.
"""

from __future__ import annotations

import hashlib
import re
import zlib

_MAGIC = b"STN1"
_CHECKSUM_BYTES = 16
_HEADER_BYTES = len(_MAGIC) + _CHECKSUM_BYTES
_KIND = re.compile(r"[a-z]+")
_KEY = re.compile(r"[0-9a-f]{16,128}")


def check_name(kind: str, key: str | None = None) -> None:
    """Refuse with ``ValueError`` what could lead out of the folder: a mistake of the caller, not of the user."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"a kind of cache entry is made of the letters a-z, not {kind!r}")
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError(f"a cache key is a hex digest of 16 to 128 digits, not {key!r}")


def place(kind: str, key: str) -> str:
    """Where an entry lies, relative to the root of a store, with forward slashes. Raises ``ValueError``."""
    check_name(kind, key)
    return f"v1/{kind}/{key[:2]}/{key}"


def pack(kind: str, key: str, value: bytes) -> bytes:
    """The entry to store for ``value``."""
    body = zlib.compress(value, level=1)
    return _MAGIC + _checksum(kind, key, body) + body


def unpack(kind: str, key: str, entry: bytes) -> bytes | None:
    """The value in an entry, or None when these are not the bytes that ``pack`` made for this kind and key."""
    body = entry[_HEADER_BYTES:]
    if entry[:_HEADER_BYTES] != _MAGIC + _checksum(kind, key, body):
        return None
    try:
        return zlib.decompress(body)
    except zlib.error:
        return None


def _checksum(kind: str, key: str, body: bytes) -> bytes:
    state = hashlib.blake2b(f"{kind}/{key}\n".encode(), digest_size=_CHECKSUM_BYTES)
    state.update(body)
    return state.digest()
