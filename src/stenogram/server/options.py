"""Form fields of the options of ``types``: parsed and documented from their declarations, none is named here twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import UnionType
from typing import Any, Literal, cast, get_args, get_origin

from stenogram import config
from stenogram.app import diarize
from stenogram.app.jobs import Order
from stenogram.config import Settings
from stenogram.enhancement import EnhanceWhen
from stenogram.errors import OptionError, StenogramError
from stenogram.job import JobSource
from stenogram.server import references
from stenogram.server.upload import Form
from stenogram.types import DecodeOptions, DiarizeOptions, LoadOptions, RunOptions, TranscribeOptions, VadOptions

GROUPS = (DecodeOptions, VadOptions, TranscribeOptions)
"""All that decides the text of a recording."""
_OF_SETTINGS = ("model", "profile")
_OF_LOAD = ("compute_type",)
"""Where to compute is the operator's to say; in which number type, the client's too."""
ENHANCE: Mapping[str, Mapping[str, Any]] = {
    "enable_llm_enhancement": {
        "type": "boolean",
        "description": "Whether a language model goes over the text; unset: as the operator says",
    },
    "enhance": {
        "type": "string",
        "enum": list(get_args(EnhanceWhen)),
        "description": "The same in more words; auto: where a small model wrote the text",
    },
}
"""The fields by which a job says whether its text is to be cleaned up, as OpenAPI documents them."""


def enhance_of(form: Form) -> EnhanceWhen | None:
    """What a form says of clean-up; None: nothing. Raises ``OptionError``, with ``param``."""
    when, enabled = form.get("enhance"), form.get("enable_llm_enhancement")
    if when is not None and when not in get_args(EnhanceWhen):
        cause = f"must be one of {', '.join(get_args(EnhanceWhen))}"
        raise OptionError(name="enhance", value=when, cause=cause, param="enhance")
    if enabled is None:
        return cast("EnhanceWhen | None", when)
    wish = {"true": "always", "1": "always", "on": "always", "false": "never", "0": "never", "off": "never"}
    meant = wish.get(enabled.lower())
    if meant is None or when not in (None, meant):
        cause = "must be true or false" if meant is None else f"says otherwise than enhance={when}"
        name = "enable_llm_enhancement"
        raise OptionError(name=name, value=enabled, cause=cause, param=name)
    return cast("EnhanceWhen", meant)


def properties() -> dict[str, Mapping[str, Any]]:
    """Every option as a property of a form (JSON Schema)."""
    found: dict[str, Mapping[str, Any]] = {}
    for group in (*GROUPS, DiarizeOptions):
        found |= schemas(group)
    return found | schemas(Settings, _OF_SETTINGS) | schemas(LoadOptions, _OF_LOAD)


def schemas(group: type, names: Collection[str] | None = None) -> dict[str, Mapping[str, Any]]:
    """The options of a group, or only those named, as properties of a form (JSON Schema)."""
    return {row.name: _schema(row) for row in config.rows(group) if names is None or row.name in names}


def order_of(form: Form, source: JobSource, environ: Mapping[str, str] | None = None) -> Order:
    """What a form asks for; what it does not say has its default.

    Raises ``OptionError``, with ``param``, for a value that cannot be, ``TooLarge``.
    """
    environ = {} if environ is None else environ
    given = {name: form.get(name) for name in properties()}
    known = references.read(form)
    if len(known) < len(references.names_of(form)):
        cause = f"must be one for each of {references.NAMES}"
        raise OptionError(name=references.REFERENCES, value="none", cause=cause, param=references.REFERENCES)
    try:
        run = RunOptions(*(config.read(group, given, environ) for group in GROUPS))  # type: ignore[arg-type]
        settings = config.read(Settings, {name: given[name] for name in _OF_SETTINGS}, environ)
        load = config.read(LoadOptions, {name: given[name] for name in _OF_LOAD}, environ)
    except OptionError as error:
        raise named(error) from error
    return Order(
        source=source,
        model=settings.model,
        run=run,
        profile=settings.profile,
        compute_type=load.compute_type,
        diarize=speakers_of(form, known=bool(known)),
        known_speakers=known,
    )


def speakers_of(form: Form, *, known: bool, default: bool = False) -> DiarizeOptions:
    """What a form says of speakers; ``default``: whether they are told apart where it does not say.

    Raises ``OptionError``, with ``param``.
    """
    given: dict[str, Any] = {row.name: form.get(row.name) for row in config.rows(DiarizeOptions)}
    try:
        options = diarize.read(given, {}, known=known)
    except OptionError as error:
        raise named(error) from error
    return replace(options, diarize=True) if default and given["diarize"] is None else options


def named(error: OptionError) -> OptionError:
    """The same error by the name of the form's field, instead of the flag's."""
    name = str(error.facts.get("name", "")).removeprefix("--").replace("-", "_")
    facts = {**error.facts, "name": name, "param": name}
    if type(error) is not OptionError:
        error.facts = facts
        return error
    return OptionError(**facts)  # type: ignore[arg-type]


def param_of(error: StenogramError) -> str | None:
    """The form's field that an error is about."""
    name = error.facts.get("option") or error.facts.get("name")
    return str(name) if name else None


def _schema(row: config.OptionRow) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": row.help, **_type(row.type)}
    if row.default is not None:
        schema["default"] = row.default
    if row.low is not None:
        schema["minimum"] = row.low
    if row.high is not None:
        schema["maximum"] = row.high
    return schema


def _type(kind: Any) -> dict[str, Any]:
    if isinstance(kind, UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    return {"type": {bool: "boolean", int: "integer", float: "number"}.get(kind, "string")}
