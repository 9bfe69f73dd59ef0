"""Which care a recording gets: every input of ``auto`` changes a decision, and what was asked for by name wins."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stenogram.app import profile
from stenogram.audio.survey import Survey, snr_db
from stenogram.models.speed import expected_rtfx
from stenogram.testing import FAKE_FILES, FakeEngine
from stenogram.types import SAMPLE_RATE, LoadOptions, TranscribeOptions

MEETING = Survey(duration_s=3600.0, channels=1, snr_db=35.0)
LAPTOP = 150.0
"""Times real time, as with the built-in model on two cores."""


def name(look: Survey, speed: float = LAPTOP) -> str:
    return profile.decide(look, speed).name


def test_length_decides() -> None:
    assert name(replace(MEETING, duration_s=13.0)) == "quality"
    assert name(MEETING) == "balanced"


def test_channels_decide() -> None:
    call = replace(MEETING, duration_s=30.0)

    assert name(call) == "quality"
    assert name(replace(call, channels=2)) == "balanced"


def test_noise_decides() -> None:
    assert name(replace(MEETING, snr_db=15.0)) == "quality"
    assert name(replace(MEETING, snr_db=None)) == "balanced"


def test_the_speed_of_model_and_machine_decides() -> None:
    assert name(MEETING, speed=5000.0) == "balanced"
    assert name(MEETING, speed=20_000.0) == "quality"
    assert name(MEETING, speed=2.0) == "fast"
    assert name(replace(MEETING, snr_db=15.0), speed=10.0) == "balanced"


def test_an_unknown_length_gets_no_guess() -> None:
    assert name(replace(MEETING, duration_s=None)) == "balanced"


def test_the_reason_names_what_decided() -> None:
    assert "short" in profile.decide(replace(MEETING, duration_s=5.0), LAPTOP).reason
    assert "noisy (15 dB)" in profile.decide(replace(MEETING, snr_db=15.0), LAPTOP).reason
    assert "1800 s on this machine" in profile.decide(MEETING, 2.0).reason


def test_more_cores_and_a_gpu_are_faster_and_larger_models_slower(tmp_path: Path) -> None:
    for size in (1, 2):
        (tmp_path / str(size)).write_bytes(bytes(size * 4_000_000))
    small, large = (replace(FAKE_FILES, paths={"model": tmp_path / str(size)}) for size in (1, 2))
    cpu, cuda = LoadOptions(device="cpu"), LoadOptions(device="cuda")

    assert expected_rtfx(small, cpu, 4) == pytest.approx(2 * expected_rtfx(small, cpu, 2))
    assert expected_rtfx(small, cpu, 4) == pytest.approx(2 * expected_rtfx(large, cpu, 4))
    assert expected_rtfx(small, cuda, 2) > expected_rtfx(small, cpu, 32)
    assert expected_rtfx(small, replace(cpu, cpu_threads=1), 8) == pytest.approx(expected_rtfx(small, cpu, 1))


def test_a_profile_sets_only_what_was_left_open_and_what_the_engine_can_do() -> None:
    whisper, plain = FakeEngine(supports=frozenset({"beam_size"})), FakeEngine()
    asked = TranscribeOptions(beam_size=3)

    assert profile.apply("fast", whisper, TranscribeOptions()).beam_size == 1
    assert profile.apply("fast", whisper, asked) == asked
    assert profile.apply("fast", plain, TranscribeOptions()) == TranscribeOptions()
    assert profile.apply("balanced", whisper, asked) == asked
    assert profile.apply("quality", plain, TranscribeOptions()).sequential


def test_signal_to_noise_is_how_far_speech_stands_above_the_rest() -> None:
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(10 * SAMPLE_RATE).astype(np.float32)
    bursts = np.repeat(generator.random(100) < 0.5, SAMPLE_RATE // 10).astype(np.float32)
    for wanted_db in (10, 30):
        speech = noise * bursts * np.float32(math.sqrt(10 ** (wanted_db / 10)))
        assert snr_db(np.float32(0.001) * (noise[::-1] + speech)) == pytest.approx(wanted_db, abs=2)


def test_too_little_sound_tells_no_noise() -> None:
    assert snr_db(np.zeros(20 * SAMPLE_RATE, np.float32)) is None
    assert snr_db(np.full(1000, 0.1, np.float32)) is None
