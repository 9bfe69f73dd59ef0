"""The library at its border: loading, and its errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from stenogram.engines.runtime import OUT_OF_MEMORY
from stenogram.engines.whisper.layout import Layout
from stenogram.errors import EngineError, ModelError, OutOfMemory
from stenogram.types import LoadOptions, ModelFiles

NAME = "whisper"
NAMES = {"model": ("model.bin",), "config": ("config.json",), "vocabulary": ("vocabulary.json", "vocabulary.txt")}
"""Role -> what the library wants its file to be called; all lie in one folder."""


def load_model(files: ModelFiles, options: LoadOptions, layout: Layout) -> Any:
    """Load the weights. Raises ``ModelError``, ``OutOfMemory``, ``EngineError``."""
    import ctranslate2

    folder = files.paths["model"].parent
    for role, names in NAMES.items():
        path = files.paths.get(role)
        if path is None or path.name not in names or path.parent != folder or not path.is_file():
            wanted = " or ".join(names)
            raise ModelError(model=files.name, cause=f"it lacks {wanted}, beside {files.paths['model']}")
    try:
        return ctranslate2.models.Whisper(
            str(folder),
            device=options.device,
            compute_type=options.compute_type,
            inter_threads=layout.workers,
            intra_threads=layout.threads,
        )
    except MemoryError as error:
        raise OutOfMemory(engine=NAME, device=options.device, cause="the weights did not fit") from error
    except (RuntimeError, ValueError, TypeError) as error:
        if _exhausted(error):
            raise OutOfMemory(engine=NAME, device=options.device, cause=str(error)) from error
        raise ModelError(model=files.name, cause=error) from error


@contextlib.contextmanager
def native(device: str) -> Iterator[None]:
    """Turn what CTranslate2 raises while it computes into ``OutOfMemory`` or ``EngineError``."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(engine=NAME, device=device, cause="an array did not fit") from error
    except RuntimeError as error:
        if _exhausted(error):
            raise OutOfMemory(engine=NAME, device=device, cause=str(error)) from error
        raise EngineError(engine=NAME, cause=error) from error


def _exhausted(error: BaseException) -> bool:
    return any(sign in str(error).lower() for sign in (*OUT_OF_MEMORY, "alloc_failed"))
