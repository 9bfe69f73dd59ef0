"""The outline of a recording, for a waveform: how loud it gets, twenty times a second."""

from __future__ import annotations

from stenogram.types import SAMPLE_RATE, Audio

PEAKS_PER_S = 20
VERSION = 1
"""Changes whenever the same samples would give other peaks."""
_STEP = SAMPLE_RATE // PEAKS_PER_S
_BLOCK = 3000 * _STEP
"""Samples read at once: two and a half minutes, 10 MB."""


def peaks_of(audio: Audio) -> bytes:
    """One byte for each twentieth of a second: ``round(255 * sqrt(p))``, ``p`` the largest absolute sample (0..1).

    The root gives quiet speech more of the 255 steps; the amplitude is ``(byte / 255) ** 2``.
    """
    import numpy as np

    found = []
    for start in range(0, audio.sample_count, _BLOCK):
        samples = np.abs(audio.window(start, start + _BLOCK))
        samples = np.pad(samples, (0, -len(samples) % _STEP))
        largest = np.minimum(samples.reshape(-1, _STEP).max(axis=1), 1.0)
        found.append(np.rint(255 * np.sqrt(largest)).astype(np.uint8).tobytes())
    return b"".join(found)
