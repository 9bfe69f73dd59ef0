"""The first facts of a GGUF file, without a library: what it is, and how much it can take in.

The format is ggml's ``docs/gguf.md``: a magic word, a version, counts, then key-value pairs, all little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stenogram.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = (2, 3)

_NUMBERS = dict(enumerate(("B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d")))
_STRING, _ARRAY = 8, 9
_MAX_LENGTH = 1 << 26
"""No string or array in a real file is longer."""


@dataclass(frozen=True, slots=True)
class Header:
    """What matters of it here."""

    architecture: str
    context_tokens: int


def read(path: Path) -> Header:
    """The header of a file. Raises ``ModelError`` when it is none of a language model, or cannot be read."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise ModelError(model=path.name, cause=error.strerror or error) from error
    except (ValueError, KeyError, struct.error) as error:
        raise ModelError(model=path.name, cause="it is no GGUF file of a language model, or it is damaged") from error


def _read(file: IO[bytes]) -> Header:
    if file.read(4) != MAGIC or _number(file, "I") not in VERSIONS:
        raise ValueError
    _, pairs = _number(file, "Q"), _number(file, "Q")
    found: dict[str, Any] = {}
    for _ in range(pairs):
        key = _string(file).decode()
        found[key] = _value(file, _number(file, "I"))
        architecture = found.get("general.architecture", b"").decode()
        if f"{architecture}.context_length" in found:  # before the long lists of the tokenizer
            return Header(architecture, found[f"{architecture}.context_length"])
    raise ValueError


def _value(file: IO[bytes], kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, count = _number(file, "I"), _number(file, "Q")
        if count > _MAX_LENGTH:
            raise ValueError
        return [_value(file, inner) for _ in range(count)]
    code = _NUMBERS[kind]
    if code is None:
        raise ValueError
    return _number(file, code)


def _number(file: IO[bytes], code: str) -> Any:
    form = "<" + code
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _string(file: IO[bytes]) -> bytes:
    length = _number(file, "Q")
    if length > _MAX_LENGTH:
        raise ValueError
    content = file.read(length)
    if len(content) != length:
        raise ValueError
    return content
