"""Who spoke, measured: the labelled recordings of a speech folder, diarization errors, and word errors by speaker."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks import recordings
from benchmarks.recordings import Clip
from stenogram.scoring import Score, word_error_rate
from stenogram.types import SpeakerTurn

COLLARS = {"0.25 s": 0.5, "0.125 s": 0.25}
"""What is left out of account on each side of a boundary of the reference -> ``collar`` of ``pyannote.metrics``, which
is the whole width, half of it on either side."""
COLLAR = "0.25 s"
"""The one that results are told with: NIST's (``md-eval -c 0.25``), which also means each side."""
GROUPS = {"falcon": "falcon", "gecko": "gecko", "pyannote-ami": "ami-trn", "pyaudioanalysis": "pyaudioanalysis"}
"""Beginnings of file names, and how such clips are reported."""
SENTENCES = {"falcon-diarization-en.wav": (4, 20), "leopard-diarization-en.wav": (4, 20)}
"""Clips whose reference text says where the speaker changes by the count of words: Picovoice's
``leopard/resources/.test/test_data.json``, tags of words 1 to 4, 5 to 20 and the rest."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A recording, and who speaks in it when."""

    path: Path
    seconds: float
    group: str
    turns: tuple[SpeakerTurn, ...]

    @property
    def name(self) -> str:
        """Its file."""
        return self.path.name


class Errors(msgspec.Struct, frozen=True):
    """Seconds of a recording by what became of them; those of several add up. Two who speak at once count twice."""

    spoken_s: float = 0.0
    """What the reference says is spoken."""
    false_alarm_s: float = 0.0
    """Nobody spoke, or fewer than were found."""
    missed_s: float = 0.0
    confusion_s: float = 0.0
    """Somebody spoke, but another than was found."""

    @property
    def rate(self) -> float:
        """The diarization error rate (DER): all three kinds over what is spoken."""
        return self.share(self.false_alarm_s + self.missed_s + self.confusion_s)

    def share(self, seconds: float) -> float:
        """Seconds over what is spoken."""
        return seconds / self.spoken_s if self.spoken_s else 0.0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.spoken_s + other.spoken_s,
            self.false_alarm_s + other.false_alarm_s,
            self.missed_s + other.missed_s,
            self.confusion_s + other.confusion_s,
        )


def labelled(folder: Path) -> list[Labelled]:
    """Every clip of a speech folder whose speakers are known in time."""
    return [
        Labelled(clip.path, float(clip.facts["seconds"]), group_of(clip), tuple(_turns(clip.facts["speakers"])))
        for clip in recordings.clips(folder)
        if clip.facts.get("speakers") and clip.facts.get("split", "dev") == "dev"
    ]


def group_of(clip: Clip) -> str:
    """How a clip is reported."""
    if clip.derived:
        return "composite"
    return next((group for begin, group in GROUPS.items() if clip.path.name.startswith(begin)), "others")


def _turns(given: Iterable[Mapping[str, Any]]) -> Iterator[SpeakerTurn]:
    for turn in given:
        yield SpeakerTurn(float(turn["start"]), float(turn["end"]), str(turn["speaker"]))


def speaker_count(turns: Iterable[SpeakerTurn]) -> int:
    """How many different speakers."""
    return len({turn.speaker for turn in turns})


def score(reference: Sequence[SpeakerTurn], found: Sequence[SpeakerTurn], seconds: float, collar: float) -> Errors:
    """Errors over the whole of a recording, overlap included, by the mapping of speakers that suits best.

    ``collar`` is pyannote's (see ``COLLARS``).
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of matplotlib's and of labels that it renames
        metric = DiarizationErrorRate(collar=collar, skip_overlap=False)
        whole = Timeline([Segment(0.0, seconds)])
        parts = metric.compute_components(_annotation(reference), _annotation(found), uem=whole)
    return Errors(
        float(parts["total"]), float(parts["false alarm"]), float(parts["missed detection"]), float(parts["confusion"])
    )


def _annotation(turns: Iterable[SpeakerTurn]) -> Any:
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for track, turn in enumerate(turns):
        if turn.end > turn.start:
            annotation[Segment(turn.start, turn.end), track] = turn.speaker
    # Turns of one speaker that overlap each other are one: nobody speaks twice at once.
    return annotation.support()


# --- words -----------------------------------------------------------------------------------------------------------


def words_by_speaker(clip: Clip) -> dict[str, str]:
    """Who says what in a clip, as far as the folder tells: speaker -> all their words in order."""
    if clip.path.name in SENTENCES:
        words = clip.reference.split()
        ends = (0, *SENTENCES[clip.path.name], len(words))
        return {str(place): " ".join(words[ends[place] : ends[place + 1]]) for place in range(len(ends) - 1)}
    spoken: dict[str, list[str]] = {}
    for turn in clip.facts.get("speakers") or ():
        if "text" in turn:
            spoken.setdefault(str(turn["speaker"]), []).append(turn["text"])
    return {speaker: " ".join(texts) for speaker, texts in spoken.items()}


def cp_word_error_rate(reference: Mapping[str, str], found: Mapping[str, str]) -> Score:
    """Concatenated minimum-permutation word error rate (cpWER).

    All words of each speaker are put one after the other; speakers found are matched with those of the reference so
    that the errors are fewest, and whoever is left over counts as deleted or inserted: Watanabe et al., "CHiME-6
    Challenge: Tackling Multispeaker Speech Recognition for Unsegmented Recordings", 2020, section 4.2.
    """
    from scipy.optimize import linear_sum_assignment

    count = max(len(reference), len(found))
    said = [*reference.values(), *[""] * (count - len(reference))]
    heard = [*found.values(), *[""] * (count - len(found))]
    scores = [[word_error_rate(one, other) for other in heard] for one in said]
    errors = np.array([[each.errors for each in row] for row in scores])
    rows, columns = linear_sum_assignment(errors)
    return sum((scores[row][column] for row, column in zip(rows, columns, strict=True)), Score())
