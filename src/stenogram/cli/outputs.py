"""Results as files and on stdout: which formats are meant, and writing whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stenogram import errors, formats


def formats_of(values: Sequence[str]) -> tuple[str, ...]:
    """The names in ``-f A,B -f C``, each once, without their aliases. Raises ``UnknownFormat``."""
    names = (name.strip() for value in values for name in value.split(","))
    return tuple(dict.fromkeys(formats.format_named(name).name for name in names if name))


def make_folder(folder: Path) -> None:
    """Have the folder. Raises ``StorageError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.StorageError(path=folder, cause=error.strerror) from error


def write(path: Path, body: str) -> None:
    """Whole or not at all: a reader never meets half a file. Raises ``StorageError``."""
    part = path.with_name(f".stenogram-{os.getpid()}.part")
    try:
        part.write_text(body, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # a read-only file system refuses this too
            part.unlink(missing_ok=True)
        raise errors.StorageError(path=path, cause=error.strerror) from error
