# ruff: noqa: RUF001 - Cyrillic letters that look like Latin ones are meant
"""What language models write around a text: "Here is the corrected text:", quotation marks, markdown, apologies."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

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
_WORD_MARKS = frozenset("°№©®™")
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


def _is_marked(original: str, edit: str) -> bool:
    """With markup, or symbols that are no text, more of them than the original has."""
    more = Counter(filter(_is_mark, edit)) - Counter(filter(_is_mark, original))
    return bool(more) or (edit.startswith("#") and not original.startswith("#"))


def _is_mark(character: str) -> bool:
    if character.isascii():
        return character in _MARKUP
    return unicodedata.category(character) in {"So", "Cc", "Co"} and character not in _WORD_MARKS


def _has_bracketed(original: str, edit: str) -> bool:
    """Words in brackets that the original has nowhere."""
    if "(" not in edit and "[" not in edit:
        return False
    known = set(re.findall(r"\w+", original))
    return any(not set(re.findall(r"\w+", found)) <= known for found in _BRACKETS.findall(edit))
