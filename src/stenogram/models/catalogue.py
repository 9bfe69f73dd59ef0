"""Which models there are: the rows of ``catalogue.toml``."""

from __future__ import annotations

import difflib
import functools
from importlib.resources import files

import msgspec

from stenogram.errors import UnknownModel

DEFAULT = "moonshine-tiny-en"
"""The model that comes with the product; used when no language is asked for."""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model. A digest stands here only where its publisher, or a copy in our hands, gave it."""

    role: str
    """What the engine calls it (``"encoder"``)."""
    name: str
    bytes: int
    sha256: str | None = None
    crc32c: str | None = None
    """The publisher's CRC-32C, base64 of 4 bytes: tells damage, not forgery."""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model as the catalogue describes it."""

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
    url: str | None = None
    """The folder its files are fetched from; None: it is bundled."""
    bundled: str | None = None
    """The folder inside the wheel ``moonshine-voice`` that holds its files."""

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def verified(self) -> bool:
        """Whether a SHA-256 is recorded for every file; if not, show ``unverified``: first download, then pinned."""
        return all(file.sha256 for file in self.files)

    def speaks(self, language: str) -> bool:
        """Whether the model knows the language (a code of ``stenogram.languages``)."""
        return "*" in self.languages or language in self.languages


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: tuple[Model, ...]


@functools.cache
def models() -> tuple[Model, ...]:
    """Every known model; of those that speak a language, the better ones first."""
    text = files("stenogram.models").joinpath("catalogue.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Catalogue).models


def find(name: str) -> Model:
    """The model of this name or alias, in any case. Raises ``UnknownModel`` with the nearest names."""
    named = {alias.lower(): model for model in models() for alias in (model.name, *model.aliases)}
    if name.lower() in named:
        return named[name.lower()]
    near = difflib.get_close_matches(name.lower(), named, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    known = ", ".join(sorted(model.name for model in models()))
    raise UnknownModel(f"No model {name!r} in the catalogue.{hint} There are: {known}.", model=name)
