"""A form of the OpenAI audio API, understood."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from stenogram import languages
from stenogram.app.house import House
from stenogram.app.jobs import Order
from stenogram.errors import OptionError
from stenogram.formats import SEGMENTS, Granularity
from stenogram.models import store
from stenogram.server.upload import Form
from stenogram.types import RunOptions, Task, TranscribeOptions, VadOptions

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
ALIASES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize")
"""OpenAI's names, which mean the model that the settings name."""
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
_MOST_KNOWN_SPEAKERS = 4


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What a client asks for."""

    order: Order
    response_format: ResponseFormat = "json"
    granularities: Collection[Granularity] = SEGMENTS
    stream: bool = False
    logprobs: bool = False
    tells_languages: bool = False
    """The client named the languages it expects, and wants to know which it was."""
    speakers: tuple[str, ...] = ()
    """Names of known speakers."""
    warnings: tuple[str, ...] = field(default=())
    """What was asked for and cannot be done by this model, which clients of OpenAI send by habit."""


def parse(form: Form, task: Task, default_model: str) -> WireRequest:
    """Raises ``OptionError``, with ``param``, for what cannot be."""
    wished = form.get("task")
    if wished is not None:
        task = "translate" if _choice("task", wished, ("transcribe", "translate")) == "translate" else task
    response_format = _choice("response_format", form.get("response_format") or "json", get_args(ResponseFormat))
    granularities = form.all_of("timestamp_granularities")
    for value in granularities:
        _choice("timestamp_granularities", value, ("word", "segment"))
    if "word" in granularities and response_format != "verbose_json":
        raise _bad("timestamp_granularities", "word", "needs response_format verbose_json")
    include = form.all_of("include")
    for value in include:
        _choice("include", value, ("logprobs",))
    if include and response_format != "json":
        raise _bad("include", "logprobs", "needs response_format json")
    asked = form.all_of("languages")
    model = form.get("model")
    if model is None:
        raise OptionError("model is required: one of GET /v1/models, or whisper-1", param="model")
    order = Order(
        source="openai",
        model=default_model if model in ALIASES else model,
        run=RunOptions(vad=_vad(form), transcribe=_transcribe(form, task, asked)),
    )
    return WireRequest(
        order=order,
        response_format=response_format,
        granularities=tuple(granularities) or ("segment",),  # type: ignore[arg-type]
        stream=_flag(form, "stream", default=False),
        logprobs=bool(include),
        tells_languages=bool(asked),
        speakers=_speakers(form),
    )


def fit(house: House, request: WireRequest) -> WireRequest:
    """Leave out what the engine cannot do and clients send by habit, with a warning for each.

    Raises ``ModelError``, ``LanguageNotSupported``.
    """
    order = request.order
    options = order.run.transcribe
    choice = house.app.model_for(order.model, options.language, replace(house.settings, profile=order.profile))
    supports = house.app.engine_named(choice.files.engine).supports
    if options.task == "translate" and "translate" not in supports:
        raise _cannot_translate(house, choice.files.name)
    warnings = []
    for name, part in (("initial_prompt", "prompt"), ("hotwords", "keywords"), ("temperature", "temperature")):
        if getattr(options, name) is not None and name not in supports:
            warnings.append(f"{part} is ignored: the model {choice.files.name} cannot take it")
            options = replace(options, **{name: None})  # type: ignore[arg-type]
    run = replace(order.run, transcribe=options)
    return replace(request, order=replace(order, run=run), warnings=tuple(warnings))


def _cannot_translate(house: House, name: str) -> OptionError:
    able = [
        files.name
        for files in store.installed(house.settings)
        if "translate" in house.app.engine_named(files.engine).supports
    ]
    advice = f"Of those here can: {', '.join(able)}" if able else "None here can; fetch one: stenogram models pull base"
    return OptionError(f"The model {name} cannot translate. {advice}.", param="model")


def _transcribe(form: Form, task: Task, asked: list[str]) -> TranscribeOptions:
    language = form.get("language") or (asked[0] if len(asked) == 1 else None)
    for value in [*asked, *([language] if language else [])]:
        try:
            languages.code_of(value)
        except OptionError as error:
            raise _bad("language", value, "is no language; give its ISO 639-1 code, such as en") from error
    terms = [*form.all_of("keywords"), *form.all_of("hotwords")]
    temperature = _number(form, "temperature", 0.0, 1.0)
    return TranscribeOptions(
        language=language,
        task=task,
        initial_prompt=form.get("prompt"),
        hotwords=", ".join(terms) or None,
        temperature=temperature or None,  # 0 is the ladder of temperatures, which is the default
    )


def _vad(form: Form) -> VadOptions:
    options = VadOptions(vad_filter=_flag(form, "vad_filter", default=True))
    strategy = form.get("chunking_strategy")
    given: dict[str, Any] = {
        name: form.get(f"chunking_strategy[{name}]")
        for name in ("type", "threshold", "silence_duration_ms", "prefix_padding_ms")
    }
    if strategy is not None and strategy.startswith("{"):
        try:
            given |= {name: str(value) for name, value in json.loads(strategy).items()}
        except ValueError as error:
            raise _bad("chunking_strategy", strategy, "is not JSON") from error
    elif strategy is not None:
        _choice("chunking_strategy", strategy, ("auto", "server_vad"))
    if given["type"] is not None:
        _choice("chunking_strategy", given["type"], ("auto", "server_vad"))
    fields = Form([(f"chunking_strategy[{name}]", value) for name, value in given.items() if value is not None])
    threshold = _number(fields, "chunking_strategy[threshold]", 0.0, 1.0)
    silence_ms = _number(fields, "chunking_strategy[silence_duration_ms]", 0, 60_000)
    pad_ms = _number(fields, "chunking_strategy[prefix_padding_ms]", 0, 60_000)
    return replace(
        options,
        threshold=options.threshold if threshold is None else min(max(threshold, 0.01), 0.99),
        min_silence_duration_ms=options.min_silence_duration_ms if silence_ms is None else max(int(silence_ms), 32),
        speech_pad_ms=options.speech_pad_ms if pad_ms is None else min(int(pad_ms), 2000),
    )


def _speakers(form: Form) -> tuple[str, ...]:
    names = form.all_of("known_speaker_names")
    references = form.all_of("known_speaker_references")
    if len(names) > _MOST_KNOWN_SPEAKERS:
        raise _bad("known_speaker_names", len(names), f"has more than {_MOST_KNOWN_SPEAKERS} names")
    if references and len(references) != len(names):
        raise _bad("known_speaker_references", len(references), "must be as many as known_speaker_names")
    return tuple(names)


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


def _number(form: Form, name: str, low: float, high: float) -> float | None:
    value = form.get(name)
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError as error:
        raise _bad(name, value, "must be a number") from error
    if not low <= number <= high:
        raise _bad(name, value, f"must be from {low:g} to {high:g}")
    return number


def _bad(name: str, value: object, cause: str) -> OptionError:
    return OptionError(name=name, value=value, cause=cause, param=name)
