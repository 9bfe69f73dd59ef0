"""A transcript read back from verbose_json: ours, OpenAI's, or what Whisper's command lines and WhisperX write.

Asked for are ``segments`` with ``start``, ``end`` and ``text``. Words may stand at the top, in the order of the
segments, or inside each segment; one without a time is fitted between its neighbours. What a language model changed is
taken back: ``enhancement`` tells of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from stenogram import languages
from stenogram.enhancement import Change, ChatUsage, Doubt, EnhanceKind, Enhancement, Line
from stenogram.errors import NotTranscript, OptionError
from stenogram.types import Segment, SpeakerTurn, Task, Transcript, Word


@dataclass(frozen=True, slots=True)
class Found:
    """What a file of JSON holds."""

    transcript: Transcript
    """As it was before any language model."""
    enhancement: Enhancement | None = None
    """What was made of it, where the file tells."""
    reverted: frozenset[int] = frozenset()
    """Ids of changes that are not in the file's text."""


def read(body: str | bytes, name: str = "the file") -> Found:
    """The transcript in ``body``. Raises ``NotTranscript``, which calls it ``name``."""
    try:
        told = msgspec.json.decode(body, type=_Body, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)
        raise NotTranscript(path=name, cause=message[:1].lower() + message[1:]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotTranscript(path=name, cause="it is empty" if not body.strip() else "it is no JSON") from error
    if told.segments is None:
        raise NotTranscript(path=name, cause="there are no segments with times in it")
    transcript = _transcript(told, told.segments)
    if told.enhancement is None:
        return Found(transcript)
    before = {segment.id: segment for segment in map(_own_words, told.enhancement.original)}
    original = replace(transcript, segments=tuple(before.get(segment.id, segment) for segment in transcript.segments))
    if told.enhancement.kind == "translation":
        original = replace(original, language=_language(told.enhancement.original_language))
    return Found(
        original,
        _enhancement(told.enhancement, transcript, original, name),
        frozenset(change.id for change in told.enhancement.changes if not change.accepted),
    )


# --- the JSON --------------------------------------------------------------------------------------------------------


class _Word(msgspec.Struct, frozen=True):
    word: str
    start: float | None = None
    end: float | None = None
    probability: float | None = None
    score: float | None = None
    """WhisperX's name for it."""
    interpolated: bool = False
    speaker: str | None = None


class _Segment(msgspec.Struct, frozen=True):
    start: float
    end: float
    text: str
    id: Any = None
    words: list[_Word] | None = None
    tokens: list[int] | None = None
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    speaker: str | None = None
    channel: int | None = None
    retried: bool = False
    suspect: bool = False


class _Change(msgspec.Struct, frozen=True):
    id: int
    segment: int
    at: int
    before: str
    after: str
    start: float
    end: float
    accepted: bool = True


class _Kept(msgspec.Struct, frozen=True):
    segment: int
    reason: Doubt
    edit: str | None = None


class _Enhancement(msgspec.Struct, frozen=True):
    kind: EnhanceKind
    model: str
    prompt: int
    language: str | None
    changes: list[_Change]
    kept: list[_Kept]
    original: list[_Segment]
    usage: ChatUsage
    cached: bool = False
    original_language: str | None = None


class _Body(msgspec.Struct, frozen=True):
    segments: list[_Segment] | None = None
    words: list[_Word] | None = None
    language: str | None = None
    duration: float | None = None
    task: Task | None = None
    turns: list[SpeakerTurn] = []
    diarizer: str | None = None
    model: str | None = None
    warnings: list[str] = []
    enhancement: _Enhancement | None = None


# --- to values of ours -----------------------------------------------------------------------------------------------


def _transcript(told: _Body, segments: Sequence[_Segment]) -> Transcript:
    ids = [each.id for each in segments]
    numbered = all(type(each) is int for each in ids) and len(set(ids)) == len(ids)
    shared = list(told.words or ())
    made = []
    for place, each in enumerate(segments):
        words = each.words if each.words is not None else _taken(shared, each)
        made.append(_segment(each, each.id if numbered else place, words))
    last = max((segment.end for segment in made), default=0.0)
    return Transcript(
        segments=tuple(made),
        duration=last if told.duration is None else told.duration,
        language=_language(told.language),
        task=told.task or "transcribe",
        model=told.model or "",
        warnings=tuple(told.warnings),
        turns=tuple(told.turns),
        diarizer=told.diarizer or "",
    )


def _own_words(told: _Segment) -> Segment:
    return _segment(told, told.id, told.words or ())


def _segment(told: _Segment, number: int, words: Sequence[_Word]) -> Segment:
    text = told.text.strip()
    end = max(told.start, told.end)
    return Segment(
        id=number,
        start=told.start,
        end=end,
        text=text,
        words=_spelt(text, _timed(words, told.start, end)),
        tokens=tuple(told.tokens or ()),
        temperature=told.temperature or 0.0,
        avg_logprob=told.avg_logprob,
        compression_ratio=told.compression_ratio,
        no_speech_prob=told.no_speech_prob,
        speaker=told.speaker,
        channel=told.channel,
        retried=told.retried,
        suspect=told.suspect,
    )


def _taken(words: list[_Word], segment: _Segment) -> list[_Word]:
    """The words at the front of the list that are the segment's: those that spell its text, else those in its time."""
    count = _spelling(words, segment.text, _bare)
    if count is None:
        count = _spelling(words, segment.text, _letters)
    if count is None:
        later = (place for place, word in enumerate(words) if word.start is not None and word.start >= segment.end)
        count = next(later, len(words))
    taken = words[:count]
    del words[:count]
    return taken


def _spelling(words: Sequence[_Word], text: str, form: Callable[[str], str]) -> int | None:
    """How many words make up the text; None: they do not."""
    wanted, spelt = form(text), ""
    for count, word in enumerate(words):
        if spelt == wanted:
            return count
        spelt += form(word.word)
        if not wanted.startswith(spelt):
            return None
    return len(words) if spelt == wanted else None


def _timed(words: Sequence[_Word], start: float, end: float) -> tuple[Word, ...]:
    """Words with times; those that have none share the gap between their neighbours."""
    made: list[Word] = []
    for place, told in enumerate(words):
        at, until = told.start, told.end
        unknown = at is None or until is None
        if at is None or until is None:
            known = [(each.start, left) for left, each in enumerate(words[place:]) if each.start is not None]
            border, left = known[0] if known else (end, len(words) - place)
            at = made[-1].end if made else start
            until = at + max((border or 0.0) - at, 0.0) / max(left, 1)
        probability = told.score if told.probability is None else told.probability
        made.append(
            Word(told.word.strip(), at, max(at, until), probability, told.interpolated or unknown, told.speaker)
        )
    return tuple(made)


def _spelt(text: str, words: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words as the text has them, where they differ in marks and capital letters only, as OpenAI's do."""
    tokens = text.split()
    if [_letters(token) for token in tokens] != [_letters(word.word) for word in words]:
        return words
    return tuple(replace(word, word=token) for word, token in zip(words, tokens, strict=True))


def _bare(text: str) -> str:
    return "".join(text.split())


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()


def _language(told: str | None) -> str | None:
    if not told:
        return None
    try:
        return languages.code_of(told)
    except OptionError:
        return None


def _enhancement(told: _Enhancement, now: Transcript, before: Transcript, name: str) -> Enhancement:
    changes = tuple(
        Change(each.id, each.segment, each.at, each.before, each.after, each.start, each.end) for each in told.changes
    )
    kept = {each.segment: each for each in told.kept}
    lines = []
    for segment, original in zip(now.segments, before.segments, strict=True):
        doubted = kept.get(segment.id)
        text = segment.text
        if told.kind == "clean":
            text = _edited(original, [change for change in changes if change.segment == segment.id], name)
        lines.append(
            Line(segment.id, text, text)
            if doubted is None
            else Line(segment.id, original.text, doubted.edit, doubted.reason)
        )
    return Enhancement(
        told.kind, told.model, told.prompt, tuple(lines), changes, None, told.language, told.usage, told.cached
    )


def _edited(segment: Segment, changes: Sequence[Change], name: str) -> str:
    pieces, through = [], 0
    for change in sorted(changes, key=lambda change: (change.at, change.id)):
        end = change.at + len(change.before)
        if change.at < through or segment.text[change.at : end] != change.before:
            raise NotTranscript(path=name, cause=f"its change {change.id} does not fit its text")
        pieces += [segment.text[through : change.at], change.after]
        through = end
    return "".join([*pieces, segment.text[through:]])
