# ruff: noqa: RUF001, SIM905 - Cyrillic letters that look like Latin ones are meant
"""Whether two words are one word: spelt otherwise, in another form, or heard as another that sounds the same."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from stenogram.enhance.vocabulary import Vocabulary

LEAST_TYPO_LETTERS = 8
"""A letter too many, missing, wrong or in another place is a slip only in words of this length: in shorter ones it is
too often another word (bought, brought)."""
LEAST_STEM = 3
"""Letters that two forms of a word have in common."""
LEAST_UNSTRESSED = 6
"""Russian words of this length may differ in vowels that sound alike where they are not stressed."""

_DENIED = ("un", "in", "im", "il", "ir", "dis", "non", "не", "ни", "без", "бес", "a", "an")
_ENGLISH_FORMS = frozenset(
    frozenset(pair.split("/"))
    for pair in "/s /es /ed /d /ing /ly s/ed s/ing s/es s/d ed/ing d/ing e/ing es/ing y/ies y/ied y/ying ies/ied "
    "ies/ying ied/ying e/y".split(" ")
)
_RUSSIAN_ENDINGS = frozenset(
    "а я о е у ю ы и й ь ой ей ом ем ам ям ами ями ах ях ов ев ий ый ая яя ое ее ые ие ого его ому ему ым им ыми ими "
    "ых их ую юю ею ою ешь ет ете ут ют ишь ит ите ат ят им ть йте".split()
) | {""}
_OTHER_WORDS = frozenset({"hardly", "nearly", "lately", "mostly"})
"""Not the adverbs of hard, near, late and most."""
_NOT_OF_NAMES = frozenset({"ов", "ев", "ть", "ют", "ет", "ит"})
"""Make another name of a name (Петр, Петров)."""
_REFLEXIVE = re.compile(r"(?<=..)(?:ся|сь)$")


def alike(one: str, other: str, vocabulary: Vocabulary, *, name: bool = False) -> bool:
    """Whether two words in lower case may stand for each other; of a name only spellings that sound the same."""
    if one == other or sound(one, vocabulary.language) == sound(other, vocabulary.language):
        return True
    if denies(one, other):
        return False
    if vocabulary.language in {"en", "ru"} and _forms(one, other, vocabulary.language, name=name):
        return True
    if name:
        return False
    return vocabulary.grouped(one, other) or _slip(one, other)


def denies(one: str, other: str) -> bool:
    """Whether one of two words is the other with a prefix that denies it."""
    shorter, longer = sorted((one, other), key=len)
    return any(prefix + shorter == longer for prefix in _DENIED)


@lru_cache(8192)
def sound(word: str, language: str) -> str:
    """What is left of a word when spellings that sound alike are made one; of scripts we do not know: little."""
    if language == "ru":
        return _russian_sound(word)
    plain = "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn" or c > "\u036f")
    return _english_sound(plain) if language == "en" else plain


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
    return re.sub(r"([bcdfgjklmnprstvz])\1", r"\1", word) if len(word) > LEAST_STEM else word


def _russian_sound(word: str) -> str:
    word = re.sub(r"ть?ся$", "ца", word)
    word = re.sub(r"(?<=[шжчщ])ь", "", word)
    if len(word) >= LEAST_UNSTRESSED:
        word = re.sub(r"([бвгджзклмнпрстфхц])\1", r"\1", word.replace("о", "а").replace("е", "и"))
    return word


def _forms(one: str, other: str, language: str, *, name: bool) -> bool:
    """Whether two words have one stem, and endings that go together."""
    if language == "ru":
        return _russian_forms(one, other, name=name)
    stem, left, right = _stem(one, other)
    if name:
        return len(stem) >= LEAST_STEM and {left, right} == {"", "s"}
    if len(stem) < LEAST_STEM or not _OTHER_WORDS.isdisjoint((one, other)):
        return False
    if frozenset((left, right)) in _ENGLISH_FORMS:
        return True
    doubled = max(left, right, key=len)  # stop, stopped
    return not min(left, right, key=len) and doubled in {stem[-1] + "ed", stem[-1] + "ing"}


def _russian_forms(one: str, other: str, *, name: bool) -> bool:
    if bool(_REFLEXIVE.search(one)) != bool(_REFLEXIVE.search(other)):
        return False
    stem, left, right = _stem(_REFLEXIVE.sub("", one), _REFLEXIVE.sub("", other))
    if {left, right} == {"", "ь"}:  # говорит, говорить; but брат, брать
        return stem.endswith("т") and len(stem) > LEAST_STEM + 1
    allowed = _RUSSIAN_ENDINGS - _NOT_OF_NAMES if name else _RUSSIAN_ENDINGS
    return len(stem) >= LEAST_STEM and left in allowed and right in allowed


def _stem(one: str, other: str) -> tuple[str, str, str]:
    """What two words begin with alike, and what follows in each."""
    least = min(len(one), len(other))
    size = next((n for n in range(least) if one[n] != other[n]), least)
    return one[:size], one[size:], other[size:]


def _slip(one: str, other: str) -> bool:
    """One letter too many, missing, wrong, or changed with its neighbour, but not the first."""
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < LEAST_TYPO_LETTERS or len(longer) - len(shorter) > 1 or shorter[0] != longer[0]:
        return False
    _, left, right = _stem(shorter, longer)
    if len(shorter) < len(longer):
        return left == right[1:]
    return left[1:] == right[1:] or (left[:2] == right[1::-1] and left[2:] == right[2:])
