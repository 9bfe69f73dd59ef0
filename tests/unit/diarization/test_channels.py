"""Calls with one person on each channel: who speaks is the channel, and what leaks into the other is written once."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stenogram.bundled import asset
from stenogram.diarization.channels import drop_crosstalk, label_channels, turns_of
from stenogram.types import SAMPLE_RATE, Audio, Segment, SpeakerTurn, Word

Floats = npt.NDArray[np.float64]


def segment(channel: int | None, *words: tuple[str, float, float]) -> Segment:
    said = tuple(Word(*word) for word in words)
    return Segment(0, said[0].start, said[-1].end, " ".join(word.word for word in said), said, channel=channel)


# --- speakers and turns ----------------------------------------------------------------------------------------------


def test_each_channel_is_a_speaker_in_order_of_appearance() -> None:
    labelled = label_channels([segment(1, ("Hi.", 0, 1)), segment(0, ("Hello.", 1, 2)), segment(1, ("So.", 2, 3))])

    assert [part.speaker for part in labelled] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    assert [word.speaker for part in labelled for word in part.words] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    assert [replace(part, speaker=None, words=()) for part in labelled] == [
        replace(part, words=())
        for part in (segment(1, ("Hi.", 0, 1)), segment(0, ("Hello.", 1, 2)), segment(1, ("So.", 2, 3)))
    ]


def test_a_turn_goes_on_over_a_short_pause_and_ends_at_a_longer_one() -> None:
    one = segment(0, ("a", 0, 1), ("b", 1.5, 2), ("c", 2.6, 3))
    other = segment(1, ("d", 1.2, 2.9))

    assert turns_of([one, other]) == [
        SpeakerTurn(0, 2, "SPEAKER_00"),
        SpeakerTurn(1.2, 2.9, "SPEAKER_01"),
        SpeakerTurn(2.6, 3, "SPEAKER_00"),
    ]


def test_segments_without_words_are_turns_themselves() -> None:
    assert turns_of([Segment(0, 0, 2, "One.", channel=0), Segment(1, 2.2, 3, "Two.", channel=0)]) == [
        SpeakerTurn(0, 3, "SPEAKER_00")
    ]
    assert turns_of([Segment(0, 0, 2, "", channel=0)]) == []


# --- cross-talk ------------------------------------------------------------------------------------------------------


def voice(name: str, seconds: float) -> Floats:
    """The beginning of one of the wheel's recordings, at our rate and one loudness."""
    from scipy.signal import resample_poly

    with wave.open(str(asset(f"assets/{name}.wav"))) as file:
        rate, frames = file.getframerate(), file.readframes(round(seconds * file.getframerate()))
    samples = np.frombuffer(frames, np.int16).astype(np.float64)
    samples = resample_poly(samples, SAMPLE_RATE // 100, rate // 100)
    return np.asarray(samples * 0.07 / np.sqrt(np.mean(samples**2)))


def leak(sound: Floats, level_db: float, delay_s: float, low_pass_hz: float, room_s: float) -> Floats:
    """What a microphone nearby makes of it: quieter, later, duller, with the room."""
    from scipy.signal import butter, fftconvolve, sosfilt

    length = max(round(room_s * SAMPLE_RATE), 1)
    room = np.random.default_rng(7).standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    room *= 0.7 / np.sqrt(np.sum(room**2))
    room[0] = 1.0
    heard = sosfilt(butter(4, low_pass_hz, fs=SAMPLE_RATE, output="sos"), fftconvolve(sound, room)[: len(sound)])
    heard = np.concatenate([np.zeros(round(delay_s * SAMPLE_RATE)), heard])[: len(sound)]
    return np.asarray(heard * np.sqrt(np.mean(sound**2) / np.mean(heard**2)) * 10 ** (level_db / 20))


def spoken(sound: Floats, channel: int, text: str = "one", shift_s: float = 0.0) -> list[Segment]:
    """A word for each 0.3 s in which the voice is heard, each with a text of its own, five to a segment."""
    frames = np.square(sound[: len(sound) // 4800 * 4800]).reshape(-1, 4800).mean(axis=1)
    letters = np.random.default_rng(len(text)).integers(97, 123, (len(frames), 8)).astype(np.uint8)
    words = [
        Word(letters[number].tobytes().decode(), number * 0.3 + shift_s, number * 0.3 + 0.3 + shift_s)
        for number in np.flatnonzero(frames > 0.07**2 / 10).tolist()
    ]
    groups = [tuple(words[i : i + 5]) for i in range(0, len(words), 5)]
    return [
        Segment(0, group[0].start, group[-1].end, " ".join(word.word for word in group), group, channel=channel)
        for group in groups
    ]


def audios(folder: Path, *channels: Floats, noise_db: float = -50) -> list[Audio]:
    """Channels as files, with noise of their own."""
    random = np.random.default_rng(5)
    made = []
    for number, sound in enumerate(channels):
        noisy = sound + random.standard_normal(len(sound)) * 0.07 * 10 ** (noise_db / 20)
        path = folder / f"{number}.f32"
        noisy.astype(np.float32).tofile(path)
        made.append(Audio(path, len(sound), number))
    return made


def words_of(segments: list[Segment], channel: int) -> list[str]:
    return [word.word for part in segments if part.channel == channel for word in part.words]


def in_turns(seconds: float = 12.0) -> tuple[Floats, Floats]:
    """Two voices, one after the other."""
    one, other = voice("two_cities", seconds), voice("endgame_nagg_nell", seconds)
    return np.concatenate([one, np.zeros(len(other))]), np.concatenate([np.zeros(len(one)), other])


@pytest.mark.parametrize(
    ("level_db", "delay_s", "low_pass_hz", "room_s", "least"),
    [
        (-6, 0.005, 3400, 0.0, 0.95),
        (-12, 0.03, 1500, 0.15, 0.9),
        (-20, 0.02, 3000, 0.3, 0.9),
        (-30, 0.045, 3400, 0.15, 0.9),
    ],
)
def test_what_leaks_is_written_once_and_nobody_s_own_words_are_lost(
    tmp_path: Path, level_db: float, delay_s: float, low_pass_hz: float, room_s: float, least: float
) -> None:
    one, other = in_turns()
    way = (level_db, delay_s, low_pass_hz, room_s)
    own = spoken(one, 0, "one") + spoken(other, 1, "other")
    doubled = spoken(one, 1, "one", delay_s) + spoken(other, 0, "other", delay_s)
    sounds = audios(tmp_path, one + leak(other, *way), other + leak(one, *way))

    found, warnings = drop_crosstalk(sorted(own + doubled, key=lambda part: part.start), sounds)

    kept = [words_of(found, channel) for channel in (0, 1)]
    assert set(words_of(own, 0)) <= set(kept[0])
    assert set(words_of(own, 1)) <= set(kept[1])
    left = sum(map(len, kept)) - len(words_of(own, 0)) - len(words_of(own, 1))
    assert left <= (1 - least) * sum(len(part.words) for part in doubled)
    assert len(warnings) == 2
    assert [part.id for part in found] == list(range(len(found)))


@pytest.mark.parametrize("level_db", [-15, -30, -90])
def test_who_talks_at_the_same_time_loses_no_word(tmp_path: Path, level_db: float) -> None:
    one, other = voice("two_cities", 20), voice("endgame_nagg_nell", 20)
    way = (level_db, 0.02, 3000, 0.2)
    own = spoken(one, 0, "one") + spoken(other, 1, "other")

    sounds = audios(tmp_path, one + leak(other, *way), other + leak(one, *way))

    assert drop_crosstalk(own, sounds) == (own, [])


def test_one_sound_on_both_channels_is_written_once(tmp_path: Path) -> None:
    one = voice("two_cities", 10)
    found, warnings = drop_crosstalk(spoken(one, 0) + spoken(one, 1), audios(tmp_path, one, one, noise_db=-70))

    assert words_of(found, 0) == words_of(spoken(one, 0), 0)
    assert words_of(found, 1) == []
    assert len(warnings) == 1


def test_text_without_word_times_goes_as_a_whole(tmp_path: Path) -> None:
    one, other = in_turns(6.0)
    bare = [replace(part, words=()) for part in [*spoken(one, 0), *spoken(one, 1), *spoken(other, 1, "other")]]
    sounds = audios(tmp_path, one, other + leak(one, -15, 0.01, 3400, 0.0))

    found, _ = drop_crosstalk(bare, sounds)

    assert [(part.channel, part.text) for part in found] == [
        (part.channel, part.text) for part in [*spoken(one, 0), *spoken(other, 1, "other")]
    ]


def test_a_word_goes_only_where_the_other_channel_has_one(tmp_path: Path) -> None:
    """The engine may hear a word in the leak only; better there than nowhere."""
    one, other = in_turns(6.0)
    sounds = audios(tmp_path, one, other + leak(one, -15, 0.01, 3400, 0.0))

    assert drop_crosstalk(spoken(one, 1), sounds) == (spoken(one, 1), [])


def test_one_word_with_a_time_too_early_is_not_taken_for_the_other_s(tmp_path: Path) -> None:
    """Its time lies where only the leak is heard; it has no twin there, and its neighbours are its speaker's own."""
    one, other = in_turns(6.0)
    early = segment(1, ("Well", 4.0, 4.3), *((w.word, w.start, w.end) for w in spoken(other, 1, "other")[0].words))
    sounds = audios(tmp_path, one, other + leak(one, -15, 0.01, 3400, 0.0))

    assert drop_crosstalk([*spoken(one, 0), early], sounds) == ([*spoken(one, 0), early], [])


def test_the_warning_says_what_happened_where(tmp_path: Path) -> None:
    one, other = in_turns(6.0)
    sounds = audios(tmp_path, one, other + leak(one, -15, 0.01, 3400, 0.0))
    _, (warning,) = drop_crosstalk(spoken(one, 0) + spoken(one, 1), sounds)

    first = spoken(one, 1)[0].words[0]
    assert warning == (
        f"Channel 0 is also heard on channel 1: {len(words_of(spoken(one, 1), 1))} words that came out twice are "
        f"written once, the first at {first.start:.1f} s (“{first.word}”)."
    )


def test_a_word_in_digital_silence_stays(tmp_path: Path) -> None:
    one = voice("two_cities", 6)
    sounds = audios(tmp_path, one, np.zeros(len(one)), noise_db=-300)
    other = segment(1, ("Nobody", 2.0, 2.5), ("says", 2.5, 3.0), ("this.", 3.0, 3.5))

    assert drop_crosstalk([*spoken(one, 0), other], sounds)[1] == []


def test_only_some_seconds_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording of many hours is read by stretches."""
    one, other = in_turns()
    read: list[int] = []
    window = Audio.window

    def counted(self: Audio, start: int, end: int) -> Any:
        read.append(end - start)
        return window(self, start, end)

    monkeypatch.setattr(Audio, "window", counted)
    sounds = audios(tmp_path, one, other + leak(one, -15, 0.01, 3400, 0.0))
    drop_crosstalk(spoken(one, 0) + spoken(one, 1), sounds)

    assert read
    assert max(read) <= 4 * SAMPLE_RATE
