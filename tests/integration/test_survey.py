"""A first look at real recordings, and the profile that follows from it."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stenogram.app.transcribe import Request, transcribe
from stenogram.audio.decode import Decoder
from stenogram.audio.survey import LOOK_S, survey
from stenogram.testing import FakeEngine, MemoryCache, make_app
from stenogram.types import DecodeOptions


def never() -> bool:
    return False


def test_a_long_recording_is_only_begun(tmp_path: Path, two_cities: Path) -> None:
    with Decoder() as decoder:
        snapshots = list(decoder.decode(two_cities, tmp_path, DecodeOptions(), never, first_s=5.0))
        look = survey(decoder, two_cities, tmp_path, DecodeOptions(), never)
        *_, whole = decoder.decode(two_cities, tmp_path, DecodeOptions(), never)

    assert 5.0 <= snapshots[-1].audios[0].duration < 7.0
    assert snapshots[-1].finished
    assert snapshots[-1].warnings == ()
    assert look.duration_s == pytest.approx(44.4, abs=0.1)
    assert look.channels == 1
    assert look.snr_db is not None
    assert look.snr_db > 25
    assert whole.audios[0].duration == pytest.approx(44.4, abs=0.1)
    assert {*tmp_path.iterdir()} == {snapshots[-1].audios[0].path, whole.audios[0].path}


def test_channels_count_when_they_are_taken_apart(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.zeros(2 * 8000 * 3, np.int16).tobytes())
    with Decoder() as decoder:
        mixed = survey(decoder, path, tmp_path, DecodeOptions(), never)
        apart = survey(decoder, path, tmp_path, DecodeOptions(channels="separate"), never)

    assert (mixed.channels, apart.channels) == (1, 2)
    assert mixed.duration_s == pytest.approx(3.0)
    assert (mixed.duration_s or LOOK_S) < LOOK_S
    assert mixed.snr_db is None


def test_auto_looks_once_decides_and_says_why(two_cities: Path) -> None:
    """The look is kept: the same bytes are not begun twice."""
    cache = MemoryCache()
    request = Request(two_cities, profile="auto")
    for _ in range(2):
        engine = FakeEngine()
        with make_app(engine=engine, cache=cache) as app:
            transcript = transcribe(app, request)
        assert any(choice.startswith("profile quality: 44 s of sound are short") for choice in transcript.choices)
        assert any(choice.startswith("model fake") for choice in transcript.choices)
    assert [kind for kind, _ in cache.entries].count("survey") == 1

    with make_app(cache=cache) as app:
        asked = transcribe(app, replace(request, profile="default"))
    assert "profile balanced: asked for" in asked.choices
