"""The filter bank is Kaldi's: numbers of ``kaldi-native-fbank`` 1.22 for the same sound."""

from __future__ import annotations

import numpy as np
import pytest

from stenogram.diarization.fbank import FRAME, HOP, fbank

FIRST = [11.699, 13.683, 19.387, 12.384, 12.003, 12.657, 25.718, 14.503, 13.639, 13.38]
LAST = [13.192, 14.035, 19.413, 12.136, 12.197, 12.601, 13.714, 18.984, 14.804, 13.883]
"""Every eighth band of the first and the last frame."""


def sweep() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    t = np.arange(4000) / 16000
    tones = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(2 * np.pi * 2500 * t * (1 + t))
    return (tones + 0.01 * np.cos(2 * np.pi * 7000 * t)).astype(np.float32)


def test_it_is_kaldis() -> None:
    found = fbank(sweep())
    assert found.shape == (23, 80)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, ::8], FIRST, atol=2e-3)
    np.testing.assert_allclose(found[-1, ::8], LAST, atol=2e-3)
    assert found.mean() == pytest.approx(14.716721, abs=1e-3)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (FRAME - 1, 0), (FRAME, 1), (FRAME + HOP, 2)])
def test_frames_are_whole(samples: int, frames: int) -> None:
    assert fbank(np.zeros(samples, np.float32)).shape == (frames, 80)


def test_silence_has_the_least_energy_and_no_infinity() -> None:
    assert np.isfinite(fbank(np.zeros(4000, np.float32))).all()
