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
        return first_line(error)
    return None


def exhausted(error: BaseException) -> bool:
    """Whether memory ran out."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS)


def first_line(error: BaseException) -> str:
    """What an error says, without the advice and the stack that PyTorch adds."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def native(device: str) -> Iterator[None]:
    """Turn what PyTorch raises while it computes into ``OutOfMemory`` or ``EngineError``."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not exhausted(error):
            raise EngineError(engine=NAME, cause=first_line(error)) from error
        if device == "cuda":
            import torch

            torch.cuda.empty_cache()
        raise OutOfMemory(engine=NAME, device=device, cause=first_line(error)) from error
