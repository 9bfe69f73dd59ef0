"""One module per speech-recognition library, behind ``protocols.Engine``.

``ENGINES`` is the table by name; an engine's module is imported when it is chosen, its library when it loads weights.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec

from stenogram.errors import EngineError, EngineNotInstalled
from stenogram.protocols import Engine


@dataclass(frozen=True, slots=True)
class Row:
    """Where an engine is, and what it needs."""

    implementation: str
    """``module:class``."""
    modules: tuple[str, ...]
    """Modules of its libraries; they are looked for, never imported to find out."""
    packages: tuple[str, ...]
    """Distributions whose versions are worth knowing."""
    extra: str | None = None
    """The extra of stenogram that brings them; None: they always come."""

    @property
    def installed(self) -> bool:
        """Whether all its libraries are here."""
        return all(find_spec(module) is not None for module in self.modules)


ENGINES = {
    "moonshine": Row("stenogram.engines.moonshine:MoonshineEngine", ("onnxruntime",), ("onnxruntime",)),
    "onnx-asr": Row(
        "stenogram.engines.onnx_asr:OnnxAsrEngine", ("onnx_asr", "onnxruntime"), ("onnx-asr", "onnxruntime")
    ),
    "openai-whisper": Row(
        "stenogram.engines.openai_whisper:OpenAIWhisperEngine",
        ("whisper", "torch"),
        ("openai-whisper", "torch"),
        extra="openai-whisper",
    ),
    "whisper": Row(
        "stenogram.engines.whisper:WhisperEngine", ("ctranslate2", "tokenizers"), ("ctranslate2", "tokenizers")
    ),
    "whisper.cpp": Row(
        "stenogram.engines.whisper_cpp:WhisperCppEngine", ("pywhispercpp",), ("pywhispercpp",), extra="whisper-cpp"
    ),
}


def find(name: str) -> Engine:
    """Make the engine of that name. Raises ``EngineError`` when there is none, ``EngineNotInstalled``."""
    if name not in ENGINES:
        raise EngineError(engine=name, cause=f"there is no such engine; there are: {', '.join(sorted(ENGINES))}")
    row = ENGINES[name]
    if not row.installed:
        raise EngineNotInstalled(engine=name, extra=row.extra or name)
    module, attribute = row.implementation.split(":")
    engine: Engine = getattr(importlib.import_module(module), attribute)()
    return engine
