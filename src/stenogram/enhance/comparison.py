# ruff: noqa: SIM905 - Cyrillic letters that look like Latin ones are meant
"""The words of a line before and after: which are the same ones, and what became of those that are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from stenogram.enhance.alignment import matched
from stenogram.enhance.forms import is_passive, is_shifted
from stenogram.enhance.likeness import alike, denies, sounds_alike
from stenogram.enhance.reading import NUMBER, Reading, Token
from stenogram.enhance.vocabulary import Vocabulary
from stenogram.enhancement import Doubt

MOST_CHANGED = 0.4
"""Share of the words that may be changed, in lines of more than ``SHORT_WORDS``."""
SHORT_WORDS, TINY_WORDS = 5, 2
"""In lines of up to so many words 2 and 1 may be changed."""
LONGEST_REPEAT = 4
"""Words of a phrase that is said twice: "i want to i want to go"."""
MOST_BLOCK = 40
"""Words next to each other that differ, on either side, before nobody compares them any more."""
MOST_COMPARED = 50_000
"""Pairs of words of a line that are compared, so that the time is bounded."""
_VERBS = {**dict.fromkeys(("am", "is", "are", "s"), "be"), **dict.fromkeys(("do", "does"), "do")}
"""Light words whose place tells a question from a statement."""
_BEFORE_TIMES = frozenset(
    "the a this that last next every early late этот этой прошлой прошлом следующей следующем".split()
)
_TO_OR_NOT = frozenset("stop stops stopped remember remembers remembered forget forgets forgot try tries tried".split())
"""With "to" these mean something else than without (stopped to smoke, stopped smoking)."""
_QUANTITIES = frozenset({"few", "little"})
"""A few are some, few are hardly any."""


class Comparison:
    """Compares the words of a line."""

    def __init__(self, before: Reading, after: Reading, vocabulary: Vocabulary) -> None:
        self._before, self._after, self._vocabulary = before, after, vocabulary
        self._texts = ([token.text for token in before.tokens], [token.text for token in after.tokens])
        self._changed = self._compared = 0
        self._moved: Counter[str] = Counter()
        self._verbs: tuple[set[str], set[str]] = (set(), set())
        self._found: set[Doubt] = set()

    def doubt(self) -> Doubt | None:
        """Why the words must not stand so."""
        before, after = self._before.tokens, self._after.tokens
        pairs = matched(*self._texts)
        ends = (len(before), len(after))
        for (a, b), (c, d) in pairwise([(-1, -1), *pairs, ends]):
            if (c, d) != (a + 1, b + 1):
                self._compare((a + 1, b + 1), before[a + 1 : c], after[b + 1 : d])
        if self._moved["dropped"] and self._moved["added"]:
            self._found.add("numbers")
        if self._verbs[0] & self._verbs[1]:
            self._found.add("too_much")  # is it, it is
        if self._changed > _limit(len(before)):
            self._found.add("too_much")
        order: tuple[Doubt, ...] = ("numbers", "negation", "names", "too_much")
        return next((doubt for doubt in order if doubt in self._found), None)

    def _compare(self, start: tuple[int, int], before: Sequence[Token], after: Sequence[Token]) -> None:
        """Words between two that stay; ``start``: where they begin on either side."""
        if self._written_alike(before, after):
            self._count(before, after)
            if len(before) == len(after) == 1:
                self._check_pair(*start)
            return
        self._compared += len(before) * len(after)
        if max(len(before), len(after)) > MOST_BLOCK or self._compared > MOST_COMPARED:
            self._found.add("too_much")
            return
        taken: tuple[set[int], set[int]] = (set(), set())
        for (i, many), (j, more) in self._paired(before, after):
            taken[0].update(range(i, i + many))
            taken[1].update(range(j, j + more))
            self._count(before[i : i + many], after[j : j + more])
            if many == more == 1:
                self._check_pair(start[0] + i, start[1] + j)
        dropped = [start[0] + n for n in range(len(before)) if n not in taken[0]]
        added = [start[1] + n for n in range(len(after)) if n not in taken[1]]
        self._lone(dropped, added, has_number=any(t.text == NUMBER or t.raw == "." for t in (*before, *after)))

    def _lone(self, dropped: list[int], added: list[int], *, has_number: bool) -> None:
        """Words without a partner, by their places."""
        repeated = self._repeated(dropped)
        dropped = [n for n in dropped if n not in repeated]
        pardoned = self._pardoned(dropped)
        dropped = [n for n in dropped if n not in pardoned]
        self._changed += len(pardoned)
        for place in dropped:
            self._judge(place, 0)
        for place in added:
            self._judge(place, 1)
        if dropped and added and not has_number:
            self._found.add("too_much")
        if any(denies(self._texts[0][i], self._texts[1][j]) for i in dropped for j in added):
            self._found.add("negation")

    def _check_pair(self, i: int, j: int) -> None:
        """Of two words that are alike: whether the words around them allow it."""
        one, other = self._texts[0][i], self._texts[1][j]
        if one == other:
            return
        prepositions = self._vocabulary.prepositions
        if {one, other} <= prepositions:
            timed = self._is_timed(i, 0) and self._is_timed(j, 1)
            wrong = not timed and not self._vocabulary.grouped(one, other)
        else:
            wrong = is_shifted(self._texts[0], i, self._texts[1], j, self._vocabulary.language)
        if wrong:
            self._found.add("too_much")

    def _is_timed(self, place: int, side: int) -> bool:
        """Whether a time stands behind that word."""
        following = self._texts[side][place + 1 : place + 4]
        if following == [NUMBER]:
            return True
        word = next((text for text in following if text not in _BEFORE_TIMES), "")
        return word in self._vocabulary.times

    def _count(self, before: Sequence[Token], after: Sequence[Token]) -> None:
        if _joined(before) != _joined(after) and self._vocabulary.groups is not None:
            self._changed += min(len(before), len(after))

    def _written_alike(self, before: Sequence[Token], after: Sequence[Token]) -> bool:
        """Whether words are the same, written apart or together, or sound the same so."""
        if not before or not after or any(token.text == NUMBER for token in (*before, *after)):
            return False
        one, other = _joined(before), _joined(after)
        if one != other and max(len(before), len(after)) > 3:  # noqa: PLR2004 - whole sentences do not sound alike
            return False
        if self._vocabulary.language != "ru" and self._denials(before) != self._denials(after):
            return False
        if one == other:
            return True
        if self._denials(before) != self._denials(after):
            return False
        return sounds_alike(one, other, self._vocabulary) or self._vocabulary.grouped(one, other)

    def _denials(self, tokens: Sequence[Token]) -> list[str]:
        return [token.text for token in tokens if token.text in self._vocabulary.negations]

    def _alike(self, before: Sequence[Token], after: Sequence[Token]) -> bool:
        if len(before) > 1 or len(after) > 1:
            return self._written_alike(before, after)
        (one,), (other,) = before, after
        negations = self._vocabulary.negations
        if NUMBER in {one.text, other.text} or one.text in negations or other.text in negations:
            return one.text == other.text
        prepositions = self._vocabulary.prepositions
        if {one.text, other.text} <= prepositions:
            return True  # _check_pair tells
        return alike(one.text, other.text, self._vocabulary, name=self._is_name(one) or self._is_name(other))

    def _is_name(self, token: Token) -> bool:
        return token.name and token.text not in self._vocabulary.light

    def _paired(
        self, before: Sequence[Token], after: Sequence[Token]
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Words that are alike, in order and as many as can be, as (begin, count) on either side.

        The table holds how many words from ``i`` and ``j`` on find a partner, and how.
        """
        shapes = ((1, 1), (1, 2), (2, 1))
        best: dict[tuple[int, int], tuple[int, tuple[int, int]]] = {}

        def score(i: int, j: int) -> int:
            return best[i, j][0] if (i, j) in best else 0

        for i in range(len(before) - 1, -1, -1):
            for j in range(len(after) - 1, -1, -1):
                found = max((score(i + 1, j), (1, 0)), (score(i, j + 1), (0, 1)))
                for a, b in shapes:
                    fits = i + a <= len(before) and j + b <= len(after)
                    if fits and self._alike(before[i : i + a], after[j : j + b]):
                        found = max(found, (score(i + a, j + b) + a + b, (a, b)))
                best[i, j] = found
        i = j = 0
        while i < len(before) and j < len(after):
            a, b = best[i, j][1]
            if a and b:
                yield (i, a), (j, b)
            i, j = i + a, j + b

    def _repeated(self, dropped: Sequence[int]) -> set[int]:
        """Of the dropped words those that say what stands before or behind them once more."""
        tokens = self._before.tokens
        found = set[int]()
        for _, group in groupby(enumerate(dropped), key=lambda item: item[1] - item[0]):
            run = [number for _, number in group]
            for size in range(1, LONGEST_REPEAT + 1):
                if not len(run) % size and any(_says_again(tokens, run, shift) for shift in (size, -size)):
                    found.update(run)
        return found

    def _pardoned(self, dropped: Sequence[int]) -> set[int]:
        """Of the dropped words those that are phrases without a meaning, or open the line."""
        texts, vocabulary, found = self._texts[0], self._vocabulary, set[int]()
        for one, other in pairwise([*dropped, len(texts) + 1]):
            if one in found:
                continue
            if self._is_idle(one) or (texts[one] in vocabulary.markers and self._is_loose(one, one + 1)):
                found.add(one)
            elif other == one + 1 and f"{texts[one]} {texts[other]}" in vocabulary.markers:
                found |= {one, other} if self._is_loose(one, other + 1) else set()
        return found

    def _is_idle(self, place: int) -> bool:
        """Whether a word opens the line, or says nothing."""
        texts, vocabulary = self._texts[0], self._vocabulary
        following = texts[place + 1] if place + 1 < len(texts) else ""
        if texts[place] in vocabulary.idle:
            return following != NUMBER
        free = texts[place] in {"and", "okay"} or following == NUMBER or following in vocabulary.opened
        return not place and free and texts[place] in vocabulary.openers

    def _is_loose(self, begin: int, end: int) -> bool:
        """Whether a phrase says nothing there: "you know" does in "do you know", and in "you know the man"."""
        texts, vocabulary = self._texts[0], self._vocabulary
        if end < len(texts) and texts[end] in {"it", "that"} and texts[end + 1 : end + 2] in (["s"], ["is"], ["was"]):
            return not begin or texts[begin - 1] not in vocabulary.binding
        follows = texts[end] if end < len(texts) else ""
        return follows not in vocabulary.bound | {""} and (not begin or texts[begin - 1] not in vocabulary.binding)

    def _judge(self, place: int, side: int) -> None:
        """A word without a partner: dropped (``side`` 0) or put in."""
        vocabulary, token = self._vocabulary, (self._before, self._after)[side].tokens[place]
        if token.text == NUMBER:
            self._moved["added" if side else "dropped"] += 1
        elif token.raw == ".":
            pass  # a dot in a name: Node.js
        elif token.text in vocabulary.negations:
            self._found.add("negation")
        elif self._is_light(place, side):
            self._changed += 1
        elif token.name:
            self._found.add("names")
        else:
            self._found.add("too_much")

    def _is_light(self, place: int, side: int) -> bool:
        """Whether a word may come and go there."""
        texts, vocabulary = self._texts[side], self._vocabulary
        text = texts[place]
        if text in vocabulary.prepositions:
            return self._is_timed(place, side)
        if text not in vocabulary.light:
            return bool(side) and text in vocabulary.addable
        if text == "a" and not _QUANTITIES.isdisjoint(texts[place + 1 : place + 2]):
            return False
        if text == "to" and place and texts[place - 1] in _TO_OR_NOT:
            return False
        if text not in _VERBS or vocabulary.language != "en":
            return True
        self._verbs[side].add(_VERBS[text])
        begins = not place or (place == 1 and texts[0] in vocabulary.openers)
        return not (begins or is_passive(texts, place))


def _says_again(tokens: Sequence[Token], run: Sequence[int], shift: int) -> bool:
    """Whether each word of a run is the one that stands ``shift`` words from it; numbers say nothing again."""
    return all(0 <= n + shift < len(tokens) and tokens[n].text == tokens[n + shift].text != NUMBER for n in run)


def _joined(tokens: Sequence[Token]) -> str:
    return "".join(token.raw for token in tokens if token.raw != ".")


def _limit(words: int) -> float:
    """How many words of a line may be changed."""
    if words <= TINY_WORDS:
        return 1
    return 2 if words <= SHORT_WORDS else MOST_CHANGED * words
