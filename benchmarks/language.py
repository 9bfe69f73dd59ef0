"""How well ``pipeline.doubt`` tells that a clip is not English: hits and false alarms over a speech folder.

``python -m benchmarks.language FOLDER`` transcribes every clip with no language named, prints how many clips each
threshold would notice, which ones the product's own rule gets wrong, and what is left when every clip is judged by the
threshold that is best for all others (so that no clip helps to choose its own).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks import recordings
from benchmarks.run import SPEECH
from stenogram import App, Settings
from stenogram.app.transcribe import Request, transcribe
from stenogram.pipeline import doubt

LONG_S = 10.0
THRESHOLDS = (0.40, 0.45, 0.50, 0.55, 0.60)


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip, transcribed."""

    name: str
    language: str
    duration: float
    confidence: float
    """1 where there is too little to tell."""
    doubted: bool
    """Whether the product warned."""
    text: str

    @property
    def english(self) -> bool:
        """Whether it should pass."""
        return self.language == "en"


def main() -> None:
    """Transcribe and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SPEECH, help=f"the clips (default {SPEECH})")
    heard = listen(parser.parse_args().folder)
    print(table(heard))


def listen(folder: Path) -> list[Heard]:
    """Every clip of the folder through the whole chain."""
    found = []
    with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as home, App.open(Settings(home=home)) as app:
        for clip in recordings.clips(folder):
            transcript = transcribe(app, Request(clip.path))
            confidence = doubt.confidence(transcript)
            doubted = any("does not sound like" in warning for warning in transcript.warnings)
            score = 1.0 if confidence is None else confidence
            found.append(
                Heard(clip.path.name, clip.language, transcript.duration, score, doubted, transcript.text[:60])
            )
    return found


def table(heard: Sequence[Heard]) -> str:
    """Everything, in Markdown."""
    long = [clip for clip in heard if clip.duration > LONG_S]
    lines = [
        "| doubted when confidence is below | not English, noticed | English, false alarm |",
        "|---|---|---|",
        *(_row(f"{threshold:.2f}", heard, [clip.confidence < threshold for clip in heard]) for threshold in THRESHOLDS),
        _row("the product's rule", heard, [clip.doubted for clip in heard]),
        _row(f"the same, clips over {LONG_S:g} s", long, [clip.doubted for clip in long]),
        _row("each clip by the best threshold of the others", heard, leave_one_out(heard)),
        "",
        "| clip that the rule gets wrong | language | s | confidence | text |",
        "|---|---|---|---|---|",
    ]
    wrong = [clip for clip in heard if clip.doubted == clip.english]
    lines += [f"| {c.name} | {c.language} | {c.duration:.1f} | {c.confidence:.2f} | {c.text} |" for c in wrong]
    return "\n".join(lines)


def leave_one_out(heard: Sequence[Heard]) -> list[bool]:
    """Whether each clip is doubted by the threshold that makes fewest mistakes on all others."""
    verdicts = []
    for place, clip in enumerate(heard):
        others = [*heard[:place], *heard[place + 1 :]]
        verdicts.append(clip.confidence < best_threshold(others))
    return verdicts


def best_threshold(heard: Sequence[Heard]) -> float:
    """The middle of the gap with fewest mistakes on both sides; of several, the widest gap."""
    scores = sorted({clip.confidence for clip in heard})
    low, high = min(
        pairwise(scores),
        key=lambda gap: (sum((clip.confidence <= gap[0]) == clip.english for clip in heard), gap[0] - gap[1]),
    )
    return (low + high) / 2


def _row(name: str, heard: Sequence[Heard], doubted: Sequence[bool]) -> str:
    def count(*, english: bool) -> str:
        verdicts = [verdict for clip, verdict in zip(heard, doubted, strict=True) if clip.english == english]
        return f"{sum(verdicts)} of {len(verdicts)}"

    return f"| {name} | {count(english=False)} | {count(english=True)} |"


if __name__ == "__main__":
    main()
