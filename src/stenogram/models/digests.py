"""Is a file what the catalogue says it is?"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from stenogram.models.catalogue import File

_READ_BYTES = 1 << 20

Source = Literal["catalogue", "hub", "pinned"]
"""Who vouches for a digest: the catalogue, the hub that reported it at download, or only the first copy we met."""


class Digest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The SHA-256 of a file, hex, and how far it can be trusted."""

    sha256: str
    source: Source = "pinned"
    commit: str | None = None
    """The commit that the hub reported with the file."""


class Running:
    """SHA-256 and, where asked for, CRC-32C of bytes as they come by."""

    def __init__(self, *, crc32c: bool) -> None:
        self.bytes = 0
        self._sha256 = hashlib.sha256()
        self._crc32c: int | None = 0 if crc32c else None

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self.bytes += len(data)
        self._sha256.update(data)
        if self._crc32c is not None:
            import google_crc32c

            self._crc32c = google_crc32c.extend(self._crc32c, data)

    def read(self, path: Path) -> None:
        """Take a whole file."""
        with path.open("rb") as data:
            for piece in iter(functools.partial(data.read, _READ_BYTES), b""):
                self.update(piece)

    def sha256(self) -> str:
        """Of all bytes so far, hex."""
        return self._sha256.hexdigest()

    def fits(self, file: File) -> bool:
        """Whether the bytes so far are ``file`` by every measure that the catalogue knows."""
        if file.bytes not in (None, self.bytes) or file.sha256 not in (None, self.sha256()):
            return False
        if file.crc32c is None or self._crc32c is None:
            return True
        return base64.b64encode(self._crc32c.to_bytes(4, "big")).decode() == file.crc32c


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex, read in pieces."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def sha1_matches(path: Path, wanted: str) -> bool:
    """Whether a small file has this SHA-1: git's of its contents, as the hub gives, or the plain one, as proxies do."""
    content = path.read_bytes()
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return wanted in {git.hexdigest(), hashlib.sha1(content, usedforsecurity=False).hexdigest()}


def recognise(file: File, path: Path) -> str | None:
    """The SHA-256 of what lies at ``path``, or None where it is not ``file``: absent, or wrong by any known measure."""
    if not path.is_file() or file.bytes not in (None, path.stat().st_size):
        return None
    running = Running(crc32c=file.crc32c is not None)
    running.read(path)
    return running.sha256() if running.fits(file) else None
