"""The trained test weights in the file formats of the engines, written once."""

from __future__ import annotations

import functools
import getpass
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from stenogram.types import ModelFiles
from tools import whisper_files
from tools.whisper_files import Quantization

LANGUAGES = ("en", "ru")
"""What the weights were taught."""


def ctranslate2_files() -> ModelFiles:
    """A model of the engine ``whisper``."""

    def write(folder: Path) -> None:
        whisper_files.write_ctranslate2(whisper_files.read(), whisper_files.read_vocabulary(), folder)

    folder = _once("ctranslate2", write)
    names = {"model": "model.bin", "config": "config.json", "vocabulary": "vocabulary.json"}
    names |= {"tokenizer": "tokenizer.json", "preprocessor": "preprocessor_config.json"}
    paths = {role: folder / name for role, name in names.items()}
    return ModelFiles("whisper-test", "whisper", LANGUAGES, paths, "ctranslate2-test-weights")


def ggml_files(quantization: Quantization = "f16") -> ModelFiles:
    """A model of the engine ``whisper.cpp``."""

    def write(folder: Path) -> None:
        whisper_files.write_ggml(
            whisper_files.read(), whisper_files.read_vocabulary(), folder / "ggml-test.bin", quantization
        )

    path = _once(f"ggml-{quantization}", write) / "ggml-test.bin"
    return ModelFiles("ggml-test", "whisper.cpp", LANGUAGES, {"model": path}, f"ggml-{quantization}-test-weights")


def checkpoint_files() -> ModelFiles:
    """A model of the engine ``openai-whisper`` (needs torch)."""

    def write(folder: Path) -> None:
        whisper_files.write_checkpoint(whisper_files.read(), folder / "test.pt")

    path = _once("checkpoint", write) / "test.pt"
    return ModelFiles("openai-whisper-test", "openai-whisper", LANGUAGES, {"model": path}, "checkpoint-test-weights")


@functools.cache
def _once(name: str, write: Callable[[Path], None]) -> Path:
    """The folder of that name, written by the first process that asks, and found again as long as nothing changes."""
    folder = Path(tempfile.gettempdir()) / f"stenogram-test-weights-{getpass.getuser()}-{_content()}" / name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not (folder / ".done").exists():
            write(folder)
            (folder / ".done").touch()
    return folder


@functools.cache
def _content() -> str:
    """What the files are made of and by."""
    sources = [*sorted(whisper_files.WEIGHTS.glob("*.*")), Path(whisper_files.__file__)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
