"""Where frames belong: gaps, overlaps, jumps, and timestamps that lie."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.audio.timeline import Timeline

FRAME_S = 0.02
RATE = 48_000


@dataclass
class Frame:
    """20 ms of sound with a timestamp in milliseconds."""

    pts: int | None
    samples: int = round(FRAME_S * RATE)
    sample_rate: int = RATE


def place(
    times_ms: list[int | None], zero_s: float = 0.0, total_s: float | None = None
) -> tuple[list[float], Timeline]:
    """Start of each frame that is kept, seconds."""
    timeline = Timeline(0.001, zero_s, total_s)
    starts: list[float] = []
    end_s = 0.0
    frames: list[Any] = [Frame(pts) for pts in times_ms]
    placed = [place for frame in frames for place in timeline.place(frame)] + list(timeline.finish())
    for one in placed:
        start_s = end_s if one.start_s is None else one.start_s
        starts.append(round(start_s, 6))
        end_s = start_s + FRAME_S
    return starts, timeline


def run(start_ms: int, count: int) -> list[int | None]:
    """Timestamps of frames that follow on each other."""
    return [start_ms + 20 * index for index in range(count)]


def test_frames_without_timestamps_follow_on() -> None:
    """Raw streams have none: all sound, one after another, from 0."""
    assert place([None] * 5)[0] == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])


def test_the_container_may_start_anywhere() -> None:
    """MPEG-TS starts at hours, and a track may start later than the container."""
    assert place(run(90_000_000, 3), zero_s=90_000.0)[0] == pytest.approx([0, 0.02, 0.04])
    assert place(run(90_001_500, 3), zero_s=90_000.0)[0] == pytest.approx([1.5, 1.52, 1.54])


def test_encoder_delay_is_not_silence() -> None:
    """A start some milliseconds off, before or after, is 0."""
    assert place(run(25, 2))[0][0] == 0
    assert place(run(-26, 2))[0][0] == 0


@given(st.lists(st.integers(-45, 45), min_size=2, max_size=200))
def test_jitter_changes_nothing(jitter_ms: list[int]) -> None:
    """Timestamps that wobble by less than 50 ms either way place frames without holes or losses."""
    starts, _ = place([1000 + 20 * index + wobble for index, wobble in enumerate(jitter_ms)], zero_s=1.0)
    assert [round(b - a, 6) for a, b in pairwise(starts)] == [FRAME_S] * (len(starts) - 1)


@given(st.integers(150, 3_000_000))
def test_a_gap_is_kept(gap_ms: int) -> None:
    """What follows lost packets, or a muted minute, stands at its own time."""
    starts, timeline = place(run(0, 3) + run(60 + gap_ms, 60))
    assert starts[3:] == pytest.approx([0.06 + gap_ms / 1000 + 0.02 * index for index in range(60)])
    assert timeline.jumps == 0


def test_overlapping_packets_are_dropped_once() -> None:
    """200 ms sent twice are heard once, and the sound after them keeps its time."""
    starts, _ = place(run(0, 50) + run(800, 50))
    assert len(starts) < 100
    assert starts[-1] == pytest.approx(1.78, abs=0.11)


@pytest.mark.parametrize("count", [1, 2, 20])
@pytest.mark.parametrize("wrong_ms", [72_000_000, 1_500, -72_000_000, -5_000])
def test_a_wrong_timestamp_is_not_believed(wrong_ms: int, count: int) -> None:
    """One packet, of few or many frames, whose time is far off, either way, moves nothing."""
    after = 10_100 + 20 * count
    starts, timeline = place([*run(10_000, 5), *run(10_100 + wrong_ms, count), *run(after, 5)], zero_s=10.0)
    assert starts == pytest.approx([0.02 * index for index in range(10 + count)])
    assert timeline.jumps == 0


def test_a_wrong_timestamp_at_the_end_is_not_believed() -> None:
    """Nothing follows that could confirm it."""
    assert place([*run(0, 3), 72_000_000])[0][-1] == pytest.approx(0.06)


def test_a_clock_set_back_goes_on() -> None:
    """Two recordings joined end to end begin twice at 0: the second follows the first."""
    starts, timeline = place(run(0, 100) + run(0, 100))
    assert starts == pytest.approx([0.02 * index for index in range(200)])
    assert timeline.jumps == 1


@pytest.mark.parametrize("total_s", [None, 60.0])
def test_a_leap_past_the_end_is_no_silence(total_s: float | None) -> None:
    """A clock set forward by days, or past the declared length, goes on without a gap."""
    starts, timeline = place(run(0, 10) + run(200_000_000, 90), total_s=total_s)
    assert starts == pytest.approx([0.02 * index for index in range(100)])
    assert timeline.jumps == 1


def test_an_absurd_start_is_zero() -> None:
    """A first timestamp past the declared length does not make hours of silence."""
    assert place(run(900_000_000, 3), total_s=60.0)[0] == pytest.approx([0, 0.02, 0.04])
    assert place(run(900_000_000, 3))[0] == pytest.approx([0, 0.02, 0.04])
