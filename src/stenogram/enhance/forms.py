# ruff: noqa: RUF001, RUF002, SIM905 - Cyrillic letters that look like Latin ones are meant
"""Which words are forms of one word, and which forms say another time or another person.

English forms are found by the words they can be made of: "hats" is made of "hat", "hates" of "hate", so they are not
forms of one word though their beginnings are. Russian ones by a common beginning and endings that go together.
"""

from __future__ import annotations

import re
from functools import lru_cache

LEAST_STEM = 3
"""Letters that two forms of a word have in common."""
_CLIPPED = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")
"""Hop: its last letter is doubled in "hopped"; "hoped" is made of "hope"."""
_OTHER_WORDS = frozenset(
    (
        "hardly nearly lately mostly likely barely scarcely shortly directly highly fairly presently lovely "
        "evenly news goods arms customs damages wedding evening morning apply"
    ).split()
)
"""Look like forms of other words and mean something else."""
_IRREGULAR_PASTS = frozenset(
    frozenset(pair.split("/")) for pair in ["come/came", "run/ran", "get/got", "goes/went", "lead/led"]
)
_PARTICIPLES = frozenset(
    (
        "told sent paid made done gone left lost held kept hit cut shot sold bought caught taught brought "
        "thought found built hurt let put read set shut heard said led met won cast hung struck sued born "
        "known shown thrown grown"
    ).split()
)
_BE = frozenset("am is are s re was were be been being".split())
_HELPERS = _BE | {"have", "has", "had", "ve", "get", "got"}
_BARE_AFTER = frozenset("do does did to can could will would shall should may might must let".split())
_PAST = frozenset({"yesterday", "ago", "last", "since", "earlier"})
_NEAR = 3
"""Words between which an auxiliary and its verb stand ("have never really worked")."""
_RUSSIAN_ENDINGS = frozenset(
    (
        "а я о е у ю ы и й ь ой ей ом ем ам ям ами ями ах ях ов ев ий ый ая яя ое ее ые ие ого его ому ему ым "
        "им ыми ими ых их ую юю ею ою ешь ет ете ут ют ишь ит ите ат ят им ть йте"
    ).split()
) | {""}
_NOT_OF_NAMES = frozenset({"ов", "ев", "ть", "ют", "ет", "ит"})
"""Make another name of a name (Петр, Петров)."""
_REFLEXIVE = re.compile(r"(?<=..)(?:ся|сь)$")
_PERSONS = {
    **dict.fromkeys(("у", "ю"), ("я",)),
    **dict.fromkeys(("ешь", "ишь"), ("ты",)),
    **dict.fromkeys(("ете", "ите"), ("вы",)),
    **dict.fromkeys(("ем", "им"), ("мы",)),
}
"""Endings of verbs that say who does it, and who that is."""
_THIRD = frozenset("ет ит ут ют ат ят".split())
_MANY = frozenset("ут ют ат ят".split())
_IRREGULAR_PERSONS = {
    "могу": "у", "можешь": "ешь", "может": "ет", "можем": "ем", "можете": "ете", "могут": "ут",
    "хочу": "у", "хочешь": "ешь", "хочет": "ет", "хотим": "им", "хотите": "ите", "хотят": "ят",
    "иду": "у", "идешь": "ешь", "идет": "ет", "идем": "ем", "идете": "ете", "идут": "ут",
    "еду": "у", "едешь": "ешь", "едет": "ет", "едут": "ут",
}  # fmt: skip


# --- of one word -----------------------------------------------------------------------------------------------------


def english_forms(one: str, other: str) -> bool:
    """Whether two words are made of one; not "bored" and "boring", which swap who does it."""
    if not _OTHER_WORDS.isdisjoint((one, other)):
        return False
    kinds = dict(_bases(one))
    for base, kind in _bases(other):
        pair = {kinds.get(base), kind}
        if None not in pair and len(base) >= LEAST_STEM and pair != {"ed", "ing"}:
            return "ly" not in pair or "" in pair
    return False


@lru_cache(8192)
def _bases(word: str) -> frozenset[tuple[str, str]]:
    """What an English word may be made of, and by which ending."""
    found = {(word, "")}
    if word.endswith("ies"):
        found.add((word[:-3] + "y", "s"))
    elif re.search(r"(?:[sxz]|ch|sh|o)es$", word):
        found |= {(word[:-2], "s"), (word[:-1], "s")}
    elif re.search(r"[^sxz]s$", word) and not re.search(r"(?:ch|sh|us|is)s?$", word):
        found.add((word[:-1], "s"))
    for ending in ("ed", "ing"):
        stem = word.removesuffix(ending)
        if stem != word:
            found |= {(base, ending) for base in _verbs(stem)}
    if word.endswith("ly"):
        found |= {(word[:-2], "ly"), (word[:-1] + "e", "ly"), (word[:-3] + "y" if word[-3] == "i" else word, "ly")}
    return frozenset(found)


def _verbs(stem: str) -> set[str]:
    """Verbs that have a stem before -ed or -ing."""
    if not re.search("[aeiouy]", stem):
        return set()
    found = set()
    if not _CLIPPED.fullmatch(stem) and not stem.endswith("e"):
        found.add(stem)
    if not stem.endswith("e") or len(stem) > LEAST_STEM:
        found.add(stem + "e")
    if re.search(r"([bcdfghklmnprtvz])\1$", stem):
        found.add(stem[:-1])
    if stem.endswith("i"):
        found.add(stem[:-1] + "y")
    return found


def russian_forms(one: str, other: str, *, name: bool) -> bool:
    """Whether two words have one stem, and endings that go together."""
    if bool(_REFLEXIVE.search(one)) != bool(_REFLEXIVE.search(other)):
        return False
    stem, left, right = split(_REFLEXIVE.sub("", one), _REFLEXIVE.sub("", other))
    if {left, right} in ({"", "те"}, {"", "ьте"}):  # say, to one or to many
        return False
    if {left, right} == {"", "ь"}:  # говорит, говорить; but брат, брать
        return stem.endswith("т") and len(stem) > LEAST_STEM + 1
    allowed = _RUSSIAN_ENDINGS - _NOT_OF_NAMES if name else _RUSSIAN_ENDINGS
    for shared in ("", stem[-1:], stem[-2:]):  # endings may begin alike: новый, новых
        if len(stem) - len(shared) >= LEAST_STEM and shared + left in allowed and shared + right in allowed:
            return True
    return False


def split(one: str, other: str) -> tuple[str, str, str]:
    """What two words begin with alike, and what follows in each."""
    least = min(len(one), len(other))
    size = next((n for n in range(least) if one[n] != other[n]), least)
    return one[:size], one[size:], other[size:]


# --- of another time, person or voice --------------------------------------------------------------------------------


def is_passive(words: list[str], place: int) -> bool:
    """Whether the word there is a form of "be" before a participle: without it another one does it."""
    following = words[place + 1 : place + 2]
    return words[place] in _BE and any(w.endswith(("ed", "en")) or w in _PARTICIPLES for w in following)


def is_shifted(before: list[str], i: int, after: list[str], j: int, language: str) -> bool:
    """Whether the form at ``j`` tells another time or person than the one at ``i`` did, and no word asks for it."""
    if language == "en":
        return _is_other_tense(before, i, after, j)
    return language == "ru" and _is_other_person(before[i], after, j)


def _is_other_tense(before: list[str], i: int, after: list[str], j: int) -> bool:
    one, other = before[i], after[j]
    kinds = dict(_bases(one))
    pairs = {(kinds[base], kind) for base, kind in _bases(other) if base in kinds}
    to_past = bool(pairs & {("", "ed"), ("s", "ed")}) or (
        frozenset((one, other)) in _IRREGULAR_PASTS and _is_past(other)
    )
    from_past = bool(pairs & {("ed", ""), ("ed", "s")}) or (
        frozenset((one, other)) in _IRREGULAR_PASTS and _is_past(one)
    )
    near = set(before[max(i - _NEAR, 0) : i]) & set(after[max(j - _NEAR, 0) : j])
    if to_past:
        told = near & _HELPERS or _PAST.intersection(after) or (other == "used" and after[j + 1 : j + 2] == ["to"])
        return not told
    return from_past and not near & _BARE_AFTER


def _is_past(word: str) -> bool:
    return word in {"came", "ran", "got", "went", "led"}


def _is_other_person(one: str, after: list[str], j: int) -> bool:
    """Of Russian verbs: unless the pronoun stands there now."""
    other = after[j]
    if one in _IRREGULAR_PERSONS and other in _IRREGULAR_PERSONS:
        left, right = _IRREGULAR_PERSONS[one], _IRREGULAR_PERSONS[other]
    else:
        stem, _, _ = split(_REFLEXIVE.sub("", one), _REFLEXIVE.sub("", other))
        left, right = (_REFLEXIVE.sub("", word)[len(stem) :] for word in (one, other))
        left, right = _whole(stem, left), _whole(stem, right)
    verbs = _THIRD | {"ешь", "ишь", "ете", "ите"}
    if {left, right} <= _THIRD and not j:  # nothing before it says who: говорят, говорит
        return (left in _MANY) != (right in _MANY)
    if left == right or {left, right} <= _THIRD or verbs.isdisjoint((left, right)):
        return False
    if not {left, right} <= verbs | _PERSONS.keys():
        return False
    near = after[max(j - _NEAR, 0) : j + 2]
    return not any(who in near for who in _PERSONS.get(right, ("он", "она", "оно", "они", "кто", "это")))


def _whole(stem: str, ending: str) -> str:
    """The ending with the vowel that belongs to it: two forms may share it (ид-е-шь, ид-е-т)."""
    if ending in {"шь", "т", "те", "м"} and stem[-1:] in {"е", "и"}:
        return stem[-1] + ending
    return ending
