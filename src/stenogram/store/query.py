"""What somebody searches for: words, and "exact phrases" in quotation marks.

Any text is a query, and nothing else in it has a meaning: it reaches no database as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stenogram.store.words import words

_QUOTES = re.compile('["“”„«»]')


@dataclass(frozen=True, slots=True)
class Term:
    """Words that must stand beside each other; mostly one."""

    words: tuple[str, ...]
    """As ``store.words`` folds them."""
    prefix: bool
    """The last may be the beginning of a word."""

    @property
    def needle(self) -> str:
        """How they stand in a text in which every word has a space on both sides."""
        return f" {' '.join(self.words)}" + ("" if self.prefix else " ")


def parse(query: str) -> tuple[Term, ...] | None:
    """The terms of a query, each once, all of which must be found; none: nothing can be. None: nothing is asked for.

    A word is found by its beginning. Of a word with an apostrophe or a hyphen (``don't``), and of a phrase, the parts
    must stand beside each other. A phrase that is not closed goes to the end.
    """
    terms = []
    for at, part in enumerate(_QUOTES.split(query)):
        exact = at % 2 == 1
        for piece in [part] if exact else part.split():
            found = tuple(words(piece))
            if found:
                terms.append(Term(found, prefix=not exact))
    if not terms and not _QUOTES.sub("", query).strip():
        return None
    return tuple(dict.fromkeys(terms))
