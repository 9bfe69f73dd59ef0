"""Fits what a client asks for to the models of this server."""

from __future__ import annotations

from dataclasses import replace

from stenogram.app import enabled
from stenogram.app.house import House
from stenogram.app.jobs import Order
from stenogram.engines.onnx_asr.family import identify
from stenogram.errors import ModelError, ModelNotInstalled, OptionError, UnknownModel
from stenogram.models import catalogue, store
from stenogram.server.openai.request import ALIASES, WireRequest
from stenogram.types import ModelFiles

_BY_HABIT = (("initial_prompt", "prompt"), ("hotwords", "keywords"), ("temperature", "temperature"))
"""Options, and the parts by which they come: clients of OpenAI send them to every model."""


def names(house: House) -> list[str]:
    """The enabled models, and OpenAI's names for the default one."""
    with house.db.read() as connection:
        return [*enabled.names(house, connection), *ALIASES]


def check(house: House, name: str) -> None:
    """Raises ``UnknownModel`` for a model that is not known or not enabled: on this wire both are a 404."""
    if name in ALIASES:
        return
    try:
        enabled.check(house, name)
    except (OptionError, UnknownModel) as error:
        raise UnknownModel(model=name, known=", ".join(names(house))) from error


def fit(house: House, request: WireRequest) -> WireRequest:
    """Choose a model that can do it, and leave out what it cannot and clients send by habit, telling so.

    Raises ``ModelError``, ``LanguageNotSupported``, and ``OptionError`` for a translation that no model here can make.
    """
    check(house, request.order.model)
    order, options = request.order, request.order.run.transcribe
    files = _chosen(house, order)
    if options.task == "translate" and not can_translate(house, files):
        files = _translator(house, request, files)
        order = replace(order, model=files.name)
    supports = house.app.engine_named(files.engine).supports
    warnings = list(request.warnings)
    for name, part in _BY_HABIT:
        if getattr(options, name) is not None and name not in supports:
            warnings.append(f"{part} is ignored: the model {files.name} cannot take it")
            options = replace(options, **{name: None})  # type: ignore[arg-type]
    order = replace(order, run=replace(order.run, transcribe=options))
    return replace(request, order=order, warnings=tuple(warnings))


def _chosen(house: House, order: Order) -> ModelFiles:
    language = order.run.transcribe.language
    try:
        return house.app.model_for(order.model, language, replace(house.settings, profile=order.profile)).files
    except ModelNotInstalled as error:
        with house.db.read() as connection:
            coming = [each.name for each in enabled.states(house, connection) if each.state == "downloading"]
        if enabled.canonical(house, order.model) in {enabled.canonical(house, name) for name in coming}:
            raise ModelError(model=order.model, cause="it is being fetched; try again later") from error
        raise


def can_translate(house: House, files: ModelFiles) -> bool:
    """Whether a model translates into English, as far as can be told before it is loaded."""
    if "translate" not in house.app.engine_named(files.engine).supports or files.only_language == "en":
        return False
    try:  # of the families behind onnx-asr, only those can that are told a language to write
        return files.engine != "onnx-asr" or identify(files.paths, {}).prompted
    except ValueError:
        return False


def _translator(house: House, request: WireRequest, unable: ModelFiles) -> ModelFiles:
    """The best enabled model that can translate, where none was named."""
    language = request.order.run.transcribe.language
    able = [files for files in _enabled(house) if can_translate(house, files)]
    speaking = [files for files in able if language is None or files.speaks(language)]
    if request.order.model == "auto" and speaking:
        quality = {model.name: model.quality for model in store.known(house.settings)}
        return max(speaking, key=lambda files: quality.get(files.name, 0))
    if able:
        advice = f"Models here that can: {', '.join(files.name for files in able)}."
    else:
        advice = "No model here can; the operator can fetch one: stenogram models pull base"
    raise OptionError(f"The model {unable.name} cannot translate. {advice}", param="model")


def _enabled(house: House) -> list[ModelFiles]:
    with house.db.read() as connection:
        on = enabled.names(house, connection)
    found = []
    for name in on:
        if name == catalogue.DEFAULT:
            continue  # it knows one language
        try:
            found.append(store.locate(name, house.settings))
        except ModelError:
            continue  # not here yet
    return found
