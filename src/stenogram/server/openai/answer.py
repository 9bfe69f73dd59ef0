"""Answers of the OpenAI audio API: whole, or event by event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from stenogram import formats
from stenogram.formats import openai
from stenogram.server.openai.request import WireRequest
from stenogram.types import Segment, SubtitleOptions, Transcript

PING = ": ping\n\n"
"""A comment: it keeps the connection, and clients pass over it."""


def body(request: WireRequest, transcript: Transcript) -> tuple[str, str]:
    """The whole answer, and its media type."""
    known = formats.format_named(request.response_format)
    if request.response_format == "json":
        return openai.encoded(_json(request, transcript)), known.media_type
    if request.response_format == "diarized_json":
        return openai.diarized_json(transcript, _names(request), request.usage), known.media_type
    told = replace(transcript, warnings=(*transcript.warnings, *request.warnings))
    text = formats.render(told, request.response_format, SubtitleOptions(), request.granularities)
    return text, known.media_type if known.media_type == "application/json" else f"{known.media_type}; charset=utf-8"


class Stream:
    """Turns segments into the events of a stream; the deltas joined are the text of the last event, to the letter.

    Who speaks is known when all is heard: the segments of diarized_json come after the deltas.
    """

    def __init__(self, request: WireRequest) -> None:
        self._request = request
        self._text = ""
        self._logprobs: list[dict[str, Any]] = []

    def segment(self, segment: Segment) -> Iterator[str]:
        """The events for one more segment."""
        if not segment.text:
            return
        told: dict[str, Any] = {}
        text = (" " if self._text else "") + segment.text
        if self._request.logprobs:
            told["logprobs"] = openai.logprobs(segment, text)
            self._logprobs += told["logprobs"]
        self._text += text
        yield _delta(text, **told)

    def done(self, transcript: Transcript) -> Iterator[str]:
        """The last event; before it what the segments did not tell, if there is any, and who speaks."""
        whole = transcript.text
        if whole != self._text and whole.startswith(self._text):
            yield _delta(whole[len(self._text) :])
            self._text = whole
        if self._request.response_format == "diarized_json":
            for told in openai.diarized_segments(transcript, _names(self._request)):
                yield event(told)
        last: dict[str, Any] = {"type": "transcript.text.done", "text": self._text}
        if self._request.logprobs:
            last["logprobs"] = self._logprobs
        # The event's type has tokens only: a client that is strict about it could not read seconds.
        yield event(last | _languages(self._request, transcript) | {"usage": openai.usage(transcript, "tokens")})


def event(data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {openai.encoded(data)}\n"


def _delta(text: str, **told: Any) -> str:
    return event({"type": "transcript.text.delta", "delta": text, **told})


def _json(request: WireRequest, transcript: Transcript) -> dict[str, Any]:
    told: dict[str, Any] = {"text": transcript.text}
    if request.logprobs:
        told["logprobs"] = []
        for segment in transcript.segments:
            if segment.text:
                told["logprobs"] += openai.logprobs(segment, (" " if told["logprobs"] else "") + segment.text)
    return told | _languages(request, transcript) | {"usage": openai.usage(transcript, request.usage)}


def _names(request: WireRequest) -> list[str]:
    return [known.name for known in request.order.known_speakers]


def _languages(request: WireRequest, transcript: Transcript) -> dict[str, Any]:
    """The language that was heard; none where it is not known."""
    if not request.tells_languages:
        return {}
    return {"languages": [{"code": transcript.language}] if transcript.language else []}
