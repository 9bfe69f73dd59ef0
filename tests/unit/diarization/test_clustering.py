"""Clustering on made-up voices: directions in space, with noise about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stenogram.diarization import clustering
from stenogram.diarization.clustering import cluster
from stenogram.diarization.networks import VOICE
from stenogram.diarization.windows import Run
from stenogram.types import DiarizeOptions

STEP = 118.5
"""Frames from window to window."""


def voice(person: int, random: Any, noise: float = 0.5) -> bytes:
    """A voice of this person: about ``1 / (1 + noise²)`` like another one of theirs."""
    centre = np.random.default_rng(1000 + person).normal(size=VOICE)
    found = centre / np.linalg.norm(centre) + random.normal(size=VOICE) * noise / np.sqrt(VOICE)
    packed: bytes = (found / np.linalg.norm(found)).astype(np.float16).tobytes()
    return packed


def meeting(people: int, turns: int, *, noise: float = 0.5, windows: int = 3) -> tuple[list[Run], list[int]]:
    """Runs of people who take turns, each heard in a few windows; and who it is each time."""
    random = np.random.default_rng(people)
    runs, who = [], []
    for turn in range(turns):
        person = turn % people
        for window in range(windows):
            runs.append(Run(turn * windows + window, 0, 0, 250, 4.0, voice(person, random, noise), 0))
            who.append(person)
    return runs, who


def same(labels: list[int], who: list[int]) -> bool:
    """Whether labels and people are one to one."""
    pairs = set(zip(labels, who, strict=True))
    return len(pairs) == len(set(labels)) == len(set(who))


@pytest.mark.parametrize("people", [1, 2, 5, 12])
def test_people_are_told_apart(people: int) -> None:
    runs, who = meeting(people, people * 5)
    assert same(cluster(runs, DiarizeOptions(), STEP), who)


def test_an_hour_with_eight_voices_is_clustered_whole() -> None:
    """More units than fit into one table of distances are joined in groups first, with the same result."""
    runs, who = meeting(8, 800)
    assert len(runs) > clustering.MOST
    assert same(cluster(runs, DiarizeOptions(), STEP), who)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (DiarizeOptions(num_speakers=2), 2),
        (DiarizeOptions(num_speakers=6), 6),
        (DiarizeOptions(min_speakers=5), 5),
        (DiarizeOptions(max_speakers=3), 3),
        (DiarizeOptions(min_speakers=2, max_speakers=9), 4),
        (DiarizeOptions(num_speakers=1), 1),
    ],
)
def test_numbers_of_speakers_are_kept_to(options: DiarizeOptions, expected: int) -> None:
    runs, _ = meeting(4, 40)
    labels = cluster(runs, options, STEP)
    assert set(labels) == set(range(expected))


def test_noises_in_a_long_recording_are_nobody() -> None:
    runs, who = meeting(2, 120)
    random = np.random.default_rng(7)
    for place in range(12):
        runs.append(Run(1000 + 9 * place, 0, 0, 60, 1.0, voice(50 + place, random), 0))
    assert same(cluster(runs, DiarizeOptions(), STEP)[: len(who)], who)
    assert len(set(cluster(runs, DiarizeOptions(), STEP))) == 2


def test_somebody_in_another_mood_is_nobody_else() -> None:
    """A minute of a voice that has changed, in an hour: too long for a noise, too alike for another person."""
    runs, who = meeting(2, 300, noise=0.7)
    random = np.random.default_rng(8)
    usual, other = (np.random.default_rng(1000 + person).normal(size=VOICE) for person in (0, 60))
    mood = usual / np.linalg.norm(usual) + 1.08 * other / np.linalg.norm(other)
    for place in range(16):
        noisy = mood / np.linalg.norm(mood) + random.normal(size=VOICE) * 0.7 / np.sqrt(VOICE)
        packed = (noisy / np.linalg.norm(noisy)).astype(np.float16).tobytes()
        runs.append(Run(2000 + 9 * place, 0, 0, 100, 1.7, packed, 0))
        who.append(0)
    assert same(cluster(runs, DiarizeOptions(), STEP), who)
    assert len(set(cluster(runs, DiarizeOptions(num_speakers=3), STEP))) == 3


def test_a_stranger_who_says_a_word_in_a_short_recording_is_somebody() -> None:
    runs, who = meeting(2, 4)
    runs.append(Run(99, 0, 0, 40, 0.6, voice(77, np.random.default_rng(3)), 0))
    labels = cluster(runs, DiarizeOptions(), STEP)
    assert same(labels, [*who, 77])
    assert len(set(cluster(runs, DiarizeOptions(max_speakers=2), STEP))) == 2


def test_two_who_speak_at_once_are_two_even_where_they_sound_alike() -> None:
    runs, _ = meeting(2, 10)
    random = np.random.default_rng(4)
    runs += [
        Run(500, 0, 0, 200, 3.0, voice(0, random), 0),
        Run(500, 1, 20, 180, 0.4, voice(0, random), 1),
    ]
    labels = cluster(runs, DiarizeOptions(), STEP)
    assert labels[-1] != labels[-2]


def test_a_run_without_a_voice_follows_those_of_its_unit_and_else_nobody() -> None:
    runs, _ = meeting(2, 6)
    runs += [Run(2, 0, 300, 310, 0.1, None, 0), Run(77, 0, 0, 10, 0.1, None, 0)]
    labels = cluster(runs, DiarizeOptions(), STEP)
    assert labels[-2] == labels[2]
    assert labels[-1] == -1


def test_voices_that_nobody_could_hear_are_one() -> None:
    assert cluster([Run(0, 0, 0, 10, 0.1, None, 0)], DiarizeOptions(), STEP) == [0]


def test_where_nobody_is_ever_heard_alone_they_are_told_apart_all_the_same() -> None:
    random = np.random.default_rng(5)
    runs = [Run(place, place % 2, 0, 200, 0.0, voice(place % 2, random), place % 2) for place in range(8)]
    assert same(cluster(runs, DiarizeOptions(), STEP), [place % 2 for place in range(8)])
