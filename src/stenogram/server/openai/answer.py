"""Answers of the OpenAI audio API: whole, or event by event."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from stenogram import formats
from stenogram.formats import openai
from stenogram.server.openai.request import WireRequest
from stenogram.types import SubtitleOptions, Transcript


def body(request: WireRequest, transcript: Transcript) -> tuple[str, str]:
    """The whole answer, and its media type."""
    known = formats.format_named(request.response_format)
    if request.response_format == "json":
        told = json.loads(openai.json(transcript))
        return json.dumps(told | _extras(request, transcript), ensure_ascii=False), known.media_type
    if request.response_format == "verbose_json" and request.warnings:
        told = json.loads(openai.verbose_json(transcript, request.granularities))
        told["warnings"] = [*told.get("warnings", []), *request.warnings]
        return json.dumps(told, ensure_ascii=False), known.media_type
    if request.response_format == "diarized_json":
        return openai.diarized_json(transcript, request.speakers), known.media_type
    text = formats.render(transcript, known.name, SubtitleOptions(), request.granularities)
    return text, f"{known.media_type}; charset=utf-8"


class Stream:
    """Turns segments into the events of a stream; the deltas joined are the text of the last event, to the letter."""

    def __init__(self, request: WireRequest) -> None:
        self._request = request
        self._labels = openai.Labels(request.speakers)
        self._text = ""
        self._count = 0

    def segment(self, segment: Mapping[str, Any]) -> Iterator[str]:
        """The events for a segment as the job's events have it."""
        text = str(segment["text"])
        if not text:
            return
        self._count += 1
        if self._request.response_format == "diarized_json":
            yield event(
                {
                    "type": "transcript.text.segment",
                    "id": f"seg_{self._count:03d}",
                    "start": round(segment["start"], 3),
                    "end": round(segment["end"], 3),
                    "text": text,
                    "speaker": self._labels.of(segment.get("speaker")),
                }
            )
        yield self._delta((" " if self._text else "") + text, segment)

    def done(self, transcript: Transcript) -> Iterator[str]:
        """The last events."""
        whole = transcript.text
        if whole != self._text and whole.startswith(self._text):
            yield self._delta(whole[len(self._text) :], {})
        last = {"type": "transcript.text.done", "text": self._text, "usage": openai.usage(transcript)}
        yield event(last | _extras(self._request, transcript))

    def _delta(self, text: str, segment: Mapping[str, Any]) -> str:
        self._text += text
        told: dict[str, Any] = {"type": "transcript.text.delta", "delta": text}
        if self._request.logprobs:
            told["logprobs"] = [
                _logprob(word["word"], word.get("probability"), segment.get("avg_logprob"))
                for word in segment.get("words") or ()
            ]
        return event(told)


def event(data: Mapping[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _extras(request: WireRequest, transcript: Transcript) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if request.logprobs:
        extras["logprobs"] = [
            _logprob(word.word, word.probability, segment.avg_logprob)
            for segment in transcript.segments
            for word in segment.words
        ]
    if request.tells_languages and transcript.language:
        extras["languages"] = [{"code": transcript.language}]
    if request.warnings:
        extras["warnings"] = list(request.warnings)
    return extras


def _logprob(word: str, probability: float | None, mean: float | None) -> dict[str, Any]:
    """Per word, for our engines do not all tell of tokens; of one without a probability its segment's ``mean``."""
    token = f" {word}"
    logprob = math.log(max(probability, 1e-9)) if probability is not None else mean or 0.0
    return {"token": token, "logprob": round(min(logprob, 0.0), 6), "bytes": list(token.encode())}
