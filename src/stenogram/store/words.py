"""The words of a text in the form in which search compares them; where they stand in the text is kept.

Case, accents and compatibility forms do not count: ``Straße`` is ``strasse``, ``ёлка`` is ``елка``, Turkish ``İ`` and
dotless i are ``i``. What is a letter of its own stays one: ``й`` is not ``и``. Apostrophes and hyphens part words.
Scripts that put no space between words are taken character by character, so that any part of a sentence is found.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MAX_WORD_CHARS = 100
"""A longer word counts as far as this; PostgreSQL takes 2,046 bytes."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_WORD = re.compile(f"[{_UNSPACED}]|[^ {_UNSPACED}]+")
_BREVE, _DIAERESIS = "\u0306", "\u0308"
_UNDECOMPOSED = str.maketrans({"\u0131": "i", "ł": "l", "ø": "o", "đ": "d"})
"""Letters whose mark Unicode does not take off."""
_POINTS = range(10, 36)
_ACCENTS = 200
"""Canonical combining classes: vowel points of Hebrew and Arabic; from here on what stands above and below letters.

Those between, and class 0, are parts of letters: vowels of Indian scripts, the voicing of kana.
"""


@dataclass(frozen=True, slots=True)
class Token:
    """A word in the form in which it is compared, and where it stands: ``text[start:end]``, in code points."""

    word: str
    start: int
    end: int


class _Parts(dict[int, str]):
    """For ``str.translate``: what belongs to words stays, all else becomes a space. Learns characters as they come."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        belongs = character.isalnum() or unicodedata.category(character) in ("Mn", "Mc", "Cf")
        self[code] = character if belongs else " "
        return self[code]


_PARTS = _Parts()


def tokens(text: str) -> Iterator[Token]:
    """The words of a text, in order."""
    for found in _WORD.finditer(text.translate(_PARTS)):
        for word in fold(found[0]):
            yield Token(word, found.start(), found.end())


def words(text: str) -> list[str]:
    """The words of a text, in order, in the form in which they are compared."""
    return [word for found in _WORD.findall(text.translate(_PARTS)) for word in fold(found)]


@functools.lru_cache(maxsize=65_536)
def fold(word: str) -> tuple[str, ...]:
    """A word in the form in which it is compared: mostly one, several of ``½``, none of marks without a letter."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    folded = unicodedata.normalize("NFC", "".join(_unaccented(unicodedata.normalize("NFKD", folded))))
    parts = _WORD.findall(folded.translate(_UNDECOMPOSED).translate(_PARTS))
    return tuple(part[:MAX_WORD_CHARS] for part in parts if any(map(str.isalnum, part)))


def _unaccented(decomposed: str) -> Iterator[str]:
    base = ""
    for character in decomposed:
        place = unicodedata.combining(character)
        if place == 0:
            base = character
            if unicodedata.category(character) != "Cf":  # soft hyphens, joiners
                yield character
        elif place < _ACCENTS and place not in _POINTS:
            yield character
        elif "\u0400" <= base <= "\u04ff" and base != "е" and character in (_BREVE, _DIAERESIS):  # noqa: RUF001 - Cyrillic
            yield character  # й, ў, ї are letters of their own; ёлка is often written елка
