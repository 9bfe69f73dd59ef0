"""What an engine is asked for: decided where it was left open, refused where it cannot be honoured, never ignored."""

from __future__ import annotations

import dataclasses

from stenogram.errors import DeviceNotUsable, LanguageNotSupported, OptionNotSupported
from stenogram.protocols import Engine
from stenogram.types import LoadOptions, ModelFiles, TranscribeOptions


def check(engine: Engine, files: ModelFiles, options: TranscribeOptions) -> None:
    """Refuse what this engine and model cannot do.

    Raises ``OptionNotSupported`` for an option that needs a feature the engine lacks and is set to anything but its
    default, and ``LanguageNotSupported`` for a language that the model does not speak.
    """
    for field in dataclasses.fields(options):
        feature = field.metadata.get("feature")
        if feature and feature not in engine.supports and getattr(options, field.name) != field.default:
            raise OptionNotSupported(engine=engine.name, option=field.name)
    if options.language is not None and not files.speaks(options.language):
        raise LanguageNotSupported(
            language=options.language, advice=f"The model {files.name} speaks: {', '.join(files.languages)}."
        )


def settle(engine: Engine, options: LoadOptions) -> LoadOptions:
    """Decide ``auto`` and ``default`` for this machine.

    ``auto`` is the GPU where the engine can use it. Raises ``OptionNotSupported`` for a device or number type that the
    engine does not know, ``DeviceNotUsable`` for one that was named and cannot be used here.
    """
    device = options.device
    if device == "auto":
        device = "cuda" if "cuda" in engine.compute_types and engine.fault("cuda") is None else "cpu"
    elif device not in engine.compute_types:
        raise OptionNotSupported(engine=engine.name, option=f"device {device}")
    elif (fault := engine.fault(device)) is not None:
        raise DeviceNotUsable(engine=engine.name, device=device, cause=fault)
    known = engine.compute_types[device]
    kind = known[0] if options.compute_type == "default" else options.compute_type
    if kind not in known:
        raise OptionNotSupported(engine=engine.name, option=f"compute_type {kind} on {device}")
    return dataclasses.replace(options, device=device, compute_type=kind)


def fallbacks(engine: Engine, options: LoadOptions) -> list[LoadOptions]:
    """What to load instead when memory runs out, in order: int8 on the same device, then the CPU."""
    steps = []
    if options.compute_type != "int8" and "int8" in engine.compute_types[options.device]:
        steps.append(dataclasses.replace(options, compute_type="int8"))
    if options.device != "cpu" and "cpu" in engine.compute_types:
        steps.append(dataclasses.replace(options, device="cpu", compute_type=engine.compute_types["cpu"][0]))
    return steps
