"""What PyTorch says when it cannot, as our errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stenogram.engines.runtime import OUT_OF_MEMORY
from stenogram.errors import EngineError, OutOfMemory

NAME = "openai-whisper"
SIGNS = (*OUT_OF_MEMORY, "can't allocate memory", "alloc_failed")
"""What its allocators say: CUDA's, cuBLAS's, the CPU's."""


def cuda_fault() -> str | None:
    """Why PyTorch cannot compute on a GPU; None: it did."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return f"PyTorch {torch.__version__} was built without CUDA"
    try:
        torch.ones(1, device="cuda").add(1).item()
    except (RuntimeError, AssertionError) as error:
        return (str(error).splitlines() or ["CUDA failed without a reason"])[0]
    return None


@contextlib.contextmanager
def native(device: str) -> Iterator[None]:
    """Turn what PyTorch raises while it computes into ``OutOfMemory`` or ``EngineError``."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(engine=NAME, device="cpu", cause="an array did not fit") from error
    except RuntimeError as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        if not any(sign in str(error).lower() for sign in SIGNS):
            raise EngineError(engine=NAME, cause=line) from error
        if device == "cuda":
            import torch

            torch.cuda.empty_cache()
        raise OutOfMemory(engine=NAME, device=device, cause=line) from error
