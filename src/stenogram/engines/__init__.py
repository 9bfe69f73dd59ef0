"""One module per speech-recognition library, behind ``protocols.Engine``.

``ENGINES`` is the table by name; an engine's module is imported when it is chosen, its library when it loads weights.
"""

from __future__ import annotations

from stenogram.errors import EngineError, EngineNotInstalled
from stenogram.library import Row
from stenogram.protocols import Engine

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
    engine: Engine = row.make()
    return engine
