"""Decoded samples -> a small MP3 that every browser plays; runs in the decoder's process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from stenogram.errors import StorageError
from stenogram.types import SAMPLE_RATE, Audio

BIT_RATE = 48_000
"""Of the MP3, bit/s: 22 MB an hour."""
_BLOCK = 30 * SAMPLE_RATE
_ALIVE_EVERY_S = 1.0


def encode_mp3(audio: Audio, target: Path, alive: Callable[[], None]) -> None:
    """Write ``audio`` as mono MP3 of 16 kHz to ``target``; its sample 0 is the first one that a player plays.

    ``alive`` is called about once a second. Raises ``StorageError``.
    """
    import av
    from av.audio.frame import AudioFrame

    told_at = time.monotonic()
    try:
        with av.open(target, "w", format="mp3") as container:
            stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
            stream.bit_rate = BIT_RATE
            for start in range(0, audio.sample_count, _BLOCK):
                frame = AudioFrame.from_ndarray(audio.window(start, start + _BLOCK)[None], "fltp", "mono")
                frame.sample_rate, frame.pts = SAMPLE_RATE, start
                container.mux(stream.encode(frame))
                if time.monotonic() - told_at > _ALIVE_EVERY_S:
                    told_at = time.monotonic()
                    alive()
            container.mux(stream.encode(None))
    except OSError as error:
        raise StorageError(path=target, cause=error.strerror or error) from error
