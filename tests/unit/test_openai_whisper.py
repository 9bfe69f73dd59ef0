"""What the library openai-whisper is told. Nothing here needs PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram import engines
from stenogram.engines.openai_whisper import OpenAIWhisperEngine
from stenogram.engines.openai_whisper.engine import careful, decoding
from stenogram.errors import EngineNotInstalled
from stenogram.types import TranscribeOptions


@pytest.mark.skipif(find_spec("torch") is not None, reason="PyTorch is here")
def test_without_the_library_the_line_that_installs_it_is_given() -> None:
    with pytest.raises(EngineNotInstalled, match=r"pip install 'stenogram\[openai-whisper\]'"):
        engines.find("openai-whisper")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (TranscribeOptions(), {"beam_size": 5}),
        (TranscribeOptions(beam_size=3, best_of=4), {"beam_size": 3}),
        (TranscribeOptions(beam_size=1), {"beam_size": None}),
        (TranscribeOptions(beam_size=8, use_beam_search=False), {"beam_size": None}),
        (TranscribeOptions(temperature=0.5), {"best_of": 5}),
        (TranscribeOptions(temperature=0.5, best_of=2, beam_size=8), {"best_of": 2}),
    ],
)
def test_one_try_is_either_searched_or_sampled(options: TranscribeOptions, told: dict[str, int | None]) -> None:
    """The library refuses beams above temperature 0, and several samples at 0."""
    temperature = options.temperature or 0.0

    assert (
        decoding("en", options)
        == {
            "language": "en",
            "task": "transcribe",
            "temperature": temperature,
            "prompt": None,
        }
        | told
    )


@given(st.floats(0, 1), st.floats(0, 1))
def test_temperatures_rise_to_one_at_most(first: float, step: float) -> None:
    options = TranscribeOptions(temperature=first, temperature_increment_on_fallback=max(step, 0.01) if step else 0.0)

    tried = careful("en", options)["temperature"]

    assert tried[0] == first
    assert all(before < after for before, after in pairwise(tried))
    assert tried[-1] <= 1
    assert step or len(tried) == 1


def test_the_careful_way_has_the_library_s_own_temperatures_and_no_memory() -> None:
    """One window's text is no prompt for the next; the prompt asked for is that of all windows."""
    told = careful("en", TranscribeOptions(initial_prompt="Dickens"))

    assert told["temperature"] == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert told["condition_on_previous_text"] is False
    assert (told["initial_prompt"], told["carry_initial_prompt"]) == ("Dickens", True)


def test_float16_is_for_gpus() -> None:
    assert OpenAIWhisperEngine().compute_types == {"cpu": ("float32",), "cuda": ("float16", "float32")}
