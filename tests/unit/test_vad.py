"""Where somebody speaks: the network on real sound, and the rules on made-up probabilities."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram import bundled
from stenogram.audio import vad as vad_module
from stenogram.audio.silero import CONTEXT, FRAME, HIDDEN, SpeechNetwork
from stenogram.audio.vad import BLOCK_FRAMES, Vad, detect
from stenogram.onnx.session import open_session
from stenogram.types import SAMPLE_RATE, Audio, Span, VadOptions

if TYPE_CHECKING:
    from stenogram.types import Samples

FRAME_S = FRAME / SAMPLE_RATE


@pytest.fixture(scope="module")
def network() -> SpeechNetwork:
    return SpeechNetwork()


@pytest.fixture(scope="module")
def speech() -> Samples:
    """44 s of one reader, 48 kHz brought to 16 kHz by averaging."""
    with wave.open(str(bundled.asset("assets/two_cities.wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    return np.ascontiguousarray(samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1))


def _listen(network: SpeechNetwork, samples: Samples, options: VadOptions, block: int = 16_000) -> list[Span]:
    vad = Vad(network, options)
    spans = []
    for start in range(0, len(samples), block):
        spans += vad.feed(samples[start : start + block])
    return spans + vad.finish()


def _published(samples: Samples) -> Samples:
    """What the network as published says of each frame, one after the other."""
    session = open_session(bundled.network("silero"))
    padded = np.pad(samples, (CONTEXT, -len(samples) % FRAME))
    state, rate = np.zeros((2, 1, HIDDEN), np.float32), np.array(SAMPLE_RATE, np.int64)
    answers = []
    for start in range(0, len(padded) - CONTEXT, FRAME):
        frame = padded[None, start : start + CONTEXT + FRAME]
        answer, state = session.run(None, {"input": frame, "state": state, "sr": rate})
        answers.append(answer[0, 0])
    return np.array(answers)


def _mask(spans: list[Span], seconds: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.zeros(int(seconds * 100), np.bool_)
    for span in spans:
        mask[round(span.start * 100) : round(span.end * 100)] = True
    return mask


# --- the network on sound --------------------------------------------------------------------------------------------


def test_a_reading_is_mostly_speech_with_pauses(network: SpeechNetwork, speech: Samples) -> None:
    spans = _listen(network, speech, VadOptions())

    assert 0.6 < _mask(spans, len(speech) / SAMPLE_RATE).mean() < 0.95
    assert len(spans) > 10


@pytest.mark.parametrize("block", [441, 16_000, 1_000_000])
def test_the_spans_do_not_depend_on_the_blocks(network: SpeechNetwork, speech: Samples, block: int) -> None:
    assert _listen(network, speech, VadOptions(), block) == _listen(network, speech, VadOptions(), 5_000)


@pytest.mark.parametrize("frames", [1, 50, 100_000])
@pytest.mark.parametrize("name", ["speech", "white", "pink", "hum", "clicks", "faint", "silence after speech"])
def test_the_probabilities_are_those_of_the_published_network(
    network: SpeechNetwork, speech: Samples, name: str, frames: int
) -> None:
    faint, silence = np.round(_noises()["white"]) / np.float32(32768), np.zeros(5 * SAMPLE_RATE, np.float32)
    after = np.concatenate([speech[: 3 * SAMPLE_RATE], silence])
    sound = {**_noises(), "speech": speech, "faint": faint, "silence after speech": after}[name]
    padded = np.pad(sound, (CONTEXT, -len(sound) % FRAME))
    state, found = np.zeros((2, 1, HIDDEN), np.float32), []
    for start in range(0, len(padded) - CONTEXT, frames * FRAME):
        probabilities, state = network.probabilities(padded[start : start + CONTEXT + frames * FRAME], state)
        found.append(probabilities)

    assert np.abs(np.concatenate(found) - _published(sound)).max() < 1e-4


def test_the_spans_are_those_of_the_published_network(network: SpeechNetwork, speech: Samples) -> None:
    passages = vad_module._Passages(VadOptions())
    expected = passages.feed(_published(speech).tolist()) + passages.finish()

    assert _listen(network, speech, VadOptions()) == expected


@pytest.mark.parametrize("gain_db", [-40, -20, 20, 40])
def test_quiet_and_clipped_speech_is_found(network: SpeechNetwork, speech: Samples, gain_db: int) -> None:
    seconds = 20
    part = speech[: seconds * SAMPLE_RATE]
    changed = np.round(np.clip(part * 10 ** (gain_db / 20), -1, 1) * 32767).astype(np.float32) / 32767

    normal = _mask(_listen(network, part, VadOptions()), seconds)
    found = _mask(_listen(network, changed, VadOptions()), seconds)

    assert (normal & found).sum() > 0.8 * normal.sum()


def _noises() -> dict[str, Samples]:
    random, count = np.random.default_rng(0), 12 * SAMPLE_RATE
    time_s = np.arange(count) / SAMPLE_RATE
    white = random.standard_normal(count)
    slope = np.sqrt(np.maximum(np.arange(count // 2 + 1), 1))
    pink = np.fft.irfft(np.fft.rfft(white) / slope)
    hum = sum(np.sin(2 * np.pi * 50 * k * time_s) / k for k in (1, 2, 3))
    chord = sum(np.sin(2 * np.pi * hertz * time_s) for hertz in (262, 330, 392))
    clicks = np.where(np.arange(count) % 8000 == 0, 1.0, 0.0)
    sounds = {"white": white, "pink": pink, "hum": hum, "chord": chord, "clicks": clicks}
    return {name: (sound / np.abs(sound).max()).astype(np.float32) for name, sound in sounds.items()}


@pytest.mark.parametrize("level", [0.5, 0.02, 0.0005])
@pytest.mark.parametrize("name", ["white", "pink", "hum", "chord", "clicks"])
def test_noise_and_tones_are_not_speech(network: SpeechNetwork, name: str, level: float) -> None:
    assert _listen(network, _noises()[name] * np.float32(level), VadOptions()) == []


def test_speech_between_long_silences_is_found_at_its_time(network: SpeechNetwork, speech: Samples) -> None:
    silence = np.zeros(50 * SAMPLE_RATE, np.float32)

    spans = _listen(network, np.concatenate([silence, speech[: 8 * SAMPLE_RATE], silence]), VadOptions())

    assert _mask(spans, 108)[5000:5800].mean() > 0.6
    assert spans[0].start >= 50
    assert spans[-1].end < 58.2


def test_a_recording_is_read_from_its_file(network: SpeechNetwork, speech: Samples, tmp_path: Path) -> None:
    speech.tofile(tmp_path / "speech.f32")
    audio = Audio(tmp_path / "speech.f32", len(speech))

    assert detect(audio, VadOptions(), network) == _listen(network, speech, VadOptions())


# --- the rules -------------------------------------------------------------------------------------------------------


class Loudness(SpeechNetwork):
    """Takes the loudest sample of a frame for the probability of speech; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Samples] = []

    def probabilities(self, sound: Samples, state: Samples) -> tuple[Samples, Samples]:
        self.asked.append(sound.copy())
        loudest: Samples = np.abs(sound[CONTEXT:]).reshape(-1, FRAME).max(axis=1)
        return loudest, state + 1


def _sound(picture: str) -> Samples:
    """One frame per letter: ``#`` speech, ``-`` perhaps (0.4), ``.`` silence."""
    levels = [{"#": 0.9, "-": 0.4, ".": 0.1}[letter] for letter in picture]
    return np.repeat(np.array(levels, np.float32), FRAME)


def _picture(spans: list[Span], length: int) -> str:
    letters = ["."] * length
    for span in spans:
        first, last = round(span.start / FRAME_S), round(span.end / FRAME_S)
        letters[first:last] = "[" + "#" * (last - first - 2) + "]"
    return "".join(letters)


@pytest.mark.parametrize(
    ("sound", "expected", "rule"),
    [
        ("..######....", "..[####]....", "speech is where the probability is high"),
        ("..######..####", "..[##########]", "a gap of two frames is inside a word"),
        ("..######...####", "..[####]...[##]", "three frames are a pause"),
        ("..####----....", "..[######]....", "speech fades out with hysteresis"),
        ("..------------", "..............", "and does not fade in"),
        ("..##.....######.", ".........[####].", "a passage too short to be speech is dropped"),
        ("..##...##....", "..[]...[]....", "two spans that make a passage together are kept"),
        ("..##.....##....", "...............", "two passages do not help each other"),
        ("..##", "....", "nor at the end of the recording"),
        ("######", "[####]", "speech may fill the recording"),
    ],
)
def test_spans(sound: str, expected: str, rule: str) -> None:
    options = VadOptions(min_speech_duration_ms=100, min_silence_duration_ms=160)

    spans = _listen(Loudness(), _sound(sound), options)

    assert _picture(spans, len(sound)) == expected, rule


def test_the_end_of_a_span_is_not_past_the_end_of_the_recording() -> None:
    samples = _sound("..########")[:-300]

    assert _listen(Loudness(), samples, VadOptions()) == [Span(2 * FRAME_S, len(samples) / SAMPLE_RATE)]


def test_each_block_follows_from_the_one_before_and_silence_fills_the_last_frame() -> None:
    states: list[float] = []

    class Counting(Loudness):
        def probabilities(self, sound: Samples, state: Samples) -> tuple[Samples, Samples]:
            states.append(float(state.max()))
            return super().probabilities(sound, state)

    network, block = Counting(), BLOCK_FRAMES * FRAME
    samples = np.linspace(0.1, 0.9, 3 * block + FRAME + 100, dtype=np.float32)
    whole = np.pad(samples, (CONTEXT, FRAME - 100))

    _listen(network, samples, VadOptions(), 100_000)

    assert states == [0, 1, 2, 3]
    for number, sound in enumerate(network.asked):
        assert np.array_equal(sound, whole[number * block : (number + 1) * block + CONTEXT])


@pytest.mark.parametrize(
    ("tail", "begun"),
    [("#......", 505), ("#######", 505), (".......", 512)],
    ids=["held back as short", "open", "none"],
)
def test_heard_s_stops_before_speech_that_is_not_returned_yet(tail: str, begun: int) -> None:
    vad = Vad(Loudness(), VadOptions(min_speech_duration_ms=100, min_silence_duration_ms=500))

    assert vad.feed(_sound("." * 505 + tail)) == []

    assert vad.heard_s == pytest.approx(begun * FRAME_S)
    assert len(vad.feed(_sound("######" + "." * 3000))) == (1 if begun == 512 or tail == "#######" else 2)


def test_without_the_filter_all_sound_is_speech(tmp_path: Path) -> None:
    samples, options = np.zeros(40_000, np.float32), VadOptions(vad_filter=False)
    samples.tofile(tmp_path / "silence.f32")
    vad = Vad(Loudness(), options)

    assert vad.feed(samples[:16_000]) == [Span(0, 1)]
    assert vad.feed(samples[16_000:]) == [Span(1, 2.5)]
    assert (vad.heard_s, vad.finish()) == (2.5, [])
    assert detect(Audio(tmp_path / "silence.f32", 40_000), options, Loudness()) == [Span(0, 2.5)]


@pytest.mark.parametrize("vad_filter", [True, False])
def test_an_empty_recording_has_no_speech(tmp_path: Path, vad_filter: bool) -> None:
    (tmp_path / "empty.f32").touch()

    assert detect(Audio(tmp_path / "empty.f32", 0), VadOptions(vad_filter=vad_filter), Loudness()) == []


@settings(max_examples=30, deadline=None)
@given(
    runs=st.lists(st.tuples(st.sampled_from("#-."), st.integers(1, 700)), max_size=20),
    blocks=st.lists(st.integers(1, 400_000), min_size=1, max_size=30),
    least_ms=st.integers(0, 500),
    silence_ms=st.integers(32, 1000),
)
def test_any_blocks_give_the_same_spans_and_heard_s_keeps_its_promise(
    runs: list[tuple[str, int]], blocks: list[int], least_ms: int, silence_ms: int
) -> None:
    samples = _sound("".join(letter * count for letter, count in runs))
    options = VadOptions(min_speech_duration_ms=least_ms, min_silence_duration_ms=silence_ms)
    vad, promised = Vad(Loudness(), options), 0.0
    spans: list[Span] = []
    while len(samples):
        block, samples = samples[: blocks[0]], samples[blocks[0] :]
        blocks = [*blocks[1:], blocks[0]]
        new = vad.feed(block)
        assert all(span.start >= promised for span in new)
        assert vad.heard_s >= promised
        spans, promised = spans + new, vad.heard_s
    new = vad.finish()
    assert all(span.start >= promised for span in new)

    whole = _sound("".join(letter * count for letter, count in runs))
    assert spans + new == _listen(Loudness(), whole, options, len(whole) + 1)
