"""Which recordings are meant, and where their results go."""

from __future__ import annotations

import glob
import mimetypes
import os
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from stenogram.errors import FileNotReadable

STDIN = Path("-")

MEDIA_SUFFIXES = frozenset(
    """
    .3gp .aac .ac3 .aif .aiff .amr .ape .au .avi .caf .dts .flac .flv .m2ts .m4a .m4b .m4v .mka .mkv .mov .mp2 .mp3
    .mp4 .mpeg .mpg .mpga .mts .oga .ogg .ogv .opus .spx .tta .vob .voc .wav .webm .wma .wmv .wv
    """.split()  # noqa: SIM905 - reads better than forty quoted strings
)
"""Taken out of a folder, beside what the system knows as audio or video; a file named outright is always tried."""


def expand(arguments: Sequence[str]) -> tuple[list[Path], list[FileNotReadable]]:
    """Files as they are, globs and folders (with all below) expanded and sorted, ``-`` as ``STDIN``, each once.

    The second value: what cannot be expanded, a folder without recordings, a glob without matches, an empty name.
    """
    found: dict[Path, None] = {}
    problems = []
    for argument in arguments:
        try:
            found.update(dict.fromkeys(_expand_one(argument)))
        except FileNotReadable as problem:
            problems.append(problem)
    return list(found), problems


def _expand_one(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if argument == "-":
        yield STDIN
    elif not argument:  # an unset variable of a script; as a path it would mean all of the working folder
        raise FileNotReadable(path="''", cause="a name is empty")
    elif os.path.isdir(argument):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        recordings = sorted(file for file in path.rglob("*") if _is_media(file) and file.is_file())
        if not recordings:
            raise FileNotReadable(path=path, cause="no audio or video files in this folder")
        yield from recordings
    elif glob.has_magic(argument) and not os.path.exists(argument):  # noqa: PTH110 - as above
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - absolute patterns too
        if not matches:
            raise FileNotReadable(path=path, cause="no file has such a name")
        yield from (Path(match) for match in matches)
    else:
        yield path.absolute() if path == STDIN else path  # ./- is a file


def _is_media(path: Path) -> bool:
    """By its name; hidden files (macOS leaves ``._talk.mp3`` beside ``talk.mp3``), playlists and notes are not."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    known = path.suffix.lower() in MEDIA_SUFFIXES or kind.startswith(("audio/", "video/"))
    return known and not path.name.startswith(".") and not kind.endswith(("mpegurl", "midi"))


@dataclass(slots=True)
class Names:
    """Gives every recording a stem of its own in the output folder."""

    taken: set[str] = field(default_factory=set)

    @classmethod
    def sparing(cls, sources: Sequence[Path], folder: Path, suffixes: Collection[str]) -> Self:
        """Names whose results in ``folder`` overwrite none of the ``sources``, whatever those are called."""
        names = cls()
        place = os.path.realpath(folder)
        for path in {*sources, *(Path(os.path.realpath(source)) for source in sources)}:
            endings = [suffix for suffix in suffixes if path.name.casefold().endswith(suffix)]
            if endings and os.path.realpath(path.parent) == place:
                names.taken.update(cls._key(path.name[: -len(ending)]) for ending in endings)
        return names

    def stem(self, source: Path) -> tuple[str, bool]:
        """The stem for a recording's results, and whether it had to differ from the recording's own.

        ``A.mp3`` and ``A.mp4`` become ``A`` and ``A.mp4``; what still collides gets a number. Names are compared as
        the pickiest file systems do: without case, composed.
        """
        plain = "stdin" if source == STDIN else source.stem
        candidates = [plain, source.name, *(f"{plain}-{number}" for number in range(2, len(self.taken) + 3))]
        stem = next(name for name in candidates if self._key(name) not in self.taken)
        self.taken.add(self._key(stem))
        return stem, stem != plain

    @staticmethod
    def _key(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()
