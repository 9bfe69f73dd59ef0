"""The log-mel spectrogram, against its formula computed slowly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from stenogram.audio.features import FRAMES, HOP, N_FFT, WINDOW_S, log_mel, mel_filters
from stenogram.types import SAMPLE_RATE

Samples = npt.NDArray[np.float32]
WINDOW = WINDOW_S * SAMPLE_RATE


def noise(length: int) -> Samples:
    return np.random.default_rng(length).standard_normal(length, np.float32) / np.float32(10)


def slowly(samples: Samples, n_mels: int) -> npt.NDArray[np.float64]:
    """openai-whisper's ``log_mel_spectrogram`` of the sound padded to 30 s, in double precision."""
    sound = np.pad(samples.astype(np.float64), (0, WINDOW - len(samples)))
    padded = np.pad(sound, N_FFT // 2, mode="reflect")
    frames = np.stack([padded[place * HOP :][:N_FFT] for place in range(FRAMES)])
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT + 1)[:-1])) ** 2
    mel = np.log10(np.maximum(mel_filters(n_mels).astype(np.float64) @ power.T, 1e-10))
    return np.asarray((np.maximum(mel, mel.max() - 8) + 4) / 4)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("length", [1, 50, N_FFT, SAMPLE_RATE + 3, WINDOW - 100, WINDOW])
def test_spectrogram_is_whispers(length: int, n_mels: int) -> None:
    """Within 1e-4 of the formula, at every length: frames of the padding are filled in, both ends are mirrored."""
    mel = log_mel(noise(length), n_mels)

    assert mel.shape == (n_mels, FRAMES)
    assert mel.dtype == np.float32
    np.testing.assert_allclose(mel, slowly(noise(length), n_mels), atol=1e-4)


def test_sound_after_thirty_seconds_is_not_heard() -> None:
    """What follows the window changes nothing."""
    np.testing.assert_array_equal(log_mel(noise(WINDOW)), log_mel(np.append(noise(WINDOW), noise(999))))


@pytest.mark.parametrize("n_mels", [80, 128])
def test_filters_are_triangles_of_equal_area(n_mels: int) -> None:
    """Each filter passes something, rises once and falls once, and the peaks rise in frequency."""
    filters = mel_filters(n_mels)

    assert (filters >= 0).all()
    assert (filters.max(axis=1) > 0).all()
    assert (np.diff(filters.argmax(axis=1)) >= 0).all()
    for row in filters:
        slopes = np.sign(np.diff(row[row > 0]))
        assert (np.diff(slopes[slopes != 0]) <= 0).all()
