"""Which edits of a transcript may stand. What was said is the record; a language model only repairs how it is written.

A line and its edit are compared word by word. These differences are allowed:

- case, punctuation, apostrophes, white space; words joined or parted (``can not``, ``cannot``);
- a word that sounds alike (``there``, ``they're``; ``карова``, ``корова``), or a long one with a letter or two wrong;
- another form of the same word (``go``, ``goes``; ``дом``, ``дома``), and forms of "be", "have" and "do";
- an article, a small preposition or conjunction put in or left out;
- left out: fillers (``um``, ``ну``) and words said twice in a row;
- numbers written otherwise (``twenty-five percent``, ``25%``), also by ordinals.

Each is one difference; at most a third of the words may differ, at least two (``MOST_SHARE``, ``FREE``), in lines of up
to three words one. All else is refused: ``too_much`` for words that came, went or became others, and by name

- ``numbers``: not the same numbers in the same order, or percent or a currency that came or went (``numbers``);
- ``negation``: not as many negations, or a word that turned into its opposite by its prefix (``likely``, ``unlikely``);
- ``names``: a word in capitals inside a sentence, of the line or of the edit, that is not in the other one letter by
  letter, and weekdays and months; not so in German, which writes all nouns like that;
- ``script``: Latin letters for Cyrillic ones and the like;
- ``remark``: words, quotes or markup around the line, or an answer to it; ``empty``: nothing.

Number words, negations, fillers and small words are those of English and Russian. Other languages have none that could
be put in or left out, so that their edits are held to spelling, case and punctuation.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stenogram.enhance import words
from stenogram.enhance.numbers import belongs_to_number, is_number, signature
from stenogram.enhancement import Doubt

MOST_SHARE = 1 / 3
"""Of the words of a line that may differ."""
FREE = 2
"""So many may differ in any line of more than ``SHORT`` words; one in shorter ones."""
SHORT = 3
_LONGEST_BLOCK = 60
"""Words in a row that are all different: not looked at any closer."""
_LONGEST_REPEAT = 4
"""Words in a row that are said twice."""

_TOKEN = re.compile(r"\d+(?:[.,]\d{1,2}(?!\d)|[.,]\d{4,})|\d+|[^\W\d_]+(?:['’ʼ][^\W\d_]+)*['’]?|[%$€£₽]")
_THOUSANDS = re.compile(r"(?<=\d)[,.\s\u00a0\u202f'’](?=\d{3}(?:\D|$))")
_MARKUP = re.compile(r"[*_`#<>|\\]|https?://")
_QUOTES = "\"'“”„«»‘’"
_SENTENCE_END = frozenset(".!?…:")
_REMARK = re.compile(
    r"\b(here (is|are)|here's|corrected|correction|edited|rewritten|translat(ion|ed)|as an ai|language model|i'm sorry|"
    r"i am sorry|i can(no|')t|sure[,!]|certainly|of course[,!]|note:|output:|вот (исправлен|перевод|текст)|исправлен|"
    r"отредактирован|перевод:|примечание|конечно[,!]|извините|языков\w+ модел)",
    re.IGNORECASE,
)
_IMPOSSIBLE = 10**6


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a line."""

    word: str
    """In lower case, without apostrophes, ``е`` for ``ё``."""
    capital: bool
    """It begins with a capital although no sentence begins there, or is all capitals."""
    opens: bool
    """It begins the line or a sentence."""


def doubt(original: str, edit: str, language: str | None) -> Doubt | None:
    """Why an edit of a line may not stand; None: it may. ``language`` is an ISO 639-1 code, or None."""
    if edit == original:
        return None
    old, new = list(_tokens(original)), list(_tokens(edit))
    if not new:
        return "empty" if old or not edit.strip() else "remark"
    if _adds_marks(original, edit):
        return "remark"
    found = _doubt(old, new, names=language != "de")
    if found in {"too_much", "names"} and _REMARK.search(edit) and not _REMARK.search(original):
        return "remark"
    return found


def doubt_of_translation(original: str, edit: str, target: str) -> Doubt | None:
    """Why a line's translation into ``target`` (ISO 639-1) may not stand; None: it may.

    It must be in the script of that language, have the digits of the original and no others (but those that stand for
    its number words), be neither much longer nor much shorter, and have nothing around it.
    """
    old, new = [token.word for token in _tokens(original)], [token.word for token in _tokens(edit)]
    if not new:
        return "empty" if old or not edit.strip() else "remark"
    if _adds_marks(original, edit) or (_REMARK.search(edit) and not _REMARK.search(original)):
        return "remark"
    script = _script(edit)
    if script is not None and script not in words.SCRIPTS.get(target, ("LATIN",)):
        return "script"
    if _other_numbers(original, edit, old):
        return "numbers"
    ratio = len(edit) / max(len(original), 1)
    low, high = words.LENGTHS[target in words.DENSE, _script(original) in words.ALPHABETS]
    return None if len(original) < words.LONG_LINE or low <= ratio <= high else "too_much"


def _other_numbers(original: str, edit: str, old: Sequence[str]) -> bool:
    """Whether a translation drops digits, or has some that stand for no number word either.

    A single digit may become a word, whose language we may not know.
    """
    there, came = _digits(original), _digits(edit)
    if any(len(digits) > 1 for digits in there - came):
        return True
    spelled = "".join(signature(old).numbers)
    return any(digits not in spelled for digits in came - there)


def _doubt(old: Sequence[Token], new: Sequence[Token], *, names: bool) -> Doubt | None:
    if _script("".join(token.word for token in old)) != _script("".join(token.word for token in new)):
        return "script"
    tidy = _without_repeats(old)
    was, now = [token.word for token in old], [token.word for token in new]
    if signature(was) != signature(now):
        return "numbers"
    settled = _negations([token.word for token in _without_repeats(new)])
    if settled not in {_negations(was), _negations([token.word for token in tidy])}:
        return "negation"
    return _compared(old, new, names=names)


def _compared(old: Sequence[Token], new: Sequence[Token], *, names: bool) -> Doubt | None:
    """Go through the stretches that differ."""
    limit = 1 if len(old) <= SHORT else max(FREE, int(len(old) * MOST_SHARE))
    matcher = difflib.SequenceMatcher(
        None, [token.word for token in old], [token.word for token in new], autojunk=False
    )
    spent = 0
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        left, right = _left(old, a, b), [token for token in new[c:d] if not belongs_to_number(token.word)]
        if "".join(token.word for token in left) == "".join(token.word for token in right):
            continue  # joined, parted, or nothing but fillers and numbers
        if names and _names(left) != _names(right):
            return "names"
        if any(words.opposite(one.word, other.word) for one in left for other in right):
            return "negation"
        if Counter(t.word for t in left if t.word in words.DATES) != Counter(
            t.word for t in right if t.word in words.DATES
        ):
            return "names"
        spent += _cost(left, right)
        if spent > limit:
            return "too_much"
    return None


def _left(old: Sequence[Token], start: int, end: int) -> list[Token]:
    """The words of a stretch without numbers, fillers, and what is said again right before or after it."""
    found: list[Token] = []
    place = start
    while place < end:
        step = _repeated(old, place, end)
        if step:
            place += step
            continue
        token = old[place]
        place += 1
        if belongs_to_number(token.word) or token.word in words.FILLERS or words.HESITATION.fullmatch(token.word):
            continue
        pair = f"{token.word} {old[place].word}" if place < end else ""
        if pair in words.FILLER_PAIRS:
            place += 1
            continue
        found.append(token)
    return found


def _repeated(old: Sequence[Token], place: int, end: int) -> int:
    """How many words from here on stand right before or after this place once more, and may go for it."""
    for length in range(min(_LONGEST_REPEAT, end - place), 0, -1):
        here = [token.word for token in old[place : place + length]]
        before = [token.word for token in old[max(place - length, 0) : place]]
        after = [token.word for token in old[place + length : place + 2 * length]]
        if here in (before, after) and not any(map(is_number, here)):
            return length
    return 0


def _without_repeats(line: Sequence[Token]) -> list[Token]:
    """The line with what is said twice in a row said once."""
    found: list[Token] = []
    for token in line:
        found.append(token)
        for length in range(1, _LONGEST_REPEAT + 1):
            last = [each.word for each in found[-length:]]
            if len(found) >= 2 * length and last == [each.word for each in found[-2 * length : -length]]:
                del found[-length:]
                break
    return found


def _cost(left: Sequence[Token], right: Sequence[Token]) -> int:
    """The fewest differences that make one stretch of the other; very many where it cannot be."""
    if len(left) > _LONGEST_BLOCK or len(right) > _LONGEST_BLOCK:
        return _IMPOSSIBLE
    row = list(itertools.accumulate((_small(token) for token in right), initial=0))
    for one in left:
        above, row = row, [row[0] + _small(one)]
        for place, other in enumerate(right):
            row.append(min(above[place] + _swap(one, other), above[place + 1] + _small(one), row[-1] + _small(other)))
    return min(row[-1], _IMPOSSIBLE)


def _small(token: Token) -> int:
    """What it costs that a word came or went."""
    return 1 if token.word in words.SMALL else _IMPOSSIBLE


def _swap(one: Token, other: Token) -> int:
    """What it costs that a word became another."""
    if one.word == other.word:
        return 0
    return 1 if words.alike(one.word, other.word, name=one.capital or other.capital) else _IMPOSSIBLE


def _names(tokens: Sequence[Token]) -> list[str]:
    return [token.word for token in tokens if token.capital and token.word not in words.NO_NAMES]


def _negations(line: Sequence[str]) -> int:
    return sum(words.NEGATION.fullmatch(word) is not None for word in line)


def _tokens(line: str) -> Iterator[Token]:
    line = _THOUSANDS.sub("", unicodedata.normalize("NFC", line))
    ended, through = True, 0
    for found in _TOKEN.finditer(line):
        ended = ended or any(mark in _SENTENCE_END for mark in line[through : found.start()])
        through = found.end()
        text = found.group()
        letters = re.sub(r"['’ʼ]", "", text)
        loud = len(letters) > 1 and letters.isupper()
        # half a number is none: "3,5" and "3.5" are the same
        word = letters.casefold().replace("ё", "е").replace(",", ".")
        yield Token(word, loud or (letters[:1].isupper() and not ended), ended)
        ended = False


def _adds_marks(original: str, edit: str) -> bool:
    """Whether there is markup, a symbol, or quotes around the edit that the line has not."""
    if set(_MARKUP.findall(edit)) - set(_MARKUP.findall(original)):
        return True
    if any(unicodedata.category(sign) == "So" and sign not in original for sign in edit):
        return True
    inner, outer = original.strip(), edit.strip()
    return outer[0] in _QUOTES and outer[-1] in _QUOTES and (inner[:1] not in _QUOTES or inner[-1:] not in _QUOTES)


@functools.lru_cache(4096)
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _script(text: str) -> str | None:
    """Of most of its letters, as Unicode names it; None: there are none."""
    found = Counter(_script_of(letter) for letter in text if letter.isalpha())
    return found.most_common(1)[0][0] if found else None


def _digits(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+", _THOUSANDS.sub("", text)))
