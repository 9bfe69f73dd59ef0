"""Whisper's log-mel spectrogram, in numpy: 25 ms windows every 10 ms, 80 or 128 mel bands, one window of 30 s."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from stenogram.types import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stenogram.types import Samples

    Mel = npt.NDArray[np.float32]

N_FFT = 400
"""Samples of a window: 25 ms."""
HOP = 160
"""Samples from window to window: 10 ms."""
WINDOW_S = 30
"""Whisper hears this much at a time, seconds."""
FRAMES = WINDOW_S * SAMPLE_RATE // HOP
"""Columns of a spectrogram."""
FRAMES_PER_S = SAMPLE_RATE // HOP


def log_mel(samples: Samples, n_mels: int = 80) -> Mel:
    """Compute the spectrogram of float32 ``[n]`` samples (at most 30 s are taken), float32 ``[n_mels, 3000]``.

    As openai-whisper's ``log_mel_spectrogram`` of the samples padded with zeros to 30 s, within 1e-4. Frames of the
    padding are filled in, not computed.
    """
    import numpy as np

    samples = samples[: WINDOW_S * SAMPLE_RATE]
    heard = min(FRAMES, -(-(len(samples) + N_FFT // 2) // HOP))  # frames that touch a sample
    padded = np.zeros(heard * HOP + N_FFT, np.float32)
    padded[N_FFT // 2 : N_FFT // 2 + len(samples)] = samples
    _reflect(padded, samples)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[: heard * HOP : HOP]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    mel = np.full((n_mels, FRAMES), 1e-10, np.float32)
    mel[:, :heard] = np.maximum(mel_filters(n_mels) @ power.T, 1e-10)
    np.log10(mel, out=mel)
    np.maximum(mel, mel.max() - 8.0, out=mel)
    return (mel + np.float32(4.0)) / np.float32(4.0)


def _reflect(padded: npt.NDArray[np.float32], samples: Samples) -> None:
    """Before the first sample, and after 30 s, the sound is mirrored, as ``torch.stft`` does."""
    half = N_FFT // 2
    start = samples[1 : half + 1][::-1]
    padded[half - len(start) : half] = start
    if len(samples) > WINDOW_S * SAMPLE_RATE - half:
        whole = padded[half : half + WINDOW_S * SAMPLE_RATE]
        end = whole[-half - 1 : -1][::-1]
        padded[half + WINDOW_S * SAMPLE_RATE :][: len(end)] = end


@functools.cache
def _window() -> npt.NDArray[np.float32]:
    """A periodic Hann window."""
    import numpy as np

    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT), np.float32)


@functools.cache
def mel_filters(n_mels: int) -> npt.NDArray[np.float32]:
    """Make the bank of triangular filters, float32 ``[n_mels, 201]``.

    Slaney's mel scale (linear to 1 kHz, then logarithmic) from 0 to 8 kHz and his normalisation to equal area, as in
    ``librosa.filters.mel``, with which Whisper was trained.
    """
    import numpy as np

    step_hz, corner_hz, log_step = 200 / 3, 1000.0, np.log(6.4) / 27
    corner = corner_hz / step_hz
    top = corner + np.log(SAMPLE_RATE / 2 / corner_hz) / log_step
    mels = np.linspace(0, top, n_mels + 2)
    hertz = np.where(mels < corner, mels * step_hz, corner_hz * np.exp(log_step * (mels - corner)))
    bins = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    rising = (bins - hertz[:-2, None]) / np.diff(hertz)[:-1, None]
    falling = (hertz[2:, None] - bins) / np.diff(hertz)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (hertz[2:] - hertz[:-2]))[:, None], np.float32)
