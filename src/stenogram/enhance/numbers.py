"""Numbers in English and Russian text, in digits or in words, as one sequence that can be compared.

"At five thirty, for twenty-five percent" and "at 5:30, for 25%" have the same signature. Numbers that follow one
another are written together, because words do not say where one ends: "nineteen eighty four" is 1984.
Number words of other languages are ordinary words; their digits are found.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

_EN = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16,
    "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30, "fortieth": 40,
    "fiftieth": 50, "sixtieth": 60, "seventieth": 70, "eightieth": 80, "ninetieth": 90,
}  # fmt: skip
_ADJECTIVE = "ый|ий|ой|ая|ое|ого|ому|ым|им|ом|ую|ые|ых|ыми|ье|ья|ью|ьего|ьему|ьим|ьем|ьей|ьи|ьих"
_RU = {
    "нол(?:ь|я|ю|ем|ей)|нул(?:ь|я|ю|ем|ей)": 0,
    "один|одн(?:а|о|у|ого|ому|им|ом|ой|и|их)|перв(?:{a})": 1,
    "дв(?:а|е|ух|ум|умя|ое|оих)|втор(?:{a})": 2,
    "тр(?:и|ех|ем|емя|ое|оих)|трет(?:{a})": 3,
    "четыр(?:е|ех|ем|ьмя)|четверо|четверых|четверт(?:{a})": 4,
    "пят(?:ь|и|ью|{a})|пятеро|пятерых": 5,
    "шест(?:ь|и|ью|{a})": 6,
    "сем(?:ь|и|ью)|седьм(?:{a})": 7,
    "вос(?:емь|ьми|емью)|восьм(?:{a})": 8,
    "девят(?:ь|и|ью|{a})": 9,
    "десят(?:ь|и|ью|{a})": 10,
    "одиннадцат(?:ь|и|ью|{a})": 11,
    "двенадцат(?:ь|и|ью|{a})": 12,
    "тринадцат(?:ь|и|ью|{a})": 13,
    "четырнадцат(?:ь|и|ью|{a})": 14,
    "пятнадцат(?:ь|и|ью|{a})": 15,
    "шестнадцат(?:ь|и|ью|{a})": 16,
    "семнадцат(?:ь|и|ью|{a})": 17,
    "восемнадцат(?:ь|и|ью|{a})": 18,
    "девятнадцат(?:ь|и|ью|{a})": 19,
    "двадцат(?:ь|и|ью|{a})": 20,
    "тридцат(?:ь|и|ью|{a})": 30,
    "сорок(?:а|ов(?:{a}))?": 40,
    "пятьдесят|пятидесяти|пятьюдесятью|пятидесят(?:{a})": 50,
    "шестьдесят|шестидесяти|шестьюдесятью|шестидесят(?:{a})": 60,
    "семьдесят|семидесяти|семьюдесятью|семидесят(?:{a})": 70,
    "восемьдесят|восьмидесяти|восемьюдесятью|восьмидесят(?:{a})": 80,
    "девяност(?:о|а|{a})": 90,
    "ст(?:о|а)|сот(?:{a})": 100,
    "двести|двухсот|двумстам|двухстах|двухсот(?:{a})": 200,
    "триста|трехсот|тремстам|трехстах|трехсот(?:{a})": 300,
    "четыреста|четырехсот|четыремстам|четырехстах|четырехсот(?:{a})": 400,
    "пятьсот|пятисот|пятистам|пятистах|пятисот(?:{a})": 500,
    "шестьсот|шестисот|шестистам|шестистах|шестисот(?:{a})": 600,
    "семьсот|семисот|семистам|семистах|семисот(?:{a})": 700,
    "восемьсот|восьмисот|восьмистам|восьмистах|восьмисот(?:{a})": 800,
    "девятьсот|девятисот|девятистам|девятистах|девятисот(?:{a})": 900,
}
"""Every form of a number, ``е`` for ``ё``; ``{a}`` stands for the endings of ordinals."""
_SCALES = {
    "hundreds?|hundredth": 100,
    "thousands?|thousandth|тысяч(?:а|и|у|ей|ам|ами|ах)?|тыс|тысячн(?:{a})": 1000,
    "millions?|millionth|миллион(?:а|у|ом|ов|ам|ами|ах|е|ы)?|млн|миллионн(?:{a})": 10**6,
    "billions?|миллиард(?:а|у|ом|ов|ам|ами|ах|е|ы)?|млрд": 10**9,
}
_POINT = frozenset({"point", "целых", "целая"})
_UNITS = {
    "percent": re.compile(r"%|percents?|per ?cent|процент\w{0,3}"),
    "dollar": re.compile(r"\$|dollars?|bucks?|доллар\w{0,3}|бакс\w{0,3}"),
    "euro": re.compile(r"€|euros?|евро"),
    "pound": re.compile(r"£|pounds?|фунт\w{0,3}"),
    "rouble": re.compile(r"₽|rou?bles?|rubles?|рубл\w{0,3}|руб"),
}
_DIGITS = re.compile(r"(\d+(?:\.\d+)?)(?:st|nd|rd|th|s|й|я|е|го|му|м|ю|х|ти|и)?")
_TEN, _HUNDRED = 10, 100


@dataclass(frozen=True, slots=True)
class Signature:
    """The numbers of a text, and what they count where that is a sign as well as a word."""

    numbers: tuple[str, ...]
    """Digits of each stretch of numbers, in order, with decimal points and without thousands separators."""
    units: frozenset[tuple[str, int]]
    """How often percent and each currency are named."""


def signature(tokens: Sequence[str]) -> Signature:
    """The numbers in the tokens of ``guard.tokens``."""
    found: list[str] = []
    stretch: list[str] = []
    for token in [*tokens, "."]:
        if is_number(token) or (stretch and token in _POINT | {"and", "и"} and token != stretch[-1]):
            stretch.append(token)
        elif not _unit(token):
            if stretch:
                found.extend(filter(None, _digits(stretch)))
            stretch = []
    units = Counter(unit for token in tokens if (unit := _unit(token)))
    return Signature(tuple(found), frozenset(units.items()))


def is_number(token: str) -> bool:
    """Whether it is digits, a number word or a scale (``thousand``)."""
    return _DIGITS.fullmatch(token) is not None or _value(token) is not None or _scale(token) is not None


def belongs_to_number(token: str) -> bool:
    """Whether it is a number, a sign beside one, or what joins two."""
    return is_number(token) or _unit(token) is not None or token in _POINT


def _digits(stretch: Sequence[str]) -> Iterator[str]:
    """The digits of numbers in words and digits; "and" parts them where it does not follow a scale."""
    written: list[str] = []
    for number in _numbers(stretch):
        if number is None:
            if written:
                yield "".join(written)
            written = []
        else:
            written.append(number)
    yield "".join(written)


def _numbers(stretch: Sequence[str]) -> Iterator[str | None]:
    """Each number in its digits, a point by itself; None where "and" parts two."""
    sum_, group, last, begun = Decimal(0), Decimal(0), 10**12, False
    digits: str | None = None
    for place, token in enumerate(stretch):
        value, scale = _value(token), _scale(token)
        if scale is not None:
            if digits is not None:
                group, digits, begun = Decimal(digits), None, True
            if scale == _HUNDRED:
                group = (group or Decimal(1)) * scale
            else:
                sum_, group = sum_ + (group or Decimal(1)) * scale, Decimal(0)
            last, begun = scale, True
            continue
        if token in _POINT:
            yield from _ended(sum_ + group, begun, digits)
            sum_, group, last, begun, digits = Decimal(0), Decimal(0), 10**12, False, None
            yield "."
            continue
        follows = begun and value is not None and _fits(value, last)
        if token in {"and", "и"}:
            if not (begun and last >= _HUNDRED and place + 1 < len(stretch)):
                yield from _ended(sum_ + group, begun, digits)
                sum_, group, last, begun, digits = Decimal(0), Decimal(0), 10**12, False, None
                yield None
            continue
        if not follows:
            yield from _ended(sum_ + group, begun, digits)
            sum_, group, last, begun, digits = Decimal(0), Decimal(0), 10**12, False, None
        if value is None:
            found = _DIGITS.fullmatch(token)
            digits = found[1] if found else ""
        else:
            group, last, begun = group + value, value, True
    yield from _ended(sum_ + group, begun, digits)


def _fits(value: int, last: int) -> bool:
    """Whether a number word goes on the number whose last word was ``last``: twenty, five."""
    if last >= _HUNDRED:
        return value < last
    return last >= 2 * _TEN and 0 < value < _TEN


def _ended(value: Decimal, begun: bool, digits: str | None) -> Iterator[str]:
    if digits is not None:
        yield digits
    elif begun:
        yield str(int(value))


@functools.lru_cache(4096)
def _value(token: str) -> int | None:
    if token in _EN:
        return _EN[token]
    return next((value for form, value in _russian() if form.fullmatch(token)), None)


@functools.lru_cache(4096)
def _scale(token: str) -> int | None:
    return next((value for form, value in _scales() if form.fullmatch(token)), None)


@functools.lru_cache(4096)
def _unit(token: str) -> str | None:
    return next((unit for unit, form in _UNITS.items() if form.fullmatch(token)), None)


@functools.cache
def _russian() -> list[tuple[re.Pattern[str], int]]:
    return [(re.compile(form.replace("{a}", _ADJECTIVE)), value) for form, value in _RU.items()]


@functools.cache
def _scales() -> list[tuple[re.Pattern[str], int]]:
    return [(re.compile(form.replace("{a}", _ADJECTIVE)), value) for form, value in _SCALES.items()]
