"""Our graphs compute what the published networks compute: they run side by side on real speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stenogram import bundled
from stenogram.audio.decode import decode
from stenogram.diarization.fbank import fbank
from stenogram.diarization.networks import FBANK_STEP, FRAMES, POWERSET, WINDOW, Networks
from stenogram.onnx.session import open_session


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """10 s in which two people talk."""
    source = bundled.asset("assets/endgame_nagg_nell.wav")
    audio = decode(Path(source), tmp_path_factory.mktemp("sound")).audios[0]
    samples = np.zeros(WINDOW, np.float32)
    heard = audio.window(0, WINDOW)
    samples[: len(heard)] = heard
    return samples


def test_segmentation_decides_as_the_published_network(networks: Networks, sound: Any) -> None:
    quiet = sound * np.float32(0.01)
    windows = np.stack([sound, quiet])
    published = open_session(bundled.network("segmentation"))
    expected = published.run(None, {"waveforms": windows[:, None]})[0]

    found = networks.segmentation().probabilities(windows)

    assert found.shape == (2, FRAMES, len(POWERSET))
    np.testing.assert_allclose(found.sum(2), 1, atol=1e-5)
    members = np.array([[place in speakers for place in range(3)] for speakers in POWERSET])
    assert (members[found.argmax(2)] == expected).mean() > 0.999
    assert expected.any(axis=(0, 1)).sum() >= 2, "two local speakers, or it proves little"


def test_voices_are_those_of_the_published_network_for_any_weights(networks: Networks, sound: Any) -> None:
    features = fbank(sound)
    features = features[: len(features) // FBANK_STEP * FBANK_STEP]
    random = np.random.default_rng(1)
    weights = np.stack([np.ones(len(features)), random.random(len(features)) > 0.7, np.arange(len(features)) < 300])
    published = open_session(bundled.network("embedding"))
    stacked = {"fbank": np.stack([features] * 3), "weights": weights.astype(np.float32)}
    expected = published.run(None, stacked)[0]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    columns = networks.embedding().columns(features)
    # the published one takes the weight of the first of the eight frames of a column
    found = networks.embedding().voices(columns, np.ascontiguousarray(weights[:, ::FBANK_STEP].astype(np.float32)))

    assert columns.shape == (len(features) // FBANK_STEP, 2560)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_is_forgotten_is_loaded_again(networks: Networks) -> None:
    first = networks.embedding()
    assert networks.embedding() is first
    networks.forget()
    assert networks.embedding() is not first
