# ruff: noqa: RUF001 - Cyrillic letters that look like Latin ones are meant
"""Whether two words are one word: spelt otherwise, in another form, or heard as another that sounds the same."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from stenogram.enhance.forms import LEAST_STEM, english_forms, russian_forms, split
from stenogram.enhance.vocabulary import Vocabulary

LEAST_SWAPPED = 8
"""Letters of a word in which two neighbours may have changed places."""
LEAST_UNSTRESSED = 6
"""Russian words of this length may differ in vowels that sound alike where they are not stressed."""

_DENIED = ("un", "in", "im", "il", "ir", "dis", "non", "не", "ни", "без", "бес", "a", "an")
_SWAPPED_WORDS = frozenset({frozenset({"infarction", "infraction"})})
_FIRST_DOUBLED = re.compile(r"^([^aeiouy]+[aeiouy])([bdfglmnprstz])\2(?=[aeiouy])")
"""Tells dinner from diner, hopping from hoping, latter from later; those further on tell no words apart."""
_LETTERS = {
    **dict.fromkeys(("de", "sv", "fi", "da", "no", "nb", "nn", "et", "tr"), "äöüåøæõçşğ"),
    **dict.fromkeys(("hu", "is"), "áéíóúýöüőűæð"),
    **dict.fromkeys(("es", "gl", "eu"), "ñ"),
}
"""Letters with marks that are letters of their own: what is written without them is another word (hatte, hätte)."""


def alike(one: str, other: str, vocabulary: Vocabulary, *, name: bool = False) -> bool:
    """Whether two words in lower case may stand for each other; of a name only spellings that sound the same."""
    if one == other or sounds_alike(one, other, vocabulary):
        return True
    if denies(one, other):
        return False
    if vocabulary.language == "en" and not name and english_forms(one, other):
        return True
    if vocabulary.language == "ru" and russian_forms(one, other, name=name):
        return True
    return not name and (vocabulary.grouped(one, other) or _slip(one, other))


def sounds_alike(one: str, other: str, vocabulary: Vocabulary) -> bool:
    """Whether two words are spellings of one sound; where the line has accents, those it has not are not missing."""
    misspelt, language = vocabulary.misspelt or {}, vocabulary.language
    if misspelt.get(one, one) == misspelt.get(other, other):
        return True
    return not vocabulary.accented and sound(one, language) == sound(other, language)


def is_accented(text: str) -> bool:
    """Whether there are letters with accents in a text."""
    return _plain(text, "") != unicodedata.normalize("NFC", text)


def denies(one: str, other: str) -> bool:
    """Whether one of two words is the other with a prefix that denies it."""
    shorter, longer = sorted((one, other), key=len)
    return any(prefix + shorter == longer for prefix in _DENIED)


@lru_cache(8192)
def sound(word: str, language: str) -> str:
    """What is left of a word when spellings that sound alike are made one; of scripts we do not know: little."""
    if language == "ru":
        return _russian_sound(word)
    plain = _plain(word, _LETTERS.get(language, ""))
    return _english_sound(plain) if language == "en" else plain.replace("ß", "ss")


def _plain(text: str, kept: str) -> str:
    """Without the accents that letters come with; not without those that somebody put over them (struck through)."""
    return "".join(c if c in kept else _base(c) for c in unicodedata.normalize("NFC", text))


def _base(character: str) -> str:
    parted = unicodedata.normalize("NFD", character)
    first, marks = parted[:1], parted[1:]
    return first if marks and all("\u0300" <= mark <= "\u036f" for mark in marks) else character


def _english_sound(word: str) -> str:
    long = len(word) >= 5  # noqa: PLR2004 - hour, four
    word = re.sub(r"our(s?)$", r"or\1", word) if long else word
    word = re.sub(r"i[sz](e[ds]?|ing|ations?|ers?)$", r"is\1", word) if len(word) > 6 else word  # noqa: PLR2004
    for pattern, letters in (
        (r"ph", "f"),
        (r"ck|q|c(?![eiyh])", "k"),
        (r"^wr", "r"),
        (r"(?<=[gwr])h|(?<=[aeo])h(?![aeiouy])", ""),
        (r"ei", "ie"),
        (r"(?<!^)y", "i"),
    ):
        word = re.sub(pattern, letters, word)
    if len(word) <= LEAST_STEM:
        return word
    word = _FIRST_DOUBLED.sub(r"\1\2+", word)
    return re.sub(r"([bcdfgjklmnprstvz])\1", r"\1", word)


def _russian_sound(word: str) -> str:
    word = re.sub(r"ть?ся$", "ца", word)
    word = re.sub(r"(?<=[шжчщ])ь", "", word)
    if len(word) >= LEAST_UNSTRESSED:
        word = re.sub(r"([бвгджзклмнпрстфхц])\1", r"\1", word.replace("о", "а").replace("е", "и"))
    return word


def _slip(one: str, other: str) -> bool:
    """Two neighbours changed places, but not the first letter. Any other slip makes words (attached, attacked)."""
    if len(one) != len(other) or len(one) < LEAST_SWAPPED or frozenset((one, other)) in _SWAPPED_WORDS:
        return False
    stem, left, right = split(one, other)
    return bool(stem) and left[:2] == right[1::-1] and left[2:] == right[2:]
