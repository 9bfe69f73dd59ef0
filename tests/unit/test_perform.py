"""What a worker tells of a run: how far both of its ways through the recording are, and never that all is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from stenogram import events
from stenogram.app.perform import _Reporter
from stenogram.job import Job
from stenogram.jobs.attempt import Attempt
from stenogram.store.claims import Progress
from stenogram.types import KnownVoice, Speakers, SpeakerTurn


class Told:
    """Stands for an attempt; keeps what it is told."""

    def __init__(self) -> None:
        self.job = Job("1", "running", "v1", 0.0)
        self.progress: list[Progress] = []
        self.happenings: list[tuple[str, Mapping[str, Any]]] = []

    def tell(self, progress: Progress | None = None, happenings: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        self.happenings += happenings
        if progress is not None:
            self.progress.append(progress)

    def after(self, *happened: events.Event, diarizes: bool = True) -> list[tuple[str | None, float]]:
        """Stage and share after each event."""
        reporter = _Reporter(cast("Attempt", self), 0, diarizes=diarizes)
        found = []
        for event in happened:
            reporter(event)
            found.append((self.progress[-1].stage, self.progress[-1].share))
        self.cached = reporter.cached
        return found


TURNS = (SpeakerTurn(0.0, 2.5, "SPEAKER_00"), SpeakerTurn(2.0, 4.0, "SPEAKER_01"))
FOUND = events.SpeakersFound(Speakers(TURNS, "built-in", (KnownVoice("SPEAKER_00", (0.6, 0.8)),)))


def test_without_speakers_the_share_is_that_of_the_text() -> None:
    told = Told().after(
        events.StageStarted("decode"),
        events.StageProgress("transcribe", 30.0, 60.0),
        events.StageProgress("transcribe", 60.0, 60.0),
        diarizes=False,
    )

    assert told == [("decode", 0.0), ("transcribe", 0.5), ("transcribe", 1.0)]


def test_with_speakers_it_is_the_mean_of_both_and_the_stage_is_what_is_left() -> None:
    """Also when a second diarizer begins anew: it never goes back, and only the end is the end."""
    told = Told().after(
        events.StageStarted("diarize", 60.0),
        events.StageProgress("transcribe", 30.0, 60.0),
        events.StageProgress("diarize", 12.0, 60.0),
        events.StageProgress("transcribe", 60.0, 60.0),
        events.StageProgress("diarize", 30.0, 60.0),
        events.StageProgress("diarize", 60.0, 60.0),
        events.StageStarted("diarize", 60.0),
        events.StageProgress("diarize", 6.0, 60.0),
    )

    assert [stage for stage, _ in told] == ["diarize", *["transcribe"] * 3, *["diarize"] * 4]
    assert [round(share, 3) for _, share in told] == [0.0, 0.25, 0.35, 0.6, 0.75, 0.99, 0.99, 0.99]


def test_a_length_that_is_not_known_yet_is_no_share() -> None:
    assert Told().after(events.StageProgress("transcribe", 5.0), events.StageProgress("diarize", 5.0))[-1][1] == 0.0


def test_turns_are_told_and_voices_are_not() -> None:
    told = Told()
    told.after(events.StageStarted("decode"), FOUND)

    turns = [{"start": 0.0, "end": 2.5, "speaker": "SPEAKER_00"}, {"start": 2.0, "end": 4.0, "speaker": "SPEAKER_01"}]
    assert told.happenings[-1] == ("speakers", {"diarizer": "built-in", "turns": turns})


def test_a_job_was_cached_when_neither_text_nor_speakers_had_to_be_computed() -> None:
    text, speakers = events.StageCached("transcript", "k", 60.0), events.StageCached("diarize", "k", 60.0)
    for happened, diarizes, cached in (
        ([text], False, True),
        ([text], True, False),
        ([speakers], True, False),
        ([speakers, text], True, True),
        ([], False, False),
    ):
        told = Told()
        told.after(events.StageStarted("decode"), *happened, diarizes=diarizes)
        assert told.cached is cached
