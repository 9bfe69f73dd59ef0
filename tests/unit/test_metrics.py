"""What runs cost, counted from their events."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from stenogram import events
from stenogram.metrics import Counts, Tally
from stenogram.types import Segment

SEGMENT = events.SegmentReady(Segment(0, 0.0, 1.0, "text"))


class Clock:
    """Time that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_run_is_counted_with_its_sound_its_stages_and_the_wait_for_text() -> None:
    clock = Clock()
    tally = Tally(clock)
    with tally.run() as run:
        run(events.StageCached("transcribe", "key", 10.0))
        clock.now += 2
        run(SEGMENT)
        clock.now += 3
        run(SEGMENT)
        run(events.StageProgress("transcribe", 20.0, 40.0))
        run(events.StageProgress("transcribe", 40.0, 40.0))
        run(events.StageFinished("decode", 0.5))
        run(events.StageFinished("transcribe", 7.0))

    counts = tally.counts()
    assert counts == Counts(
        runs=1,
        audio_s=40.0,
        cached_s=10.0,
        wall_s=5.0,
        segments=2,
        first_segment_s=2.0,
        stage_s={"decode": 0.5, "transcribe": 7.0},
        voiced=1,
    )
    assert counts.rtfx == pytest.approx(8.0)
    assert counts.cached_share == pytest.approx(0.25)


def test_a_known_transcript_is_all_from_the_cache() -> None:
    tally = Tally(Clock())
    with tally.run() as run:
        run(events.StageCached("transcript", "key", 12.0))

    assert (tally.counts().audio_s, tally.counts().cached_share) == (12.0, 1.0)


def test_chunks_that_overlap_are_never_more_than_the_sound() -> None:
    tally = Tally(Clock())
    with tally.run() as run:
        run(events.StageCached("transcribe", "a", 8.0))
        run(events.StageCached("transcribe", "b", 8.0))
        run(events.StageProgress("transcribe", 14.0))

    assert tally.counts().cached_share == 1.0


def test_events_are_handed_on_unchanged() -> None:
    heard: list[events.Event] = []
    with Tally().run(heard.append) as run:
        run(SEGMENT)

    assert heard == [SEGMENT]


def test_a_run_that_fails_or_is_closed_counts_as_failed() -> None:
    tally = Tally()
    with pytest.raises(ZeroDivisionError), tally.run():
        raise ZeroDivisionError

    def stream() -> Iterator[int]:
        with tally.run():
            yield 1
            yield 2

    iterator = stream()
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]

    assert (tally.counts().runs, tally.counts().failed) == (2, 2)


def test_the_wait_for_text_is_the_mean_of_the_runs_that_had_some() -> None:
    clock = Clock()
    tally = Tally(clock)
    for wait_s in (1.0, 4.0, None):
        with tally.run() as run:
            if wait_s is not None:
                clock.now += wait_s
                run(SEGMENT)

    assert tally.counts().first_segment_s == pytest.approx(2.5)


def test_nothing_was_run_yet() -> None:
    assert (Counts().rtfx, Counts().cached_share, Counts().first_segment_s) == (None, 0.0, None)


def test_runs_side_by_side_lose_no_count_and_a_reset_begins_at_zero() -> None:
    tally = Tally()

    def work() -> None:
        for _ in range(50):
            with tally.run() as run:
                run(events.StageProgress("transcribe", 2.0))
                run(events.StageFinished("vad", 1.0))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = tally.counts()
    tally.reset()

    assert (counts.runs, counts.audio_s, counts.stage_s) == (400, 800.0, {"vad": 400.0})
    assert tally.counts() == Counts()
