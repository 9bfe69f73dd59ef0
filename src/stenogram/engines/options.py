"""What an engine refuses: options it cannot honour are never ignored."""

from __future__ import annotations

import dataclasses

from stenogram.errors import LanguageNotSupported, OptionNotSupported
from stenogram.protocols import Engine
from stenogram.types import LoadOptions, ModelFiles, TranscribeOptions


def check(engine: Engine, files: ModelFiles, options: TranscribeOptions) -> None:
    """Refuse what this engine and model cannot do.

    Raises ``OptionNotSupported`` for an option that needs a feature the engine lacks and is set to anything but its
    default, and ``LanguageNotSupported`` for a language that the model does not speak.
    """
    _check_features(engine, options)
    if options.language is not None and not files.speaks(options.language):
        raise LanguageNotSupported(
            language=options.language, advice=f"The model {files.name} speaks: {', '.join(files.languages)}."
        )


def check_load(engine: Engine, options: LoadOptions) -> None:
    """Refuse a way of loading that this engine does not know. Raises ``OptionNotSupported``."""
    _check_features(engine, options)
    if options.device == "cuda" and "cuda" not in engine.supports:
        raise OptionNotSupported(engine=engine.name, option="device cuda")


def _check_features(engine: Engine, options: TranscribeOptions | LoadOptions) -> None:
    for field in dataclasses.fields(options):
        feature = field.metadata.get("feature")
        if feature and feature not in engine.supports and getattr(options, field.name) != field.default:
            raise OptionNotSupported(engine=engine.name, option=field.name)
