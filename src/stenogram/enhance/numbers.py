# ruff: noqa: RUF001, SIM905 - Cyrillic letters that look like Latin ones are meant
"""The numbers of a text, whether in digits or (English, Russian) in words.

``25``, "twenty-five" and "двадцати пяти" are one number; so are ``3.5``, ``3,5`` (but in English) and "three point
five", ``1984`` and "nineteen eighty four", ``5,000``, ``5 000`` and "five thousand", ``3:30`` and "three thirty".
Numbers that stand side by side are a run: "one two three" may be written ``123``, and ``5-10`` "five to ten".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import NamedTuple

DOTTED = frozenset("de es it nl pt id tr da no el hr sl sr ro vi".split())
"""Languages that write thousands with a dot."""
MOST_DIGITS = 15
"""Longer strings of digits are compared as they stand."""
LEAST_TELEPHONE = 7
"""Digits of which nobody minds how they are grouped."""
LEAST_DIGITS = 3
"""So many digits that are said one by one are one number; two are a guess ("two three days")."""
MOST_UNITS, FIRST_CENTURY, LAST_CENTURY = 9, 11, 20
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*")
_AMOUNT = re.compile(r"(\d{1,3}(?:,\d{3})+)\.(\d+)|(\d{1,3}(?:\.\d{3})+),(\d+)")
_DECIMAL = re.compile(r"(\d+)[.,](\d+)")
_TIME = re.compile(r"(\d{1,2}):(\d\d)")


class Number(NamedTuple):
    """One number of a text."""

    text: str
    """Digits, with a point before the fraction; of a time before the minutes."""
    run: int
    """Numbers of one run stand side by side."""
    spoken: bool
    """In words."""
    ordinal: bool
    paired: bool = True
    """Its language says years and prices in pairs (English)."""


class Meaning(NamedTuple):
    """What a word of number means."""

    value: int
    kind: str
    """``small``: adds up; ``hundred`` and ``scale``: multiply."""
    ordinal: bool


def same_numbers(before: Sequence[Number], after: Sequence[Number]) -> bool:
    """Whether two texts have the same numbers in the same order."""
    i = j = 0
    while i < len(before) and j < len(after):
        many = _joined(before, i, after[j])
        if many:
            i, j = i + many, j + 1
            continue
        if _agree(before[i], after[j]):
            i, j = i + 1, j + 1
            continue
        many = _joined(after, j, before[i])
        if not many:
            return False
        i, j = i + 1, j + many
    return i == len(before) and j == len(after)


def _agree(one: Number, other: Number) -> bool:
    same = one.text == other.text or one.text.removesuffix(".00") == other.text.removesuffix(".00")
    return same and (one.ordinal == other.ordinal or not (one.spoken and other.spoken))


def _joined(numbers: Sequence[Number], first: int, whole: Number) -> int:
    """How many numbers of a run, from ``first`` on, make up a single one that is written together; 0: none do."""
    text, dot, fraction = whole.text.partition(".")
    if dot and (len(fraction) != len("00") or not numbers[first].spoken or numbers[first].text != text):
        return 0
    joined = ""
    for count, number in enumerate(numbers[first:], 1):
        if number.run != numbers[first].run or len(joined) > len(whole.text) or not number.text.isdigit():
            return 0
        joined += number.text
        if joined == text + fraction:
            together = numbers[first : first + count]
            return count if count > 1 and (dot or _may_join(together)) else 0
    return 0


def _may_join(numbers: Sequence[Number]) -> bool:
    """Digits that stand apart are one number only where thousands are, or where they are long (of a telephone)."""
    groups = [number.text for number in numbers]
    if sum(map(len, groups)) >= LEAST_TELEPHONE or all(len(group) == len("000") for group in groups[1:]):
        return True
    if all(len(group) == 1 for group in groups):
        return len(groups) >= LEAST_DIGITS or groups[0] == "0"
    return any(number.spoken for number in numbers) and (len(groups) > len("ab") or _is_pair(numbers))


def _is_pair(numbers: Sequence[Number]) -> bool:
    """Two numbers that are said for one, "nineteen eighty four" or "five fifty"; not two guesses, "ten fifteen"."""
    first, second = int(numbers[0].text), numbers[1].text
    if not numbers[0].paired or len(second) != len("00"):
        return False
    return FIRST_CENTURY <= first <= LAST_CENTURY if first > MOST_UNITS else int(second) > MOST_UNITS + 1


# --- digits ----------------------------------------------------------------------------------------------------------


def digits(written: str, language: str) -> list[str]:
    """The numbers in a string of digits with ``.,:/`` between them."""
    amount = _AMOUNT.fullmatch(written)
    if amount:
        whole, fraction = (amount[1], amount[2]) if amount[1] else (amount[3], amount[4])
        return [re.sub("[.,]", "", whole) + "." + fraction]
    grouped = _THOUSANDS.fullmatch(written)
    if grouped and _is_thousands(written, grouped[1], language):
        return [written.replace(grouped[1], "")]
    decimal = _DECIMAL.fullmatch(written)
    if decimal:
        return [f"{decimal[1]}.{decimal[2]}"]
    time = _TIME.fullmatch(written)
    if time:
        return [f"{int(time[1])}.{time[2]}"]
    return re.split("[.,:/]", written)


def _is_thousands(written: str, separator: str, language: str) -> bool:
    if written.count(separator) > 1:
        return True
    return language in {"en", ""} if separator == "," else language in DOTTED


# --- words -----------------------------------------------------------------------------------------------------------

ONE_AND_A_HALF = frozenset({"полтора", "полторы", "полутора"})
POINTS = frozenset({"point", "запятая", "точка"})
_PARTS = (("десят", 1), ("сот", 2), ("тысячн", 3))
"""Russian: tenths, hundredths, thousandths."""


class Composer:
    """Puts words of number together: "two thousand twenty six" is one, "nineteen eighty four" are two."""

    def __init__(self, *, paired: bool) -> None:
        self.numbers: list[Number] = []
        self._paired = paired
        self.run = 0
        self._clear()

    def _clear(self) -> None:
        self.open = False
        self.scaled = False
        """The last word was thousand, million ..."""
        self._total, self._group = Decimal(0), Decimal(0)
        self._room, self._scale = 0, 10**18
        self._literal, self._fraction = "", ""
        self._spoken, self._ordinal = False, False

    def flush(self) -> None:
        """End the number that is being put together."""
        if self.open:
            text = self._literal or format(self._total + self._group, "f")
            text = text.rstrip("0").rstrip(".") if "." in text and not self._literal else text
            text += "." + self._fraction if self._fraction else ""
            self.numbers.append(Number(text, self.run, self._spoken, self._ordinal, self._paired))
        self._clear()

    def part(self) -> None:
        """A word stands between: what comes is another run."""
        self.flush()
        self.run += 1

    def digits(self, texts: Sequence[str]) -> None:
        """Numbers in digits."""
        first = texts[0]
        if self.open and self.scaled and len(texts) == 1 and first.isdigit() and len(first) <= MOST_DIGITS:
            value = int(first)
            if 0 < value < self._scale and first[0] != "0":
                self._group, self._room, self.scaled = Decimal(value), 1, False
                return
        for count, text in enumerate(texts):
            self.flush()
            self.run += bool(count)  # 1/2 is not 12
            self.open, self._literal = True, text

    def word(self, meaning: Meaning) -> None:
        """A number in words, or a part of one."""
        if meaning.kind == "small":
            self._small(meaning.value)
        else:
            self._times(meaning.value, hundred=meaning.kind == "hundred")
        self._spoken = True
        if meaning.ordinal:
            self._ordinal = True
            self.flush()

    def _small(self, value: int) -> None:
        if self._fraction == "?":
            self._fraction = str(value)
            return
        if self._fraction and value < 10 and len(self._fraction) < MOST_DIGITS:  # noqa: PLR2004 - one digit more
            self._fraction += str(value)
            return
        if not self.open or self._literal or self._fraction or not 0 < value < self._room:
            self.flush()
        self.open, self.scaled = True, False
        self._group += value
        self._room = 100 if value >= 100 else 10 if value >= 20 else 1  # noqa: PLR2004 - hundreds, tens, units

    def _times(self, value: int, *, hundred: bool) -> None:
        amount = self._amount()
        fits = 0 < amount < 100 if hundred else value < self._scale and amount > 0  # noqa: PLR2004
        if not self.open or not fits:
            self.flush()
            amount = Decimal(1)
        self.open, self._literal, self._fraction = True, "", ""
        if hundred:
            self._group, self._room, self.scaled = amount * value, value, True
        else:
            self._total, self._group = self._total + amount * value, Decimal(0)
            self._room, self._scale, self.scaled = 1000, value, True

    def _amount(self) -> Decimal:
        if not self._literal:
            return self._group + (Decimal("0." + self._fraction) if self._fraction.isdigit() else 0)
        short = len(self._literal) <= MOST_DIGITS and self._literal.isascii()
        return Decimal(self._literal) if short and self._literal.replace(".", "", 1).isdigit() else Decimal(0)

    def one_and_a_half(self) -> None:
        """Russian has a word for it."""
        self.flush()
        self.open, self._literal, self._spoken = True, "1.5", True

    def point(self) -> None:
        """A fraction follows, digit by digit."""
        self._fraction = "?"

    def fraction(self, text: str) -> None:
        """Digits behind the point."""
        self._fraction = text
        self.flush()


def parts(words: Sequence[str], meanings: Mapping[str, Meaning]) -> tuple[str, int]:
    """The fraction that Russian ``words`` begin with, after "целых": digits, and how many words it takes; 0: none."""
    value = 0
    for count, word in enumerate(words[:4], 1):
        for stem, places in _PARTS:
            if count > 1 and word.startswith(stem) and word != "сот":
                return f"{value:0{places}d}", count
        meaning = meanings.get(word)
        if meaning is None or meaning.kind != "small" or (meaning.ordinal and count > 1):
            break
        value += meaning.value
    return "", 0


_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_RUSSIAN = """
0 ноль нуль ноля нуля нулю нулем;1 один одна одно одного одной одному одним одном одну;2 два две двух двум двумя
2 двое двоих двоим;3 три трех трем тремя трое троих троим;4 четыре четырех четырем четырьмя четверо четверых
5 пять пяти пятью пятеро пятерых;6 шесть шести шестью шестеро;7 семь семи;8 восемь восьми восемью восьмью
9 девять девяти девятью;10 десять десяти десятью;40 сорок сорока;90 девяносто девяноста;100 сто ста
50 пятьдесят пятидесяти пятьюдесятью;60 шестьдесят шестидесяти;70 семьдесят семидесяти;80 восемьдесят восьмидесяти
200 двести двухсот двумстам двумястами двухстах;300 триста трехсот тремстам тремястами трехстах
400 четыреста четырехсот четыремстам четырехстах;500 пятьсот пятисот пятистам пятьюстами
600 шестьсот шестисот шестистам;700 семьсот семисот семистам;800 восемьсот восьмисот восьмистам
900 девятьсот девятисот девятистам
"""
_TEENS = "одиннадцат двенадцат тринадцат четырнадцат пятнадцат шестнадцат семнадцат восемнадцат девятнадцат"
_RUSSIAN_ORDINALS = """
1 перв;2 втор;4 четверт;5 пят;6 шест;7 седьм;8 восьм;9 девят;10 десят;20 двадцат;30 тридцат;40 сороков;50 пятидесят
60 шестидесят;70 семидесят;80 восьмидесят;90 девяност;100 сот;1000 тысячн;2000 двухтысячн
"""
_ENDINGS = "ый ой ая ое ые ого ому ым ом ую ых ыми"
_SCALES = "тысяча тысячи тысяч тысячу тысяче тысячам тысячами тысячах тысячей тысячью тыс"
_THIRD = "ий ья ье ьи ьего ьей ьему ьим ьем ью ьих ьими"
_SCALE_ENDINGS = " а ы ов у ом е ам ами ах"

_GERMAN = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_SPANISH = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
)
_OTHERS = {
    "de": (
        *_GERMAN.split(),
        *(
            ("ein" if n == 1 else unit) + "und" + ten if n else ten
            for ten in _GERMAN_TENS.split()
            for n, unit in enumerate(_GERMAN.split()[:10])
        ),
    ),
    "es": tuple(_SPANISH.split()),
}
"""In order; zero and one are not taken for numbers (uno, eins)."""


@cache
def meanings_of(language: str) -> Mapping[str, Meaning]:
    """The words of number in English and Russian; in German and Spanish those below 100 and 30; in others none."""
    if language == "en":
        return dict(_english())
    if language in _OTHERS:
        return {word: Meaning(n, "small", ordinal=False) for n, word in enumerate(_OTHERS[language]) if n > 1}
    return dict(_russian()) if language == "ru" else {}


def _english() -> Iterator[tuple[str, Meaning]]:
    for words, ordinal in ((_UNITS, False), (_ORDINALS, True)):
        for value, word in enumerate(words.split()):
            yield word, Meaning(value, "small", ordinal)
            if ordinal and value > 2:  # noqa: PLR2004 - thirds, but a second has seconds
                yield word + "s", Meaning(value, "small", ordinal)
    for value, word in enumerate(_TENS.split(), 2):
        yield word, Meaning(value * 10, "small", ordinal=False)
        yield word[:-1] + "ieth", Meaning(value * 10, "small", ordinal=True)
        yield word[:-1] + "ies", Meaning(value * 10, "small", ordinal=False)
    yield "fourty", Meaning(40, "small", ordinal=False)
    for word, value in (("hundred", 100), ("thousand", 1000), ("million", 10**6), ("billion", 10**9)):
        kind = "hundred" if value == 100 else "scale"  # noqa: PLR2004
        yield word, Meaning(value, kind, ordinal=False)
        yield word + "th", Meaning(value, kind, ordinal=True)
    yield "trillion", Meaning(10**12, "scale", ordinal=False)


def _russian() -> Iterator[tuple[str, Meaning]]:
    for row in _rows(_RUSSIAN):
        for word in row[1:]:
            yield word, Meaning(int(row[0]), "small", ordinal=False)
    teens = [*enumerate(_TEENS.split(), 11), (20, "двадцат"), (30, "тридцат")]
    for value, stem in teens:
        for ending in ("ь", "и", "ью"):
            yield stem + ending, Meaning(value, "small", ordinal=False)
    ordinals = [(int(value), stem) for value, stem in _rows(_RUSSIAN_ORDINALS)]
    for value, stem in [*ordinals, *teens]:
        kind = "scale" if stem == "тысячн" else "small"
        yield from ((stem + ending, Meaning(value, kind, ordinal=True)) for ending in _ENDINGS.split())
    yield from (("трет" + ending, Meaning(3, "small", ordinal=True)) for ending in _THIRD.split())
    for word in _SCALES.split():
        yield word, Meaning(1000, "scale", ordinal=False)
    for stem, power in (("миллион", 10**6), ("миллиард", 10**9), ("триллион", 10**12)):
        yield from ((stem + ending, Meaning(power, "scale", ordinal=False)) for ending in _SCALE_ENDINGS.split(" "))
    yield "млн", Meaning(10**6, "scale", ordinal=False)
    yield "млрд", Meaning(10**9, "scale", ordinal=False)


def _rows(text: str) -> Iterator[list[str]]:
    for row in re.split(r"[;\n]", text.strip()):
        yield row.split()
