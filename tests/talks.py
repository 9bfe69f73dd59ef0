"""Transcripts for the page's tests: jobs that are done, written into the store as a worker would have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from stenogram.app.house import House
from stenogram.store import claims, jobs, results
from stenogram.types import Segment, SpeakerTurn, Transcript, Word
from tests.service import keep

_TEXT = """
the of and to in is that for it was on are as with they be at one have this from or had by but some what there we can
out other were all your when use word how said each which their time will way about many then them write like long make
thing see him two look more day could come did sound most number who over know water than call first people may down
side been now find any new work part take get place made live where after back little only
"""


def spoken(number: int, start: float, text: str, speaker: str | None, doubt: float = 0.98) -> Segment:
    """A segment said at an even pace, 0.4 s a word; the last word is as probable as ``doubt``."""
    words = text.split()
    timed = tuple(
        Word(
            word,
            round(start + 0.4 * place, 2),
            round(start + 0.4 * place + 0.35, 2),
            doubt if place == len(words) - 1 else 0.98,
            speaker=speaker,
        )
        for place, word in enumerate(words)
    )
    return Segment(number, timed[0].start, timed[-1].end, text, timed, speaker=speaker)


def talk(segments: Sequence[Segment], duration: float | None = None) -> Transcript:
    """A transcript of these."""
    turns = tuple(SpeakerTurn(each.start, each.end, each.speaker) for each in segments if each.speaker is not None)
    end = segments[-1].end + 1.0 if segments else 10.0
    return Transcript(
        tuple(segments), duration or end, language="en", model="fake", engine="fake", turns=turns, diarizer="fake"
    )


def long_talk(words: int = 30_000) -> Transcript:
    """Three hours of three people: as many words, always the same."""
    draw = random.Random(7)
    vocabulary = _TEXT.split()
    segments: list[Segment] = []
    start, said, speaker = 0.4, 0, "SPEAKER_00"
    while said < words:
        count = min(draw.randint(6, 22), words - said)
        drawn = [draw.choice(vocabulary) for _ in range(count)]
        drawn[0], drawn[-1] = drawn[0].capitalize(), f"{drawn[-1]}."
        segments.append(spoken(len(segments), start, " ".join(drawn), speaker, draw.choice((0.3, 0.9, 0.95))))
        said += count
        start = segments[-1].end + draw.choice((0.2, 0.4, 2.0))
        if draw.random() < 0.25:
            speaker = draw.choice(("SPEAKER_00", "SPEAKER_01", "SPEAKER_02"))
    return talk(segments)


def done(house: House, transcript: Transcript, recording: Path, name: str | None = None) -> str:
    """A job that found this in that recording; its id."""
    media = keep(house, recording, name)
    with house.db.write() as tx:
        job, _ = jobs.put(tx, jobs.NewJob("v1", media, "moonshine-tiny-en", {}))
        claims.answer(tx, job.id, transcript, results.pack(transcript))
    return job.id
