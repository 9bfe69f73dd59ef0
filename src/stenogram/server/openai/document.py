"""The parts of a request to the OpenAI audio API as OpenAPI documents them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from stenogram.formats import FORMATS
from stenogram.server import options, references
from stenogram.server.forms import FILE, form_body
from stenogram.server.openai.request import ResponseFormat
from stenogram.types import DiarizeOptions, Task

_TEXT: Mapping[str, Any] = {"type": "string"}
_FORMATS = list(get_args(ResponseFormat))


def _list_of(items: Mapping[str, Any], description: str, **facts: Any) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "description": description, **facts}


_COMMON: Mapping[str, Mapping[str, Any]] = {
    "file": FILE,
    "model": {"type": "string", "description": "One of GET /v1/models", "examples": ["whisper-1"]},
    "prompt": {"type": "string", "description": "Text that sets style and spelling"},
    "response_format": {"type": "string", "enum": [name for name in _FORMATS if name != "diarized_json"]},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1},
    "language": {"type": "string", "description": "Spoken: ISO 639-1 code or English name", "examples": ["en"]},
    "timestamp_granularities[]": _list_of(
        {"type": "string", "enum": ["word", "segment"]}, "Lists of verbose_json; word needs that format"
    ),
    "stream": {"type": "boolean", "default": False, "description": "Answer by server-sent events"},
    "keywords[]": _list_of(_TEXT, "Words to favour"),
    "hotwords": {"type": "string", "description": "Words to favour, separated by commas"},
    "vad_filter": {"type": "boolean", "default": True, "description": "Find speech first, and transcribe only that"},
    "chunking_strategy": {"type": "string", "description": "auto, or an object as JSON", "examples": ["auto"]},
    "chunking_strategy[type]": {"type": "string", "enum": ["auto", "server_vad"]},
    "chunking_strategy[threshold]": {"type": "number", "minimum": 0, "maximum": 1},
    "chunking_strategy[silence_duration_ms]": {"type": "integer", "minimum": 0, "maximum": 60_000},
    "chunking_strategy[prefix_padding_ms]": {"type": "integer", "minimum": 0, "maximum": 60_000},
    **options.schemas(DiarizeOptions),
}

TRANSLATION = form_body(required=["file", "model"], **_COMMON)
TRANSCRIPTION = form_body(
    required=["file", "model"],
    **{
        **_COMMON,
        "response_format": {"type": "string", "enum": _FORMATS, "default": "json"},
        "languages[]": _list_of(_TEXT, "Languages that may be spoken; the answer tells which it was"),
        "include[]": _list_of({"type": "string", "enum": ["logprobs"]}, "Needs response_format json"),
        **references.SCHEMAS,
        "task": {"type": "string", "enum": list(get_args(Task)), "default": "transcribe"},
    },
)
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "In the format asked for",
        "content": {kind: {} for kind in (*(FORMATS[name].media_type for name in _FORMATS), "text/event-stream")},
        "headers": {
            "x-stenogram-job": {"description": "Id of the job", "schema": dict(_TEXT)},
            "x-stenogram-warning": {"description": "What was asked for and left out", "schema": dict(_TEXT)},
        },
    }
}
