# ruff: noqa: RUF001 - Cyrillic letters that look like Latin ones are meant
"""What language models write around a text: "Here is the corrected text:", quotation marks, markdown, apologies."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

_WHAT = (
    "corrected|cleaned|revised|edited|fixed|improved|polished|final|updated|rewritten|original|translated|translation|"
    "output|result|answer|text|sentence|version|transcript|correction|line|note|notes|explanation|changes"
)
_RUSSIAN_WHAT = (
    "исправленн\\w+|отредактированн\\w+|правильн\\w+|итогов\\w+|готов\\w+|перевод|текст|вариант|результат|ответ|"
    "исправлени\\w+|примечани\\w+|пояснени\\w+|изменени\\w+|строк\\w+"
)
_OPENINGS = re.compile(
    rf"\W*(?:(?:sure|certainly|of course|absolutely|okay|ok|yes)\W+)?"
    rf"(?:here(?:'s| is| are)\b[^:\n]{{0,100}}:|(?:the |your |this )?(?:{_WHAT})\b[^:\n]{{0,60}}:)"
    rf"|\W*(?:(?:конечно|хорошо|да)\W+)?(?:вот\b[^:\n]{{0,100}}:|(?:{_RUSSIAN_WHAT})\b[^:\n]{{0,60}}:)"
    r"|\W*(?:sure|certainly|of course|absolutely|конечно|разумеется)[!,:.](?:\s|$)"
    r"|\W*(?:i'm|i am|we're) (?:very |really )?sorry\b|\W*(?:sorry|apologies|unfortunately)[,:]"
    r"|\W*i (?:can't|cannot|can not|am unable to|won't|couldn't) (?:help|assist|do|comply|fulfil|correct|translat)"
    r"|\W*(?:к сожалению|извините|простите)\b[^.\n]{0,40}\bне (?:могу|могла?|смогу)\b"
    r"|\W*я не могу (?:помочь|выполнить)"
)
_AI = re.compile(r"\bas an ai\b|\blanguage model\b|\bкак (?:ии|искусственн\w+|языков\w+)\b|\bязыков\w+ модел")
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]?")
_BULLET = re.compile(r"\s*(?:[-*•]\s|\d+[.)]\s|>)")
_MARKUP = frozenset("*_`~<>|{}[]\\^=")
_WORD_MARKS = frozenset("°№©®™\u2212\u200c\u200d")
"""Belong to text: the joiners of Persian and Hindi among them."""
_HIDDEN = re.compile("[A-Za-z\u00c0-\u058f][\u200c\u200d]|[\u200c\u200d][A-Za-z\u00c0-\u058f]")
"""Joiners where there is nothing to join."""
_SIGNS = frozenset("‰‱′″‴‵†‡§¶※⁂⁄∶")
"""Punctuation that says something."""
_NO_TEXT = frozenset({"So", "Sm", "Sk", "Cc", "Cf", "Co", "Cn", "Me", "Zl", "Zp"})
"""Categories of Unicode: symbols, of mathematics too; what is not to be seen; what is put round letters."""
_STRUCK = frozenset("\u0334\u0335\u0336\u0337\u0338\u20d2\u20d3\u20e5\u20e6\u20eb\ufe0f\ufe0e")
MOST_ACCENTS = 30
"""On one letter, as Unicode's Stream-Safe Text Format has it (UAX 15)."""
_QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "„": "“", "‘": "’", "`": "`", "「": "」", "”": "”"}


def is_remark(original: str, edit: str) -> bool:
    """Whether something about the text, or around it, stands in the edit that the original has not."""
    written, said = edit.strip(), original.strip()
    lower, before = (text.lower().replace("’", "'") for text in (written, said))
    if _OPENINGS.match(lower) and not _OPENINGS.match(before):
        return True
    if _AI.search(lower) and not _AI.search(before):
        return True
    if len(written.splitlines()) > max(len(said.splitlines()), 1):
        return True
    if _BULLET.match(written) and not _BULLET.match(said):
        return True
    return _is_wrapped(said, written) or _is_marked(said, written) or _has_bracketed(before, lower)


def _is_wrapped(original: str, edit: str) -> bool:
    """In quotation marks from end to end."""
    if len(edit) < 2 or _QUOTES.get(edit[0]) != edit[-1] or original[:1] in _QUOTES:  # noqa: PLR2004 - two marks
        return False
    return edit[0] not in edit[1:-1]


def is_overloaded(text: str) -> bool:
    """Whether more accents stand on one letter than any language has; normalizing takes the square of them."""
    return bool(_OVERLOADED.search(text.translate(_ACCENTS)))


class _Accents(dict[int, str]):
    """``m`` for what combines with the letter before it; a space for the rest."""

    def __missing__(self, code: int) -> str:
        kind = self[code] = "m" if unicodedata.combining(chr(code)) else " "
        return kind


_ACCENTS = _Accents()
_OVERLOADED = re.compile(f"m{{{MOST_ACCENTS + 1}}}")


def _is_marked(original: str, edit: str) -> bool:
    """With markup, symbols that are no text, or what nobody sees, more of them than the original has."""
    if is_overloaded(edit) or (_HIDDEN.search(edit) and not _HIDDEN.search(original)):
        return True
    more = Counter(filter(_is_mark, edit)) - Counter(filter(_is_mark, original))
    return bool(more) or (edit.startswith("#") and not original.startswith("#"))


@lru_cache(4096)
def _is_mark(character: str) -> bool:
    if character.isascii():
        return character in _MARKUP or (not character.isprintable() and character not in "\t\r\n")
    if character in _SIGNS or character in _STRUCK:
        return True
    if character in _WORD_MARKS:
        return False
    if unicodedata.category(character) in _NO_TEXT:
        return True
    # letters in another dress: mathematical, encircled, raised
    dressed = unicodedata.decomposition(character).partition(" ")[0] in {"<font>", "<circle>", "<super>", "<sub>"}
    return dressed and unicodedata.category(character) in {"Lu", "Ll", "Lm", "Lo"} and character not in "ªº"


def _has_bracketed(original: str, edit: str) -> bool:
    """Words in brackets that the original has nowhere."""
    if "(" not in edit and "[" not in edit:
        return False
    known = set(re.findall(r"\w+", original))
    return any(not set(re.findall(r"\w+", found)) <= known for found in _BRACKETS.findall(edit))
