"""Is a file what the catalogue says it is?"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

from stenogram.models.catalogue import File

_READ_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex, read in pieces."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def recognise(file: File, path: Path) -> str | None:
    """The SHA-256 of what lies at ``path``, or None where it is not ``file``: absent, or wrong by any known measure."""
    if not path.is_file() or path.stat().st_size != file.bytes:
        return None
    if file.crc32c is not None and _crc32c_of(path) != file.crc32c:
        return None
    sha256 = sha256_of(path)
    return sha256 if file.sha256 in (None, sha256) else None


def _crc32c_of(path: Path) -> str:
    """CRC-32C (Castagnoli) of a file, base64 of its 4 bytes, as object stores give it."""
    import google_crc32c

    with path.open("rb") as data:
        pieces = iter(functools.partial(data.read, _READ_BYTES), b"")
        checksum: int = functools.reduce(google_crc32c.extend, pieces, 0)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
