"""The bodies of the OpenAI audio API: ``json`` and ``verbose_json``, field by field as its clients parse them.

Keys of ours come on top of the API's and only where they say something: a word's ``probability``, ``interpolated`` and
``speaker``; a segment's ``speaker``, ``channel``, ``retried`` and ``suspect``; at the top ``speakers``, ``turns`` and
``diarizer`` where speakers were told apart, ``model``, ``warnings``, and ``enhancement`` where a language model has
been over the text.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any, Literal

from stenogram.languages import NAMES
from stenogram.types import NAMELESS, Segment, Transcript, Word

Granularity = Literal["segment", "word"]
Usage = Literal["duration", "tokens"]
"""How the API counts: whisper-1 by seconds, its younger models by tokens."""
SEGMENTS: tuple[Granularity, ...] = ("segment",)
"""What verbose_json carries unless asked otherwise."""
_AUDIO_TOKENS_PER_S = 10
"""One for each 100 ms of a user's sound, as OpenAI's Realtime API counts them."""
_LEAST_PROBABILITY = 1e-9


def json(transcript: Transcript) -> str:
    """The text and what was used: nothing else, as the API."""
    return encoded({"text": transcript.text, "usage": usage(transcript)})


def verbose_json(
    transcript: Transcript,
    granularities: Collection[Granularity] = SEGMENTS,
    enhancement: Mapping[str, Any] | None = None,
) -> str:
    """The text with its segments, words or both; ``enhancement``: what a language model has done to it.

    As the API does: ``("word",)`` gives words and no segments, ``()`` or ``("segment",)`` segments and no words, both
    give both. ``language`` is the English name ("english"; "" when unknown); of a translation, which is English, it is
    "english".
    """
    body: dict[str, Any] = {
        "task": transcript.task,
        "language": _language(transcript),
        "duration": seconds(transcript.duration),
        "text": transcript.text,
    }
    if "segment" in granularities or "word" not in granularities:
        body["segments"] = [segment_object(segment) for segment in transcript.segments]
    if "word" in granularities:
        body["words"] = [word_object(word) for word in transcript.words]
    body["usage"] = usage(transcript)
    body |= _who_spoke(transcript)
    if transcript.model:
        body["model"] = transcript.model
    if transcript.warnings:
        body["warnings"] = list(transcript.warnings)
    if enhancement is not None:
        body["enhancement"] = enhancement
    return encoded(body)


def diarized_json(transcript: Transcript, known_speakers: Sequence[str] = (), counted_in: Usage = "duration") -> str:
    """The text by speakers: the names that are known, and letters for the others, in order of appearance.

    A name is known where it is among ``known_speakers``, or is none that diarization makes up (``SPEAKER_00``). A
    transcript without speakers has one, A.
    """
    segments = diarized_segments(transcript, known_speakers)
    lines: list[str] = []
    for number, segment in enumerate(segments):
        if number and segments[number - 1]["speaker"] == segment["speaker"]:
            lines[-1] += f" {segment['text']}"
        else:
            lines.append(f"{segment['speaker']}: {segment['text']}")
    body = {
        "task": transcript.task,
        "duration": seconds(transcript.duration),
        "text": "\n".join(lines),
        "segments": segments,
        "usage": usage(transcript, counted_in),
    }
    return encoded(body)


def diarized_segments(transcript: Transcript, known_speakers: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The segments of diarized_json; each is also the event of a stream that tells of it."""
    segments = [segment for segment in transcript.segments if segment.text]
    labels = Labels([*known_speakers, *(segment.speaker for segment in segments if segment.speaker)])
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03d}",
            "start": seconds(segment.start),
            "end": seconds(segment.end),
            "text": segment.text,
            "speaker": labels.of(segment.speaker),
        }
        for number, segment in enumerate(segments, start=1)
    ]


class Labels:
    """What the wire calls speakers; ``known`` are names that keep, but for those that diarization makes up."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self._known = {name for name in known if not NAMELESS.fullmatch(name)}
        self._labels: dict[str, str] = {}
        self._free = (label for label in map(_letters, count()) if label not in self._known)

    def of(self, speaker: str | None) -> str:
        """The label of a speaker: a known name as it is, else the next letter (A to Z, AA ...) that is no name."""
        name = speaker or ""
        if name in self._known:
            return name
        if name not in self._labels:
            self._labels[name] = next(self._free)
        return self._labels[name]


def logprobs(segment: Segment, text: str) -> list[dict[str, Any]]:
    """The parts of ``text``, which is the segment's with a space before it or none, and how likely each was.

    Joined, the parts are the text to the letter. One part for each word, because not every engine tells of tokens;
    of a word whose probability the engine does not tell, the mean of its segment; where that is not known either,
    ``logprob`` is left out.
    """
    pieces: list[tuple[str, float | None]] = []
    begin = 0
    for word in segment.words:
        found = text.find(word.word, begin)
        if found < 0 or not word.word:
            continue
        end = found + len(word.word)
        pieces.append((text[begin:end], _log(word.probability, segment.avg_logprob)))
        begin = end
    rest = text[begin:]
    if rest and pieces:
        pieces[-1] = pieces[-1][0] + rest, pieces[-1][1]
    elif rest:
        pieces.append((rest, _log(None, segment.avg_logprob)))
    return [
        {"token": piece, **({} if value is None else {"logprob": value}), "bytes": list(piece.encode())}
        for piece, value in pieces
    ]


def _log(probability: float | None, mean: float | None) -> float | None:
    if probability is not None and math.isfinite(probability):
        mean = math.log(max(probability, _LEAST_PROBABILITY))
    return round(min(mean, 0.0), 6) + 0.0 if mean is not None and math.isfinite(mean) else None


def _letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _who_spoke(transcript: Transcript) -> dict[str, Any]:
    """The speakers in order of appearance, their turns, and who told them apart; each only where there is something."""
    turns = sorted(transcript.turns, key=lambda turn: turn.start)
    names = [*(turn.speaker for turn in turns), *(segment.speaker for segment in transcript.segments)]
    found: dict[str, Any] = {
        "speakers": [name for name in dict.fromkeys(names) if name],
        "turns": [{"start": seconds(turn.start), "end": seconds(turn.end), "speaker": turn.speaker} for turn in turns],
        "diarizer": transcript.diarizer,
    }
    return {key: value for key, value in found.items() if value}


def _language(transcript: Transcript) -> str:
    code = "en" if transcript.task == "translate" else transcript.language or ""
    return NAMES.get(code, code)


def usage(transcript: Transcript, counted_in: Usage = "duration") -> dict[str, Any]:
    """What the API would bill: whole seconds, rounded up; or tokens, those of the text as our engine counted them."""
    length_s = seconds(transcript.duration)
    if counted_in == "duration":
        return {"type": "duration", "seconds": math.ceil(length_s)}
    heard = math.ceil(round(length_s * _AUDIO_TOKENS_PER_S, 3))
    written = sum(len(segment.tokens) for segment in transcript.segments)
    return {
        "type": "tokens",
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": written,
        "total_tokens": heard + written,
    }


def segment_object(segment: Segment) -> dict[str, Any]:
    """A segment of verbose_json.

    The client's types are plain floats: a measure that the engine did not give is 0.0, never null.
    """
    fields: dict[str, Any] = {
        "id": segment.id,
        # Whisper: the mel frame (10 ms) at which the decoded window began. Our windows are cut at pauses instead, so
        # the segment's own first frame is the truth closest to it.
        "seek": round(segment.start * 100),
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": " " + segment.text,
        "tokens": list(segment.tokens),
        "temperature": _measure(segment.temperature),
        "avg_logprob": _measure(segment.avg_logprob),
        "compression_ratio": _measure(segment.compression_ratio),
        "no_speech_prob": _measure(segment.no_speech_prob),
    }
    if segment.speaker is not None:
        fields["speaker"] = segment.speaker
    if segment.channel is not None:
        fields["channel"] = segment.channel
    if segment.retried:
        fields["retried"] = True
    if segment.suspect:
        fields["suspect"] = True
    return fields


def word_object(word: Word) -> dict[str, Any]:
    """A word of verbose_json."""
    fields: dict[str, Any] = {"word": word.word, "start": seconds(word.start), "end": seconds(word.end)}
    if word.probability is not None:
        fields["probability"] = _measure(word.probability)
    if word.interpolated:
        fields["interpolated"] = True
    if word.speaker is not None:
        fields["speaker"] = word.speaker
    return fields


def seconds(value: float) -> float:
    """To the millisecond; adding 0.0 turns -0.0 into 0.0."""
    return round(float(value), 3) + 0.0


def _measure(value: float | None) -> float:
    """Six decimals; JSON has no NaN and no infinity."""
    return round(float(value), 6) + 0.0 if value is not None and math.isfinite(value) else 0.0


def encoded(body: dict[str, Any]) -> str:
    """A body as JSON in one line, without NaN or infinity."""
    from json import dumps

    return dumps(body, ensure_ascii=False, allow_nan=False) + "\n"
