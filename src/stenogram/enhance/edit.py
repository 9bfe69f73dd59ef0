"""A transcript edited by hand: consecutive segments are replaced by others, and the words follow what is written.

That one operation splits and joins, inserts and deletes, corrects, says who speaks, and takes all of it back. Words
that stay keep their time and probability to the last bit; others are fitted (``enhance.fitting``).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stenogram.enhance.alignment import Effort
from stenogram.enhance.diff import differences
from stenogram.enhance.fitting import Clock, Piece, Span, fitted, placed, tokens
from stenogram.enhance.turns import Turns
from stenogram.errors import NotFound, OptionError
from stenogram.types import Segment, Transcript, Word

MOST_TEXT_CHARS = 50_000
"""Of one segment: an hour of speech."""
MOST_CHARS = 6_000_000
"""Of a transcript that grows by an edit: a hundred hours of speech."""
MOST_SEGMENTS = 100_000
"""Of a transcript that grows by an edit."""
MOST_RESHAPED = 1000
"""Edits at once that change how many segments there are: for each of them all are counted anew."""
_MOST_PAIRS = 2_000_000
"""Of equal words that are compared in all edits at once: a few seconds (``alignment.MOST_PAIRS``)."""
_SHOWN = 20
_AFTER_END_S = 1.0
"""Given times may be so much later than the end of the recording: engines round."""
_CHAR_S = 0.07
"""What is put in where nothing was is spoken at this pace, a quick one, as far as there is room."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a segment is to be."""

    text: str
    speaker: str | None = None
    """Their label."""
    keep_speaker: bool = False
    """Who speaks now goes on speaking, whatever ``speaker`` says."""
    words: tuple[Word, ...] | None = None
    """With their times, where they are known; they count only if they are those of the text."""
    start: float | None = None
    end: float | None = None
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """Consecutive segments, and what is to stand in their place."""

    replace: tuple[int, ...]
    """Their ids, in order."""
    by: tuple[Passage, ...]
    after: int | None = None
    """Where nothing is replaced: behind this segment; None: at the beginning."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A transcript after some edits."""

    transcript: Transcript
    made: tuple[tuple[Segment, ...], ...]
    """For each edit what stands in place of its segments."""
    next_id: int
    """No segment had this id yet, nor any higher one."""


def edit(transcript: Transcript, edits: Sequence[Edit], next_id: int) -> Edited:
    """The transcript after ``edits``, one after the other.

    A segment that is replaced by one keeps its id; others count up from ``next_id``. The turns of the speakers follow.
    Raises ``NotFound`` for a segment that is not there, ``OptionError`` for what cannot be.
    """
    editor = _Editor(transcript, next_id)
    made = tuple(editor.apply(each) for each in edits)
    _check_size(transcript.segments, editor.segments)
    changed = replace(transcript, segments=tuple(editor.segments), turns=tuple(editor.turns.told()))
    return Edited(changed, made, editor.next_id)


def plain(text: str) -> str:
    """A segment's text in its normal form: on one line, without spaces around it. Raises ``OptionError``."""
    normal = "".join(" " if sign in "\t\n\r" else sign for sign in text).strip()
    if not normal:
        raise _refused("text", text, "a segment must say something; to delete it, replace it by nothing")
    if len(normal) > MOST_TEXT_CHARS:
        raise _refused("text", text, f"must not be longer than {MOST_TEXT_CHARS} characters")
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in normal):
        raise _refused("text", text, "must hold no control characters")
    return normal


def _check_size(before: Sequence[Segment], after: Sequence[Segment]) -> None:
    if len(after) > max(len(before), MOST_SEGMENTS):
        raise _refused("edits", len(after), f"a transcript can have {MOST_SEGMENTS} segments")
    chars = sum(len(segment.text) for segment in after)
    if chars > max(MOST_CHARS, sum(len(segment.text) for segment in before)):
        raise _refused("edits", chars, f"a transcript can have {MOST_CHARS} characters")


@dataclass(slots=True)
class _Room:
    """The time between what stands before some segments and what stands behind them."""

    earliest: float
    """Nothing in between may begin before this."""
    free: float
    """When what stands before has ended."""
    latest: float
    """Nothing in between may begin after this."""
    end: float
    """Of the recording."""
    timed: bool
    """Words have times here."""


class _Editor:
    """The segments while they are edited."""

    def __init__(self, transcript: Transcript, next_id: int) -> None:
        self.segments = list(transcript.segments)
        self.turns = Turns(transcript.turns)
        self.next_id = next_id
        self._end = max([transcript.duration, *(segment.end for segment in transcript.segments)])
        self._timed = any(segment.words for segment in transcript.segments) or not transcript.segments
        self._places: dict[int, int] = {}
        self._reshaped = 0
        self._effort = Effort(_MOST_PAIRS)

    def apply(self, wish: Edit) -> tuple[Segment, ...]:
        first, last = self._range(wish)
        old = self.segments[first:last]
        before = self.segments[first - 1] if first else None
        behind = self.segments[last] if last < len(self.segments) else None
        room = _Room(
            earliest=before.start if before else 0.0,
            free=before.end if before else 0.0,
            latest=behind.start if behind else self._end,
            end=self._end,
            timed=self._timed,
        )
        if not old and wish.by:
            old = [_gap(before, behind, self._end, wish.by)]
        new = self._numbered([*_written(old, wish.by, room, self._effort)], same=len(wish.replace) == len(wish.by) == 1)
        self.turns.give(self.segments[first:last], new)
        gone = self.segments[first:last]
        self.segments[first:last] = new
        self._note_places(first, gone, new)
        return tuple(new)

    def _note_places(self, first: int, gone: Sequence[Segment], new: Sequence[Segment]) -> None:
        if len(gone) == len(new):
            for segment in gone:
                del self._places[segment.id]
            self._places.update((segment.id, first + offset) for offset, segment in enumerate(new))
            return
        self._places.clear()
        self._reshaped += 1
        if self._reshaped > MOST_RESHAPED:
            cause = f"at most {MOST_RESHAPED} edits at once can change how many segments there are"
            raise _refused("edits", self._reshaped, f"{cause}; save in smaller steps")

    def _range(self, wish: Edit) -> tuple[int, int]:
        """Places of the first of the segments, and behind the last."""
        if not self._places:
            self._places = {segment.id: place for place, segment in enumerate(self.segments)}
        for number in (*wish.replace, *(() if wish.after is None or wish.replace else (wish.after,))):
            if number not in self._places:
                raise NotFound(what="segment", id=number)
        if not wish.replace:
            place = 0 if wish.after is None else self._places[wish.after] + 1
            return place, place
        places = [self._places[number] for number in wish.replace]
        if any(right != left + 1 for left, right in pairwise(places)):
            raise _refused("replace", list(wish.replace[:_SHOWN]), "are not consecutive segments, in order")
        return places[0], places[-1] + 1

    def _numbered(self, new: list[Segment], *, same: bool) -> list[Segment]:
        if same:
            return new
        numbered = [replace(segment, id=self.next_id + place) for place, segment in enumerate(new)]
        self.next_id += len(new)
        return numbered


# --- what stands there then ---


def _gap(before: Segment | None, behind: Segment | None, end: float, by: Sequence[Passage]) -> Segment:
    """A segment that says nothing, where something is to be put in."""
    last = behind.start if behind else end
    first = min(before.end if before else 0.0, last)
    first = max(first, before.start if before else 0.0)
    length = sum(len(passage.text) for passage in by) * _CHAR_S
    near = before or behind
    return Segment(
        0,
        first,
        min(first + length, max(last, first)),
        "",
        speaker=near.speaker if near else None,
        channel=near.channel if near else None,
    )


def _written(old: Sequence[Segment], by: Sequence[Passage], room: _Room, effort: Effort) -> Iterator[Segment]:
    if not by:
        return
    texts = [plain(passage.text) for passage in by]
    fits = _shares(old, texts, room, effort)
    for place, (passage, text) in enumerate(zip(by, texts, strict=True)):
        own = old[min(place, len(old) - 1)]
        words = _given(passage, text, room)
        exact = words is not None
        if words is None:
            words = fits[place]
        speaker = own.speaker if passage.keep_speaker else passage.speaker
        words = tuple(word if word.speaker == speaker else replace(word, speaker=speaker) for word in words)
        outer = (old[0].start if place == 0 else None, old[-1].end if place == len(by) - 1 else None)
        start, end = _times(passage, words, outer, room, exact=exact)
        made = replace(own, start=start, end=end, text=text, words=words, speaker=speaker, suspect=passage.suspect)
        if text != own.text:  # what the engine thought of it is about what it wrote
            made = replace(
                made, tokens=(), temperature=0.0, avg_logprob=None, compression_ratio=None, no_speech_prob=None
            )
            made = replace(made, retried=False)
        yield made if room.timed else replace(made, words=())


def _shares(old: Sequence[Segment], texts: Sequence[str], room: _Room, effort: Effort) -> list[tuple[Word, ...]]:
    """The words of each text, fitted to the time of the old ones; what is added at an end goes into the pause there."""
    first, last = min(segment.start for segment in old), max(segment.end for segment in old)
    before, text = " ".join(segment.text for segment in old if segment.text), " ".join(texts)
    more_s = max(len(text) - len(before), 0) * _CHAR_S if room.timed and before else 0.0
    whole = Segment(
        old[0].id,
        min(first, max(room.free, first - more_s)),
        max(last, min(room.latest, last + more_s)),
        before,
        tuple(word for segment in old for word in _words(segment)),
        speaker=old[0].speaker,
        channel=old[0].channel,
    )
    if whole.words:
        found = fitted(whole, text, _pieces(whole.text, text, effort))
    else:
        blank = replace(whole, text=text)
        found = list(zip(tokens(text), _spread(blank), strict=True))
    shares: list[tuple[Word, ...]] = []
    end, place = -1, 0
    for each in texts:
        end += len(each) + 1
        begun = place
        while place < len(found) and found[place][0].begin < end:
            place += 1
        shares.append(tuple(word for _, word in found[begun:place]))
    return shares


def _pieces(before: str, after: str, effort: Effort) -> list[Piece]:
    """The new text in stretches, in order."""
    pieces: list[Piece] = []
    left = right = 0
    for at, gone, come in differences(before, after, effort):
        kept = at - left
        pieces.append(Piece(Span(right, right + kept), Span(left, at), kept=True))
        right += kept
        pieces.append(Piece(Span(right, right + len(come)), Span(at, at + len(gone)), kept=False))
        left, right = at + len(gone), right + len(come)
    pieces.append(Piece(Span(right, len(after)), Span(left, len(before)), kept=True))
    return pieces


def _words(segment: Segment) -> Sequence[Word]:
    """The words of a segment; where there are none, or they are not those of its text, each gets its share of it."""
    return segment.words if placed(segment) is not None else _spread(segment)


def _spread(segment: Segment) -> list[Word]:
    clock = Clock(replace(segment, words=()))
    return [
        Word(segment.text[span.begin : span.end], *clock.time(span), interpolated=True, speaker=segment.speaker)
        for span in tokens(segment.text)
    ]


# --- times that are given ---


def _given(passage: Passage, text: str, room: _Room) -> tuple[Word, ...] | None:
    """The words that came with a passage, checked; None: there were none, or they are not those of the text."""
    words = passage.words
    if words is None or (words and placed(Segment(0, 0.0, 0.0, text, words)) is None):
        return None
    if not words and room.timed and any(map(str.isalnum, text)):
        return None
    latest = room.end + _AFTER_END_S
    for word in words:
        if not (math.isfinite(word.start) and math.isfinite(word.end) and 0.0 <= word.start <= word.end <= latest):
            raise _refused("words", [word.word, word.start, word.end], "is no time in the recording")
        if word.probability is not None and not 0.0 <= word.probability <= 1.0:
            raise _refused("words", [word.word, word.probability], "a probability is between 0 and 1")
    if any(left.start > right.start for left, right in pairwise(words)):
        raise _refused("words", text, "must be in order of time")
    return words


def _times(
    passage: Passage, words: Sequence[Word], outer: tuple[float | None, float | None], room: _Room, *, exact: bool
) -> tuple[float, float]:
    """Start and end of a segment: as given, where its words lie within; else those of its words, or of what it was."""
    latest = room.end + _AFTER_END_S
    if passage.start is not None or passage.end is not None:
        given = (passage.start, passage.end)
        if any(time is not None and not 0.0 <= time <= latest for time in given):
            raise _refused("start", given, "is no time in the recording")
    first = words[0].start if words else None
    last = max(word.end for word in words) if words else None
    start = passage.start if passage.start is not None else _first(None if exact else outer[0], first, outer[0])
    start = start if first is None else min(start, first)
    end = passage.end if passage.end is not None else _first(None if exact else outer[1], last, outer[1])
    end = max(start, end if last is None else max(end, last))
    if exact and not room.earliest <= start <= room.latest:
        raise _refused("words", passage.text, "must lie between those of the segments before and behind")
    return start, end


def _first(*times: float | None) -> float:
    return next((time for time in times if time is not None), 0.0)


def _refused(name: str, value: object, cause: str) -> OptionError:
    shown = value[:80] if isinstance(value, str) else value
    return OptionError(name=name, value=shown, cause=cause, param=name)
