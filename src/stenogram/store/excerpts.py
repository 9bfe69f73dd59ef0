"""Where in a document the terms of a query are, and how that reads."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stenogram.store.query import Term
from stenogram.store.search import Places
from stenogram.store.words import tokens

MOST = 3
"""Snippets of one document."""
_LONG_CHARS = 280
"""A longer segment is shown around its first hit."""
_BEFORE_CHARS = 60
_ELLIPSIS = "…"

Mark = tuple[int, int]
"""Begin and end in a text, in code points."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A segment with what was searched for."""

    segment: int
    """Its id."""
    start: float
    """Seconds."""
    text: str
    """As it stands in the transcript; a long one is cut at spaces, which an ellipsis tells."""
    marks: tuple[Mark, ...]
    """What was found, in order: positions in ``text``."""


@dataclass(frozen=True, slots=True)
class Excerpts:
    """What a document has of a query."""

    hits: int = 0
    """Segments in which something of it begins."""
    snippets: tuple[Snippet, ...] = ()
    """Those first in which most of the terms are, then the earlier ones."""


def find(terms: Sequence[Term], body: str, places: Places) -> Excerpts:
    """The best places of a document: ``body`` are its words, ``places`` its segments."""
    found: dict[int, int] = {}
    for term in terms:
        for at in _segments(term.needle, body, places.at):
            found[at] = found.get(at, 0) + 1
    best = heapq.nsmallest(MOST, found, key=lambda at: (-found[at], at))
    return Excerpts(len(found), tuple(_snippet(terms, body, places, at) for at in best))


def _segments(needle: str, body: str, starts: Sequence[int]) -> Iterator[int]:
    """Indexes of the segments in which a needle begins, each once."""
    position = body.find(needle)
    while position >= 0:
        at = bisect_right(starts, position) - 1  # of several that begin here, all but the last are without words
        yield at
        position = body.find(needle, starts[at + 1]) if at + 1 < len(starts) else -1


def _snippet(terms: Sequence[Term], body: str, places: Places, at: int) -> Snippet:
    begin, text = places.at[at], places.texts[at]
    end = places.at[at + 1] if at + 1 < len(places.at) else len(body)
    stand = list(tokens(text))
    marks = []
    for term in terms:
        position = body.find(term.needle, begin)
        while 0 <= position < end:
            first = body.count(" ", begin, position)
            if first >= len(stand):  # put in when the rules of ``store.words`` were others
                break
            last = min(first + len(term.words), len(stand)) - 1  # a phrase may go on in the next segment
            marks.append((stand[first].start, stand[last].end))
            position = body.find(term.needle, position + 1)
    return _cut(Snippet(places.ids[at], places.starts[at], text, tuple(_merged(marks))))


def _merged(marks: list[Mark]) -> Iterator[Mark]:
    """Marks in order, of which none touches another."""
    begin, end = -1, -1
    for first, last in sorted(marks):
        if first > end:
            if end >= 0:
                yield begin, end
            begin = first
        end = max(end, last)
    if end >= 0:
        yield begin, end


def _cut(snippet: Snippet) -> Snippet:
    """The part of a long snippet around its first mark."""
    text, marks = snippet.text, snippet.marks
    if len(text) <= _LONG_CHARS or not marks:
        return snippet
    begin = 0
    if marks[0][0] > _BEFORE_CHARS:
        begin = text.find(" ", marks[0][0] - _BEFORE_CHARS, marks[0][0]) + 1 or marks[0][0]
    end = min(begin + _LONG_CHARS, len(text))
    if end < len(text):
        end = max(text.rfind(" ", marks[0][1], end), marks[0][1])
    before, after = _ELLIPSIS if begin else "", _ELLIPSIS if end < len(text) else ""
    moved = len(before) - begin
    kept = tuple((first + moved, min(last, end) + moved) for first, last in marks if first < end)
    return Snippet(snippet.segment, snippet.start, before + text[begin:end] + after, kept)
