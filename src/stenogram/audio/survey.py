"""A first look at a recording, over in a fraction of a second: how long, how many channels, how noisy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stenogram.audio.decode import Decoder
from stenogram.protocols import Stop
from stenogram.types import SAMPLE_RATE, DecodeOptions

if TYPE_CHECKING:
    from stenogram.types import Samples

LOOK_S = 30.0
"""So much of the start is decoded."""
FRAME = SAMPLE_RATE // 50
"""Samples per frame of energy: 20 ms."""
SILENCE_DB = -70.0
"""Below full scale; quieter frames are digital silence, and tell nothing of the noise in the room."""
LEAST_FRAMES = 50
"""Fewer frames with sound, one second, are too few to tell."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first look tells."""

    duration_s: float | None
    """Length of the recording; None where its container does not say and it is longer than the look."""
    channels: int
    """Channels that will be transcribed."""
    snr_db: float | None
    """How far loud frames stand above quiet ones, decibels; None where there is too little sound to tell."""


def survey(decoder: Decoder, source: Path, folder: Path, options: DecodeOptions, stop: Stop) -> Survey:
    """Look at the first ``LOOK_S`` seconds of ``source``; ``folder`` takes the samples. Raises ``InputError``."""
    *_, last = decoder.decode(source, folder, options, stop, first_s=LOOK_S)
    looked_s = max(audio.duration for audio in last.audios)
    whole = looked_s < LOOK_S
    levels = [snr_db(audio.window(0, audio.sample_count)) for audio in last.audios]
    known = [level for level in levels if level is not None]
    for audio in last.audios:
        audio.path.unlink()
    return Survey(looked_s if whole else last.total_s, len(last.audios), min(known, default=None))


def snr_db(samples: Samples) -> float | None:
    """Estimate the signal-to-noise ratio of speech, in decibels, from float32 ``[n]``.

    The 95th percentile of the energy of 20 ms frames over the 10th: speech pauses often enough for the quiet tenth to
    be noise alone (the idea of NIST's "quick" signal-to-noise estimate).
    """
    import numpy as np

    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    decibels = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-12)
    heard = decibels[decibels > SILENCE_DB]
    if len(heard) < LEAST_FRAMES:
        return None
    low, high = np.percentile(heard, (10, 95))
    return round(float(high - low), 1)
