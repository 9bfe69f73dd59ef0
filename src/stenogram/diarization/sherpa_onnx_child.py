"""The process in which sherpa-onnx works: a recording in, its turns out (``stenogram.child``).

It lives apart because ``process`` holds Python's lock from its first sample to its last, and because a file that is not
what it expects, or a voice of less than 25 ms, makes the library end the process it is in (sherpa-onnx 2.0.1,
``python/csrc/offline-speaker-diarization.cc``, ``csrc/macros.h``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stenogram import child
from stenogram.types import SAMPLE_RATE, Audio

WINDOW_S = 10
"""What the segmentation network hears at once."""

Turn = tuple[float, float, int]


def main() -> None:
    """Serve requests until standard input closes."""
    child.serve(Diarization().serve)


class Diarization:
    """The networks in memory."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._library: Any = None

    def serve(self, request: dict[str, Any], send: child.Send) -> None:
        """Tell the turns of one recording."""
        try:
            self._load(request)
            samples = read(Path(request["samples"]), request["count"], request["window_shift_ratio"])

            def run(count: int | None) -> tuple[list[Turn], int]:
                return self._run(samples, count, request["threshold"], send)

            turns = settle(run, request["num_speakers"], request["min_speakers"], request["max_speakers"])
        except MemoryError:
            send({"out_of_memory": "all samples of the recording are needed at once"})
        else:
            send({"turns": turns})

    def _load(self, request: dict[str, Any]) -> None:
        key = tuple(request[name] for name in ("segmentation", "embedding", "threads", "window_shift_ratio"))
        if key == self._key:
            return
        import sherpa_onnx

        self._library = sherpa_onnx.OfflineSpeakerDiarization(_config(*key))
        self._key = key

    def _run(
        self, samples: memoryview, count: int | None, threshold: float, send: child.Send
    ) -> tuple[list[Turn], int]:
        """The turns for so many speakers (None: as the threshold says), and how many voices were clustered."""
        import sherpa_onnx

        heard = 0

        def told(done: int, total: int) -> int:
            nonlocal heard
            heard = total
            send({"fraction": done / total})
            return 0

        config = _config(*self._key)
        config.clustering = sherpa_onnx.FastClusteringConfig(num_clusters=count or -1, threshold=threshold)
        self._library.set_config(config)  # it takes over the clustering only
        result = self._library.process(samples, told)
        turns = [(turn.start, turn.end, turn.speaker) for turn in result.sort_by_start_time()]
        return turns, heard


def _config(segmentation: str, embedding: str, threads: int, shift: float) -> Any:
    import sherpa_onnx

    pyannote = sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(segmentation, shift)
    return sherpa_onnx.OfflineSpeakerDiarizationConfig(
        segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(pyannote, num_threads=threads),
        embedding=sherpa_onnx.SpeakerEmbeddingExtractorConfig(embedding, num_threads=threads),
        clustering=sherpa_onnx.FastClusteringConfig(),
    )


def read(path: Path, count: int, shift: float) -> memoryview:
    """The samples, with silence up to the end of the last window, and never one window alone.

    A single window is not clustered, so that a number of speakers would not count. In a window that is not whole, what
    the network hears in the padding is cut away later, and a voice of which nothing is left ends the process.
    """
    import numpy as np

    window, step = WINDOW_S * SAMPLE_RATE, int(shift * WINDOW_S * SAMPLE_RATE)
    steps = max(-(-(count - window) // step), 1)
    samples = np.zeros(window + steps * step, np.float32)
    samples[:count] = Audio(path, count).window(0, count)
    return samples.data  # its items are read several times faster than NumPy's


def settle(
    run: Callable[[int | None], tuple[list[Turn], int]], number: int | None, least: int | None, most: int | None
) -> list[Turn]:
    """Turns of as many speakers as asked for, as far as there are so many voices.

    The library only knows an exact number or none, and takes more speakers than voices for one speaker. So bounds cost
    a second run where the first oversteps them.
    """
    turns, heard = run(number)
    if number is not None:
        return turns if heard >= number else run(None)[0]
    found = len({speaker for _, _, speaker in turns})
    wanted = min(max(found, least or 1), most or heard, heard)
    return run(wanted)[0] if found and found != wanted else turns
