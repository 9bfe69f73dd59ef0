"""Which file of a foreign model is which: the role of a file by its name, for each engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from stenogram.errors import OptionError
from stenogram.models.catalogue import Kind

_PATTERNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "moonshine": (
        ("encoder_model.ort", "encoder"),
        ("decoder_model_merged.ort", "decoder"),
        ("tokenizer.bin", "tokenizer"),
    ),
    "whisper": (
        ("model.bin", "model"),
        ("config.json", "config"),
        ("tokenizer.json", "tokenizer"),
        ("vocabulary.*", "vocabulary"),
        ("preprocessor_config.json", "preprocessor"),
    ),
    "whisper.cpp": (("*.bin", "model"),),
    "openai-whisper": (("*.pt", "model"),),
    "onnx-asr": (
        ("decoder_joint*.onnx", "decoder_joint"),
        ("*joiner*.onnx", "joiner"),
        ("*joint*.onnx", "joint"),
        ("*encoder*.onnx", "encoder"),
        ("*decoder*.onnx", "decoder"),
        ("*.onnx", "model"),
        ("*encoder*.onnx.data", "encoder_data"),
        ("*decoder*.onnx.data", "decoder_data"),
        ("*.onnx.data", "model_data"),
        ("*vocab*.txt", "vocab"),
        ("tokens.txt", "vocab"),
        ("config.json", "config"),
    ),
    "sherpa-onnx": (("*segmentation*.onnx", "segmentation"), ("*.onnx", "embedding")),
    "pyannote": (
        ("segmentation/pytorch_model.bin", "segmentation"),
        ("embedding/pytorch_model.bin", "embedding"),
        ("plda/xvec_transform.npz", "xvec_transform"),
        ("plda/plda.npz", "plda"),
        ("config.yaml", "config"),
    ),
    "gguf": (("*.gguf", "model"),),
}
"""Engine -> (pattern, role), the first that fits the end of the file's path. The roles are the engines' own words."""

_REQUIRED: Mapping[str, frozenset[str]] = {
    "moonshine": frozenset({"encoder", "decoder", "tokenizer"}),
    "whisper": frozenset({"model", "config", "tokenizer", "vocabulary"}),
    "whisper.cpp": frozenset({"model"}),
    "openai-whisper": frozenset({"model"}),
    "onnx-asr": frozenset(),
    "sherpa-onnx": frozenset(),
    "pyannote": frozenset({"config", "segmentation", "embedding", "xvec_transform", "plda"}),
    "gguf": frozenset({"model"}),
}

ENGINES = tuple(_PATTERNS)
"""Engines whose models can be imported under a name of one's own."""


KINDS: tuple[Kind, ...] = ("speech", "diarization", "chat")


def kind_of(engine: str) -> Kind:
    """What models of an engine are for."""
    kinds: Mapping[str, Kind] = {"sherpa-onnx": "diarization", "pyannote": "diarization", "gguf": "chat"}
    return kinds.get(engine, "speech")


def assign(engine: str, names: Iterable[str]) -> dict[str, str]:
    """Role -> path, of the paths in a folder; files without a role (a README) are left out.

    Raises ``OptionError`` where a role is missing or two files fit one.
    """
    found: dict[str, str] = {}
    for name in sorted(names):
        role = next((role for pattern, role in _PATTERNS[engine] if _fits(name, pattern)), None)
        if role is None:
            continue
        if role in found:
            raise OptionError(name="model", value=name, cause=f"{found[role]} is the {role} too; keep one of them")
        found[role] = name
    missing = sorted(_REQUIRED[engine] - found.keys())
    if missing or not found:
        wanted = ", ".join(pattern for pattern, role in _PATTERNS[engine] if not missing or role in missing)
        raise OptionError(
            name="model", value=engine, cause=f"a model of this engine needs {wanted}, which is not there"
        )
    return found


def _fits(path: str, pattern: str) -> bool:
    tail = PurePosixPath(path).parts[-len(PurePosixPath(pattern).parts) :]
    return fnmatchcase("/".join(tail), pattern)
