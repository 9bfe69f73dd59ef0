"""Which models there are: the rows of ``catalogue.toml``."""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Literal

import msgspec

from stenogram.errors import UnknownModel
from stenogram.types import ComputeType

DEFAULT = "moonshine-tiny-en"
"""The model that comes with the product; used when no language is asked for and nothing better is installed."""

Kind = Literal["speech", "diarization", "chat"]

_BYTES_PER_PARAMETER: dict[ComputeType, int] = {"float32": 4, "float16": 2, "int8_float16": 1, "int8": 1}
_COMPUTE_TYPES: dict[str, tuple[ComputeType, ...]] = {
    "whisper": ("float32", "float16", "int8_float16", "int8"),
    "openai-whisper": ("float32", "float16"),
}
"""Engines that choose the number type when they load; the others compute in that of the file."""
_WORK_BYTES = 150_000_000


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file of a model. Digest and size stand here only where a publisher, or a copy in our hands, gave them."""

    role: str
    """What the engine calls it (``"encoder"``)."""
    name: str
    """Its path below the model's folder, here and where it is fetched from; forward slashes."""
    bytes: int | None = None
    about_bytes: int = 0
    """Roughly its size, where the exact one is not known."""
    sha256: str | None = None
    crc32c: str | None = None
    """The publisher's CRC-32C, base64 of 4 bytes: tells damage, not forgery."""
    url: str | None = None
    """Where this file is fetched from, if not below the model's place."""

    @property
    def size(self) -> int:
        """Bytes: exact where known, else roughly."""
        return self.about_bytes if self.bytes is None else self.bytes


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model as the catalogue, or the record of an imported one, describes it."""

    name: str
    engine: str
    languages: tuple[str, ...]
    """Codes of ``stenogram.languages``; ``("*",)``: all of them."""
    licence: str
    licence_url: str
    source: str
    """Whose it is and where it comes from, in words."""
    files: tuple[File, ...]
    aliases: tuple[str, ...] = ()
    kind: Kind = "speech"
    weights: str | None = None
    """The Whisper size in this file (``"large-v3"``): models of several engines share it."""
    repo: str | None = None
    """Repository on the hub (``"owner/name"``)."""
    revision: str = "main"
    """Commit in ``repo``; ``"main"``: what is newest, its commit being remembered at download."""
    url: str | None = None
    """The folder its files are fetched from, where they do not lie on the hub."""
    bundled: str | None = None
    """The folder inside the wheel ``moonshine-voice`` that holds its files."""
    detects_language: bool = False
    """Finds out the language by itself; so do all models of every language."""
    restricted: bool = False
    """Its licence restricts use: fetched when named, never recommended."""
    parameters_m: float = 0.0
    """Millions of parameters."""
    cost: float = 1.0
    """Arithmetic per second of speech, whisper-base = 1 (an estimate, see ``catalogue.toml``)."""
    quality: int = 0
    """Orders models, higher is better (an estimate, no measurement)."""

    @property
    def bytes(self) -> int:
        """Size of all files: exact where known, else roughly."""
        return sum(file.size for file in self.files)

    @property
    def exact(self) -> bool:
        """Whether the size of every file is known exactly."""
        return all(file.bytes is not None for file in self.files)

    @property
    def verified(self) -> bool:
        """Whether a SHA-256 is recorded for every file before anything is fetched."""
        return all(file.sha256 for file in self.files)

    @property
    def multilingual(self) -> bool:
        """Whether it may be used on speech whose language nobody told."""
        return self.detects_language or "*" in self.languages

    def speaks(self, language: str) -> bool:
        """Whether the model knows the language (a code of ``stenogram.languages``)."""
        return "*" in self.languages or language in self.languages

    def memory_bytes(self) -> dict[ComputeType, int]:
        """Estimated need for memory by number type: ``1.1 x parameters x bytes each + 150 MB``.

        For engines that compute in the number type of the file: ``1.1 x file + 150 MB``. The tenth is for tables and
        alignment, the rest for buffers of a batch of one. Loaded weights are measured (``Loaded.memory_bytes``); this
        only decides what to try.
        """
        if self.engine in _COMPUTE_TYPES and self.parameters_m:
            weights = {
                kind: self.parameters_m * 1e6 * _BYTES_PER_PARAMETER[kind] for kind in _COMPUTE_TYPES[self.engine]
            }
        else:
            weights = {"default": float(self.bytes)}
        return {kind: int(1.1 * size) + _WORK_BYTES for kind, size in weights.items()}


@functools.cache
def models() -> tuple[Model, ...]:
    """Every known model of every kind, in the order of the file."""
    families: dict[str, dict[str, Any]] = tomllib.loads(
        files("stenogram.models").joinpath("catalogue.toml").read_text(encoding="utf-8")
    )
    rows: list[dict[str, Any]] = []
    for family in families.values():
        facts = {name: value for name, value in family.items() if name != "models"}
        rows.extend(facts | row for row in family["models"])
    return msgspec.convert(tuple(rows), tuple[Model, ...])


def find(name: str, among: Sequence[Model] | None = None) -> Model:
    """The model of this name or alias, in any case. Raises ``UnknownModel`` with the nearest names."""
    known = models() if among is None else among
    named = {alias.lower(): model for model in reversed(known) for alias in (*model.aliases, model.name)}
    if name.lower() in named:
        return named[name.lower()]
    near = difflib.get_close_matches(name.lower(), named, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UnknownModel(f"No model {name!r} is known.{hint} See which there are: stenogram models list", model=name)
