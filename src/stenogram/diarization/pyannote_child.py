"""The process in which pyannote.audio works: a recording in, its turns out (``stenogram.child``).

It lives apart because it reports to its makers unless its environment says otherwise before it is imported, and because
its weights are pickles, which may hold any program. The sound is handed over in memory: neither torchcodec nor the
native part of torchaudio is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stenogram import child
from stenogram.types import SAMPLE_RATE

SHARES = {"segmentation": (0.0, 0.2), "embeddings": (0.2, 1.0)}
"""The steps that take long, with the part of the work that is done when they begin and end (roughly)."""
NUMBERS = ("num_speakers", "min_speakers", "max_speakers")
_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed")
"""What the allocators of PyTorch say."""


def main() -> None:
    """Serve requests until standard input closes."""
    child.serve(Diarization().serve)


class Diarization:
    """The pipeline in memory."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._pipeline: Any = None

    def serve(self, request: dict[str, Any], send: child.Send) -> None:
        """Tell the turns of one recording."""
        try:
            self._load(request["folder"], request["device"], request["threads"])
            turns = self._turns(request, send)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not any(sign in f"{error}".lower() for sign in _NO_MEMORY):
                raise
            send({"out_of_memory": f"{error}".partition("\n")[0] or "the recording does not fit"})
        else:
            send({"turns": turns})

    def _load(self, *key: Any) -> None:
        if key == self._key:
            return
        import torch
        from pyannote.audio import Pipeline

        folder, device, threads = key
        torch.set_num_threads(threads)
        self._pipeline = Pipeline.from_pretrained(folder)
        self._pipeline.to(torch.device(device))
        self._key = key

    def _turns(self, request: dict[str, Any], send: child.Send) -> list[tuple[float, float, str]]:
        import numpy as np
        import torch

        # copy on write: PyTorch knows no tensors that cannot be written
        samples = np.memmap(request["samples"], np.float32, "c", shape=(1, request["count"]))
        sound = {"waveform": torch.from_numpy(samples), "sample_rate": SAMPLE_RATE}

        def run(numbers: Mapping[str, int]) -> Any:
            return self._pipeline(dict(sound), hook=hook(send), **numbers)

        output = settle(run, {name: request[name] for name in NUMBERS if request[name] is not None})
        turns = getattr(output, "speaker_diarization", output)  # a pipeline may be told to give only these
        return [(turn.start, turn.end, speaker) for turn, _, speaker in turns.itertracks(yield_label=True)]


def settle(run: Callable[[Mapping[str, int]], Any], numbers: Mapping[str, int]) -> Any:
    """Run with these numbers of speakers, as far as there are so many voices.

    Where fewer voices were heard than speakers are wanted, its k-means refuses; then only the upper bound is kept.
    """
    try:
        return run(numbers)
    except ValueError:
        most = numbers.get("num_speakers", numbers.get("max_speakers"))
        if set(numbers) <= {"max_speakers"}:
            raise
        return run({} if most is None else {"max_speakers": most})


def hook(send: child.Send) -> Callable[..., None]:
    """What tells how far the pipeline is; pyannote calls it as its own hooks (``pipelines/utils/hook.py``)."""

    def tell(step: str, _artifact: Any, *, total: int | None = None, completed: int | None = None, **_: Any) -> None:
        if step in SHARES and total and completed is not None:
            start, end = SHARES[step]
            send({"fraction": start + (end - start) * completed / total})

    return tell
