"""Kaldi's log mel filter bank, in numpy: what speaker networks hear."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from stenogram.types import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stenogram.types import Samples

    Floats = npt.NDArray[np.float32]

BANDS = 80
FRAME = 400
"""Samples of a frame: 25 ms."""
HOP = 160
"""Samples from frame to frame: 10 ms."""

_N_FFT = 512
_LOW_HZ = 20.0
_SCALE = 2.0**15
"""Kaldi's samples are 16-bit integers."""
_EMPHASIS = 0.97
_FLOOR = 1.1920929e-07
"""Least energy of a band: the smallest step of float32 at 1."""


def fbank(samples: Samples) -> Floats:
    """The filter bank ``[1 + (n - FRAME) // HOP, BANDS]`` of ``n`` samples; nothing where they are too few for a frame.

    As ``kaldi-native-fbank`` with 80 bins, Hamming window, no dither, edges snipped, frame by frame within 1e-3: each
    frame loses its mean, is emphasised towards the treble (0.97), and gives the log energy of triangles on the mel
    scale from 20 Hz to 8 kHz.
    """
    import numpy as np

    if len(samples) < FRAME:
        return np.zeros((0, BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP] * np.float32(_SCALE)
    frames = frames - frames.mean(1, keepdims=True)
    frames[:, 1:] -= np.float32(_EMPHASIS) * frames[:, :-1]
    frames[:, 0] *= np.float32(1 - _EMPHASIS)
    spectrum = np.fft.rfft(frames * _window(), _N_FFT)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return np.log(np.maximum(power @ _bands(), np.float32(_FLOOR)))  # type: ignore[no-any-return]


@functools.cache
def _window() -> Floats:
    import numpy as np

    return np.hamming(FRAME).astype(np.float32)


@functools.cache
def _bands() -> Floats:
    """Weights of the bins of a spectrum in the bands ``[_N_FFT // 2 + 1, BANDS]``."""
    import numpy as np

    def mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1127.0 * np.log1p(hz / 700.0)

    bins = mel(np.arange(_N_FFT // 2 + 1) * SAMPLE_RATE / _N_FFT)[:, None]
    lowest, highest = mel(np.array([_LOW_HZ, SAMPLE_RATE / 2])).tolist()
    edges = np.linspace(lowest, highest, BANDS + 2)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    weights = np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
    weights[-1] = 0  # Kaldi leaves out the last bin
    return weights  # type: ignore[no-any-return]
