# ruff: noqa: RUF001 - Cyrillic letters that look like Latin ones are meant
"""A line as the guard reads it: its words without case and punctuation, its numbers and its units."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from stenogram.enhance.numbers import ONE_AND_A_HALF, POINTS, Composer, Meaning, Number, digits, meanings_of, parts
from stenogram.enhance.vocabulary import Vocabulary

NUMBER = "#"
"""Stands for a run of numbers among the words."""
_APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼ`´＇"), "'")
_SPECIAL = {"№": " # ", "\u2212": " \u2212", "\u00ad": None, "\u200b": None, "\ufeff": None}
_PIECE = re.compile(r"0+(?:[.,:/]0+)*|a+(?:'a+)*|c|u")
_INITIALS = re.compile(r"(?<![^\W_])((?:[^\W\d_]\.){2,})")
_GLUED = frozenset("st nd rd th s й го му м х я е ая ое ый ой ом ти ю ми ых ую".split())  # noqa: SIM905
"""Endings of ordinals behind digits."""
_MINUSES = frozenset("-‐‑‒–—")
_FIRST_PERSON = frozenset({"i", "im", "ive", "ill", "id"})
_ROMAN = {
    tens + units: 10 * len(tens) + value
    for tens in ("", "X", "XX")
    for value, units in enumerate(("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"))
    if len(tens + units) > 1 and tens + units != "IV"
}
"""Capitals that stand for numbers: centuries, kings. IV is as often something else, and one letter always may be."""
_MONTHS = frozenset("january february march april may june july august september october november december".split())  # noqa: SIM905


_UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
    *((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)
"""Thai, Lao, Burmese, Khmer, kana, Han: no spaces between words."""


class Token(NamedTuple):
    """A word, or one of those that a contraction stands for."""

    text: str
    """As it is compared: lower case, no apostrophe, one letter for ё and е."""
    raw: str
    """What was written for it."""
    name: bool
    """Written as names are: a capital inside a sentence, or several."""


class Reading(NamedTuple):
    """A line, read."""

    tokens: list[Token]
    """Without fillers; ``NUMBER`` for each run of numbers."""
    numbers: list[Number]
    units: list[Unit]


class Unit(NamedTuple):
    """A symbol, or a word for it."""

    text: str
    run: int
    """Of which run of numbers it is, from 1."""
    sure: bool
    """A number stands beside it."""


class _Item(NamedTuple):
    """A piece of a line, before numbers are put together."""

    kind: str
    """``0`` digits, ``a`` word, ``c`` character of a script without spaces, ``u`` unit."""
    token: Token
    apart: bool
    """Punctuation stands before it."""
    glued: bool
    """It follows digits without a space."""


def normal(text: str) -> str:
    """The text with one form for each character and apostrophe."""
    text = text.translate(_APOSTROPHES).translate({ord(k): v for k, v in _SPECIAL.items()})
    return unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)


def read(text: str, vocabulary: Vocabulary) -> Reading:
    """Read one line."""
    text = _INITIALS.sub(lambda found: found[1].replace(".", ""), normal(text))
    items = [part for item in _items(text) for part in _said(item, vocabulary)]
    items = _without_fillers(items, vocabulary)
    if vocabulary.language == "en":
        items = _indefinite(items)
    tokens, numbers, units = _Numbers(vocabulary).read(items)
    return Reading(_dates(tokens), numbers, units)


# --- scripts ---------------------------------------------------------------------------------------------------------


def scripts(text: str) -> Counter[str]:
    """Letters of a text by script, as Unicode's names begin (``LATIN``); Han and kana are ``CJK``."""
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            counts[_script(character)] += count
    return counts


def script_of(text: str) -> str | None:
    """The script of most letters; None: it has none."""
    found = scripts(text).most_common(1)
    return found[0][0] if found else None


@lru_cache(4096)
def _script(character: str) -> str:
    name = unicodedata.name(unicodedata.normalize("NFKC", character)[0], "").split(" ")[0]
    return "CJK" if name in {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"} else name


# --- pieces ----------------------------------------------------------------------------------------------------------


_SAID = {(".", True): "dot", ("@", True): "at", (".", False): "точка", ("@", False): "собака"}
"""How marks inside addresses are said, before Latin and other letters."""


class _Kinds(dict[int, str]):
    """What each character is: ``0`` digit, ``a`` letter or mark, ``c`` letter of a script without spaces, itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Nd":
            kind = "0"
        elif category[0] in "LM" or category == "Nl":
            kind = "c" if _unspaced(code) else "a"
        elif category == "Sc" or character in "%°#+\u2212":
            kind = "u"
        elif character in ".,:/!?'&@-":
            kind = character
        else:
            kind = " " if character.isspace() else "_"
        self[code] = kind
        return kind


def _unspaced(code: int) -> bool:
    return any(low <= code <= high for low, high in _UNSPACED)


_KINDS = _Kinds()


def _items(text: str) -> Iterator[_Item]:
    kinds = text.translate(_KINDS)
    loud = text.isupper()  # then capitals say nothing
    end, glued, begins = 0, False, True
    for found in _PIECE.finditer(kinds):
        begin, gap = found.start(), kinds[end : found.start()]
        begins = begins or (gap != "." and any(mark in ".!?:_" for mark in gap))
        written, kind = text[begin : found.end()], kinds[begin]
        if "&" in gap:
            yield _Item("a", Token("and", "and", name=False), apart=False, glued=False)
        elif gap in {".", "@"} and end and kind == "a" and not glued:
            spoken = _SAID[gap, "a" <= written[0].lower() <= "z"]
            yield _Item("a", Token(spoken, ".", name=False), apart=False, glued=False)
        if kind == "0" and text[begin - 1 : begin] in _MINUSES and not kinds[max(begin - 2, 0) : begin - 1].strip():
            yield _Item("u", Token("\u2212", "", name=False), apart=False, glued=False)
        if kind == "0" and gap.endswith(".") and not kinds[max(begin - 2, 0) : begin - 1].strip():
            written, gap = "0." + written, ""
        if not loud and written in _ROMAN:
            kind, written = "0", str(_ROMAN[written])
        lower = written.lower().replace("ё", "е") if kind == "a" else written
        name = kind == "a" and not loud and _is_name(written, begins=begins)
        token = Token(lower, lower.replace("'", ""), name)
        yield _Item(kind, token, apart=any(mark in ".,:!?_/" for mark in gap), glued=glued and gap in {"", "-"})
        end, glued = found.end(), kind == "0"
        begins = begins and kind == "u"


def _is_name(written: str, *, begins: bool) -> bool:
    if written.lower().replace("'", "") in _FIRST_PERSON:
        return False
    return sum(map(str.isupper, written)) > 1 or (not begins and written[0].isupper())


def _said(item: _Item, vocabulary: Vocabulary) -> list[_Item]:
    """The words that a contraction or a spoken form stands for."""
    text, raw, name = item.token
    if item.kind != "a":
        return [item]
    if item.glued and text in _GLUED:
        return []
    spoken = (vocabulary.spoken or {}).get(raw)
    if spoken is not None:
        return [item._replace(token=Token(word, "" if n else raw, name)) for n, word in enumerate(spoken.split())]
    if "'" not in text:
        return [item]
    words = _contracted(text) if vocabulary.language == "en" else text.split("'")
    return [item._replace(token=Token(*word, name)) for word in words if isinstance(word, tuple)] or [
        item._replace(token=Token(word, word, name)) for word in words if isinstance(word, str)
    ]


_ENGLISH_ENDINGS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "s": "s", "d": "d"}


def _contracted(text: str) -> list[tuple[str, str]]:
    """English: words and what is written for them."""
    head, _, tail = text.rpartition("'")
    head = head.replace("'", "")
    if text.endswith("n't"):
        return [(head[:-1], head[:-1]), ("not", "nt")]
    if tail in _ENGLISH_ENDINGS and head:
        return [(head, head), (_ENGLISH_ENDINGS[tail], tail)]
    return [(head + tail, head + tail)]


def _without_fillers(items: Sequence[_Item], vocabulary: Vocabulary) -> list[_Item]:
    if vocabulary.fillers is None:
        return list(items)
    meanings = meanings_of(vocabulary.language)
    kept: list[_Item] = []
    for place, item in enumerate(items):
        text = item.token.text
        around = (items[max(place - 1, 0) : place], items[place + 1 : place + 2])
        if text in {"o", "oh"} and all(_is_number(near, meanings) for near in around):
            kept.append(item._replace(token=Token("zero", text, name=False)))
        elif item.kind != "a" or item.token.name or not vocabulary.fillers.fullmatch(text):
            kept.append(item)
    return kept


def _indefinite(items: Sequence[_Item]) -> list[_Item]:
    """Any one, every one, some one: no numbers, unless one follows."""
    meanings, kept = meanings_of("en"), list[_Item]()
    for place, item in enumerate(items):
        first = kept[-1].token.text if kept else ""
        compound = item.token.text == "one" and first in {"any", "every", "some"} and not item.apart
        if compound and not _is_number(items[place + 1 : place + 2], meanings):
            kept[-1] = kept[-1]._replace(token=Token(first + "one", first + "one", kept[-1].token.name))
        else:
            kept.append(item)
    return kept


def _is_number(items: Sequence[_Item], meanings: Mapping[str, Meaning]) -> bool:
    return bool(items) and (items[0].kind == "0" or items[0].token.text in meanings)


def _dates(tokens: list[Token]) -> list[Token]:
    """Dates as "May 5" has it, also "the fifth of May"."""
    found: list[Token] = []
    for token in tokens:
        found.append(token)
        if token.text in _MONTHS and [t.text for t in found[-3:-1]] == [NUMBER, "of"]:
            found[-3:] = [token, found[-3]]
        elif token.text in _MONTHS and [t.text for t in found[-2:-1]] == [NUMBER]:
            found[-2:] = [token, found[-2]]
    return found


# --- numbers ---------------------------------------------------------------------------------------------------------

_HALVES = (["and", "a", "half"], ["с", "половиной"])
_WHOLES = frozenset({"целых", "целая", "целой", "целую"})
_MONEY = frozenset("$€£₽¢")
_SIGNED = frozenset("#+\u2212")


class _Numbers:
    """Takes numbers and units out of the pieces of a line."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._meanings = meanings_of(vocabulary.language)
        self._composer = Composer(paired=vocabulary.language == "en")
        self._tokens: list[Token] = []
        self._units: list[Unit] = []
        self._in_run = False
        self._runs = 0
        self._last = ""

    def read(self, items: Sequence[_Item]) -> tuple[list[Token], list[Number], list[Unit]]:
        place = 0
        while place < len(items):
            place += self._take(items, place)
        self._composer.flush()
        return self._tokens, self._composer.numbers, self._units

    def _take(self, items: Sequence[_Item], place: int) -> int:
        """Read what stands at ``place``; how many pieces that took."""
        item = items[place]
        text = item.token.text
        if item.apart and not (self._composer.scaled and item.kind == "a"):
            self._composer.flush()
        if item.kind == "0":
            return self._digits(item)
        meaning = self._meanings.get(text)
        if text in ONE_AND_A_HALF and self._vocabulary.language == "ru":
            self._mark_run()
            self._composer.one_and_a_half()
            return 1
        if meaning is not None:
            self._mark_run()
            self._composer.word(meaning)
            self._last = "word"
            return 1
        return self._connection(items, place) or self._unit(items, place) or self._word(item)

    def _digits(self, item: _Item) -> int:
        ascii_digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in item.token.text)
        if item.apart and self._last == "digits":
            self._part()
        self._mark_run()
        self._composer.digits(digits(ascii_digits, self._vocabulary.language))
        self._last = "digits"
        return 1

    def _connection(self, items: Sequence[_Item], place: int) -> int:
        """Words inside a number: "and", "point", "and a half"."""
        composer, texts = self._composer, [item.token.text for item in items[place : place + 6]]
        if not self._in_run:
            return self._point(texts)
        joins = (composer.open and composer.scaled) or self._last == "money"
        if texts[0] == "and" and joins and _is_number(items[place + 1 : place + 2], self._meanings):
            return 1
        return self._fraction(texts) if composer.open else 0

    def _point(self, texts: Sequence[str]) -> int:
        """English: "point five percent" begins with a zero that nobody says."""
        number = list(takewhile(lambda text: text in self._meanings, texts[1:]))
        if texts[0] != "point" or not number or texts[len(number) + 1 : len(number) + 2] not in (["percent"], ["%"]):
            return 0
        self._mark_run()
        self._composer.word(Meaning(0, "small", ordinal=False))
        self._composer.point()
        return 1

    def _fraction(self, texts: Sequence[str]) -> int:
        half = next((words for words in _HALVES if list(texts[: len(words)]) == words), [])
        if half:
            self._composer.fraction("5")
            return len(half)
        meaning = self._meanings.get(texts[1]) if len(texts) > 1 else None
        if texts[0] in POINTS and meaning is not None and meaning.kind == "small" and not meaning.ordinal:
            self._composer.point()
            return 1
        if texts[0] in _WHOLES:
            skipped = 2 if texts[1:2] == ["и"] else 1
            fraction, count = parts(texts[skipped:], self._meanings)
            if count:
                self._composer.fraction(fraction)
                return skipped + count
        return 0

    def _unit(self, items: Sequence[_Item], place: int) -> int:
        texts = [item.token.text for item in items[place : place + 2]]
        many = 2 if texts == ["per", "cent"] else 1
        symbol = "%" if many > 1 else (self._vocabulary.units or {}).get(texts[0])
        if symbol is None and items[place].kind == "u":
            symbol = texts[0]
        if symbol is None:
            return 0
        self._composer.flush()
        ahead = _is_number(items[place + many : place + many + 1], self._meanings) and (
            not self._in_run or symbol in _SIGNED or items[place].kind == "u"
        )
        self._units.append(Unit(symbol, self._runs + (ahead and not self._in_run), self._in_run or ahead))
        self._last = "money" if symbol in _MONEY else "unit"
        return many

    def _word(self, item: _Item) -> int:
        self._part()
        self._tokens.append(item.token)
        self._last = ""
        return 1

    def _part(self) -> None:
        self._composer.part()
        self._in_run = False

    def _mark_run(self) -> None:
        if not self._in_run:
            self._tokens.append(Token(NUMBER, NUMBER, name=False))
            self._runs += 1
        self._in_run = True
