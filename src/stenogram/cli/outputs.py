"""Files that results go to, and in which formats."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stenogram import errors, formats


def chosen(values: Sequence[str]) -> tuple[str, ...]:
    """The formats named, each once; ``text`` where none is. Raises ``UnknownFormat``."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return tuple(dict.fromkeys(formats.format_named(name).name for name in names or ("text",)))


def make_folder(folder: Path) -> None:
    """Have a folder for results. Raises ``StorageError``."""
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
