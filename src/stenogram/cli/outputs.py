"""What becomes of results: on the screen, to stdout, to files, and in which formats."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

from stenogram import config, errors, formats
from stenogram.types import SubtitleOptions

format_option = click.option(
    "-f",
    "--format",
    "formats_",
    multiple=True,
    metavar="NAME[,NAME...]",
    help=f"Output formats: {', '.join(formats.FORMATS)}. [default: text]",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but results and errors.")


@dataclass(frozen=True, slots=True)
class Output:
    """What becomes of results."""

    formats: tuple[str, ...]
    folder: Path | None
    """None: to stdout."""
    subtitles: SubtitleOptions
    quiet: bool
    as_json: bool
    lines: bool
    """Print each segment with its time as it becomes final."""

    @classmethod
    def of(cls, given: Mapping[str, Any], *, several: bool, **more: Any) -> Self:
        """As the options say; ``several``: there are results of more than one file, and each wants a file.

        ``more`` are the fields of a kind of output. Raises ``UnknownFormat``, ``OptionError``.
        """
        names = chosen(given["formats_"])
        files = given["output_dir"] is not None or several or len(names) > 1
        if not files:
            _check_stdout(names[0], as_json=given["as_json"])
        show = given["show"] if given["show"] is not None else not given["formats_"] and sys.stdout.isatty()
        quiet = given["quiet"] or given["as_json"]
        return cls(
            formats=names,
            folder=(given["output_dir"] or Path()) if files else None,
            subtitles=config.read(SubtitleOptions, {row.name: given[row.name] for row in config.rows(SubtitleOptions)}),
            quiet=quiet,
            as_json=given["as_json"],
            lines=show and not quiet,
            **more,
        )


def chosen(values: Sequence[str]) -> tuple[str, ...]:
    """The formats named, each once; ``text`` where none is. Raises ``UnknownFormat``."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return tuple(dict.fromkeys(formats.format_named(name).name for name in names or ("text",)))


def _check_stdout(name: str, *, as_json: bool) -> None:
    """What is not text is nothing for a terminal, nor for JSON. Raises ``OptionError``."""
    if formats.format_named(name).binary and (as_json or sys.stdout.isatty()):
        place = "the JSON of --json" if as_json else "a terminal"
        cause = f"it is not text, and so nothing for {place}; add --output-dir FOLDER"
        raise errors.OptionError(name="--format", value=name, cause=cause)


def print_body(body: str | bytes) -> None:
    """To stdout."""
    if isinstance(body, str):
        sys.stdout.write(body)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(body)


def make_folder(folder: Path) -> None:
    """Have a folder for results. Raises ``StorageError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.StorageError(path=folder, cause=error.strerror) from error


def write(path: Path, body: str | bytes) -> None:
    """Whole or not at all: a reader never meets half a file. Raises ``StorageError``."""
    part = path.with_name(f".stenogram-{os.getpid()}.part")
    try:
        part.write_bytes(body.encode() if isinstance(body, str) else body)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # a read-only file system refuses this too
            part.unlink(missing_ok=True)
        raise errors.StorageError(path=path, cause=error.strerror) from error
