"""verbose_json back into a transcript: ours, OpenAI's, openai-whisper's and WhisperX's.

Words may stand beside the segments (OpenAI) or inside them (openai-whisper, WhisperX), or be absent. Where a language
model has been over the text (``enhancement``), the original comes back.
"""

from __future__ import annotations

import codecs
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from stenogram.errors import NotTranscript, OptionError
from stenogram.languages import code_of
from stenogram.types import Segment, SpeakerTurn, Transcript, Word


class _Word(msgspec.Struct):
    word: str
    start: float | None = None
    end: float | None = None
    probability: float | None = None
    score: float | None = None
    """WhisperX's name for it."""
    interpolated: bool = False
    speaker: str | None = None


class _Segment(msgspec.Struct):
    start: float
    end: float
    text: str
    id: int | str | None = None
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


class _Turn(msgspec.Struct):
    start: float
    end: float
    speaker: str


class _Original(msgspec.Struct):
    segments: list[_Segment]
    language: str | None = None


class _Enhancement(msgspec.Struct):
    original: _Original


class _Body(msgspec.Struct):
    segments: list[_Segment]
    words: list[_Word] | None = None
    language: str | None = None
    duration: float | None = None
    task: str | None = None
    model: str | None = None
    warnings: list[str] | None = None
    turns: list[_Turn] | None = None
    diarizer: str | None = None
    enhancement: _Enhancement | None = None


def read(data: bytes, path: Path) -> Transcript:
    """The transcript in a verbose_json; ``path`` is for messages. Raises ``NotTranscript``.

    Segments keep their ids where these are numbers, each once; else they are numbered from 0.
    """
    try:
        body = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=_Body, strict=False)
        segments = _with_words(_segments(body.segments), [*_words(body.words or (), 0.0, math.inf)])
        language = _code(body.language)
        if body.enhancement is not None:
            original = body.enhancement.original
            before = {segment.id: segment for segment in _segments(original.segments)}
            segments = [before.get(segment.id, segment) for segment in segments]
            language = original.language
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotTranscript(path=path, cause=str(error).rstrip(".")) from error
    return Transcript(
        segments=tuple(segments),
        duration=max([body.duration or 0.0, *(segment.end for segment in segments)]),
        language=language,
        task="translate" if body.task == "translate" else "transcribe",
        model=body.model or "",
        warnings=tuple(body.warnings or ()),
        turns=tuple(SpeakerTurn(turn.start, turn.end, turn.speaker) for turn in body.turns or ()),
        diarizer=body.diarizer or "",
    )


def _segments(rows: Sequence[_Segment]) -> list[Segment]:
    ids = [row.id for row in rows if isinstance(row.id, int)]
    numbers = ids if len(set(ids)) == len(rows) else range(len(rows))
    return [_segment(number, row) for number, row in zip(numbers, rows, strict=True)]


def _segment(number: int, row: _Segment) -> Segment:
    if not 0 <= row.start <= row.end:
        cause = f"segment {number} is from {row.start:g} to {row.end:g} s"
        raise ValueError(cause)
    text = row.text.strip()
    return Segment(
        id=number,
        start=row.start,
        end=row.end,
        text=text,
        words=_as_written(text, tuple(_words(row.words or (), row.start, row.end))),
        tokens=tuple(row.tokens or ()),
        temperature=row.temperature or 0.0,
        avg_logprob=row.avg_logprob,
        compression_ratio=row.compression_ratio,
        no_speech_prob=row.no_speech_prob,
        speaker=row.speaker,
        channel=row.channel,
        retried=row.retried,
        suspect=row.suspect,
    )


def _words(rows: Sequence[_Word], start: float, end: float) -> Iterator[Word]:
    """The words; those without times (WhisperX has none for digits) share the gap they stand in."""
    for timed, group in itertools.groupby(enumerate(rows), lambda each: None not in (each[1].start, each[1].end)):
        places, words = zip(*group, strict=True)
        if timed:
            for row in words:
                start = row.end or 0.0
                yield _word(row, row.start or 0.0, start, interpolated=row.interpolated)
            continue
        after = places[-1] + 1
        until = max(start, (rows[after].start or 0.0) if after < len(rows) else end)
        share = (until - start) / len(words) if math.isfinite(until) else 0.0
        for number, row in enumerate(words):
            yield _word(row, start + number * share, start + (number + 1) * share, interpolated=True)


def _word(row: _Word, start: float, end: float, *, interpolated: bool) -> Word:
    probability = row.score if row.probability is None else row.probability
    return Word(row.word.strip(), start, end, probability, interpolated, row.speaker)


def _with_words(segments: list[Segment], words: Sequence[Word]) -> list[Segment]:
    """Each segment with its words, of those that stand beside the segments: by the text, else by the time."""
    if not words:
        return segments
    found, place = [], 0
    for segment in segments:
        mine = tuple(words[place : place + _spelling(words, place, segment.text)])
        if all(segment.start <= _middle(word) <= segment.end for word in mine):
            place += len(mine)
            segment = replace(segment, words=mine)  # noqa: PLW2901 - the same one, with its words
        found.append(segment)
    return found if place == len(words) else _by_time(segments, words)


def _spelling(words: Sequence[Word], place: int, text: str) -> int:
    """How many words from a place on make up a text, spaces aside: not every script has them. 0: they do not."""
    wanted, spelt = "".join(text.split()), ""
    for end in range(place, len(words)):
        spelt += words[end].word
        if spelt == wanted:
            return end + 1 - place
        if not wanted.startswith(spelt):
            break
    return 0


def _by_time(segments: list[Segment], words: Sequence[Word]) -> list[Segment]:
    """A word belongs to the last segment that has begun in the middle of it."""
    groups: list[list[Word]] = [[] for _ in segments]
    for word in words if segments else ():
        begun = [place for place, segment in enumerate(segments) if segment.start <= _middle(word)]
        groups[max(begun, key=lambda place: segments[place].start) if begun else 0].append(word)
    return [
        replace(segment, words=_as_written(segment.text, tuple(group)))
        for segment, group in zip(segments, groups, strict=True)
    ]


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2


def _as_written(text: str, words: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words with the punctuation of the text, which OpenAI's lack, where they are the same words."""
    written = text.split()
    if [_bare(word.word) for word in words] != [_bare(token) for token in written]:
        return words
    return tuple(replace(word, word=token) for word, token in zip(words, written, strict=True))


def _bare(word: str) -> str:
    return re.sub(r"\W", "", word).casefold()


def _code(language: str | None) -> str | None:
    """The code of a language by name or code; None: it is none that we know."""
    if not language:
        return None
    try:
        return code_of(language)
    except OptionError:
        return None
