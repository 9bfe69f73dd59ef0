"""A form of the OpenAI audio API, understood. ``docs/howto/openai.md`` tells of every part what becomes of it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from stenogram import config, languages
from stenogram.app.jobs import Order
from stenogram.errors import OptionError
from stenogram.formats import SEGMENTS, Granularity
from stenogram.formats.openai import Usage
from stenogram.server import references
from stenogram.server.options import speakers_of
from stenogram.server.upload import Form
from stenogram.types import DiarizeOptions, RunOptions, Task, TranscribeOptions, VadOptions

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
ALIASES = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
)
"""OpenAI's names, which mean the model that the settings name."""
PARTS = frozenset(
    (
        "file",
        "model",
        "language",
        "languages",
        "prompt",
        "keywords",
        "hotwords",
        "response_format",
        "temperature",
        "timestamp_granularities",
        "include",
        "chunking_strategy",
        references.NAMES,
        references.REFERENCES,
        "stream",
        "vad_filter",
        "task",
        *(row.name for row in config.rows(DiarizeOptions)),
    )
)
"""Every part that means something, without brackets; of others the client is told that they are ignored."""
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
_TELLS_SPEAKERS = "gpt-4o-transcribe-diarize"
_STRATEGY = ("type", "threshold", "silence_duration_ms", "prefix_padding_ms")


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What a client asks for."""

    order: Order
    response_format: ResponseFormat = "json"
    granularities: Collection[Granularity] = SEGMENTS
    stream: bool = False
    logprobs: bool = False
    tells_languages: bool = False
    """The client wants to know which language it was."""
    usage: Usage = "duration"
    warnings: tuple[str, ...] = ()
    """What was asked for and is left out."""


def parse(form: Form, task: Task, default_model: str) -> WireRequest:
    """``task`` is what the path asks for. Raises ``OptionError``, with ``param``, for what cannot be, ``TooLarge``."""
    response_format = _format(form, task)
    granularities = _listed(form, "timestamp_granularities", get_args(Granularity))
    if "word" in granularities and response_format != "verbose_json":
        raise _bad("timestamp_granularities", "word", "needs response_format verbose_json")
    include = _listed(form, "include", ("logprobs",))
    if include and response_format != "json":
        raise _bad("include", "logprobs", "needs response_format json")
    model = form.get("model")
    if model is None:
        raise OptionError("model is required: one of GET /v1/models, or whisper-1", param="model")
    known, wanted = references.read(form), response_format == "diarized_json" or model == _TELLS_SPEAKERS
    order = Order(
        source="openai",
        model=default_model if model in ALIASES else model,
        run=RunOptions(vad=_vad(form), transcribe=_transcribe(form, _task(form, task))),
        diarize=speakers_of(form, known=bool(known), default=wanted),
        known_speakers=known,
    )
    return WireRequest(
        order=order,
        response_format=response_format,
        granularities=tuple(granularities) or SEGMENTS,
        stream=_flag(form, "stream", default=False),
        logprobs=bool(include),
        tells_languages=model == "gpt-transcribe" or bool(form.all_of("languages")),
        usage="tokens" if model in ALIASES and model != "whisper-1" else "duration",
        warnings=tuple(_left_out(form)),
    )


def _format(form: Form, task: Task) -> ResponseFormat:
    known: tuple[ResponseFormat, ...] = get_args(ResponseFormat)
    if task == "translate":
        known = tuple(name for name in known if name != "diarized_json")
    chosen: ResponseFormat = _choice("response_format", form.get("response_format") or "json", known)
    return chosen


def _task(form: Form, task: Task) -> Task:
    wished: Task = _choice("task", form.get("task") or task, get_args(Task))
    if task == "translate" and wished != "translate":
        raise _bad("task", wished, "this address translates; POST to /v1/audio/transcriptions instead")
    return wished


def _transcribe(form: Form, task: Task) -> TranscribeOptions:
    language = form.get("language")
    expected = dict.fromkeys(_code("languages", value) for value in form.all_of("languages"))
    if language is not None:
        language = _code("language", language)
    elif len(expected) == 1:
        [language] = expected
    terms = [*form.all_of("keywords"), *form.all_of("hotwords")]
    return TranscribeOptions(
        language=language,
        task=task,
        initial_prompt=form.get("prompt"),
        hotwords=", ".join(terms) or None,
        # 0 is the ladder of temperatures, which is the default
        temperature=_number("temperature", form.get("temperature"), 0.0, 1.0) or None,
    )


def _code(param: str, value: str) -> str:
    try:
        return languages.code_of(value)
    except OptionError as error:
        raise _bad(param, value, str(error.facts["cause"])) from error


def _vad(form: Form) -> VadOptions:
    options = VadOptions(vad_filter=_flag(form, "vad_filter", default=True))
    given = _strategy(form)
    kind = given.get("type")
    if kind is not None:
        _choice("chunking_strategy", kind, ("auto", "server_vad"))

    def number(name: str, high: float) -> float | None:
        return _number(f"chunking_strategy[{name}]", given.get(name), 0, high)

    threshold = number("threshold", 1.0)
    silence_ms, pad_ms = number("silence_duration_ms", 60_000), number("prefix_padding_ms", 60_000)
    # The bounds of ours are narrower where theirs would mean nothing.
    return replace(
        options,
        threshold=options.threshold if threshold is None else min(max(threshold, 0.01), 0.99),
        min_silence_duration_ms=options.min_silence_duration_ms if silence_ms is None else max(int(silence_ms), 32),
        speech_pad_ms=options.speech_pad_ms if pad_ms is None else min(int(pad_ms), 2000),
    )


def _strategy(form: Form) -> Mapping[str, str]:
    """The strategy in its three spellings: a word, an object as JSON, or one part for each of its fields."""
    given = {name: form.get(f"chunking_strategy[{name}]") for name in _STRATEGY}
    whole = form.get("chunking_strategy")
    if whole is not None and not whole.startswith("{"):
        given["type"] = whole
    elif whole is not None:
        try:
            given |= {name: str(value) for name, value in json.loads(whole).items()}
        except (ValueError, RecursionError) as error:
            raise _bad("chunking_strategy", whole[:80], "is not JSON") from error
    return {name: value for name, value in given.items() if value is not None}


def _left_out(form: Form) -> list[str]:
    """A sentence for everything that is accepted without effect."""
    told = []
    if references.names_of(form) and not form.all_of(references.REFERENCES):
        told.append(f"{references.NAMES} name nobody without {references.REFERENCES}")
    if form.get("language") is None and len(dict.fromkeys(form.all_of("languages"))) > 1:
        told.append("languages is no limit: the model chooses among all that it speaks")
    names = [*(name for name, _ in form.fields), *(name for name, _ in form.files)]
    unknown = dict.fromkeys(name[:40] for name in names if name.partition("[")[0] not in PARTS)
    told += [f"{name or 'a part without a name'} is ignored: this API has no such part" for name in unknown]
    return told


def _listed(form: Form, name: str, known: Collection[str]) -> list[Any]:
    return list(dict.fromkeys(_choice(name, value, known) for value in form.all_of(name)))


def _choice(name: str, value: str, known: Collection[str]) -> Any:
    if value not in known:
        raise _bad(name, value, f"must be one of {', '.join(known)}")
    return value


def _flag(form: Form, name: str, *, default: bool) -> bool:
    value = form.get(name)
    if value is None:
        return default
    if value.lower() not in _TRUE + _FALSE:
        raise _bad(name, value, "must be true or false")
    return value.lower() in _TRUE


def _number(name: str, value: str | None, low: float, high: float) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise _bad(name, value, f"must be a number from {low:g} to {high:g}")
    return number


def _bad(name: str, value: object, cause: str) -> OptionError:
    return OptionError(name=name, value=value, cause=cause, param=name)
