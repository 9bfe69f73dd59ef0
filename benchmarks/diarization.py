"""``make bench-diarization``: who spoke, against labelled recordings. ``README.md`` says what each number means.

python -m benchmarks.diarization --quality built-in          # only the errors, of these: seconds
python -m benchmarks.diarization --quality my_module:turns    # the same of any function from a ``Sound`` to turns
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import diarization_report as report
from benchmarks import diarizers, measure, recordings, speakers
from benchmarks.run import SPEECH
from stenogram.audio.silero import SpeechNetwork


def main() -> None:
    """Measure, print, write ``out/``."""
    given = _arguments()
    if given.quality:
        rows = quality(given.quality, given.speech, given.only)
        print(report.quality({"quality": rows}))
        return


def quality(names: Sequence[str], folder: Path, only: str = "") -> list[dict[str, Any]]:
    """Errors of each diarizer on each labelled clip, by collar."""
    network = SpeechNetwork()
    rows = []
    clips = [clip for clip in speakers.labelled(folder) if only in clip.name]
    for clip in clips:
        sound = diarizers.sound_of(clip.path, network)
        for name in names:
            _say(f"{clip.name}: {name}")
            told = (
                diarizers.library(clip.path)
                if name == diarizers.LIBRARY
                else diarizers.tell(diarizers.function_named(name), sound)
            )
            rows.append(_scored(name, clip, told))
    return rows


def _scored(name: str, clip: speakers.Labelled, told: diarizers.Told) -> dict[str, Any]:
    return {
        "diarizer": name,
        "clip": clip.name,
        "group": clip.group,
        "seconds": clip.seconds,
        "wall_s": told.wall_s,
        "cpu_s": told.cpu_s,
        "speakers": speakers.speaker_count(clip.turns),
        "found": speakers.speaker_count(told.turns),
        "turns": msgspec.to_builtins(told.turns),
        "errors": {
            collar: msgspec.to_builtins(speakers.score(clip.turns, told.turns, clip.seconds, width))
            for collar, width in speakers.COLLARS.items()
        },
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-diarization", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    default = SPEECH if SPEECH.exists() else None
    parser.add_argument("--speech", type=Path, default=default, help=f"folder of labelled clips ({SPEECH})")
    parser.add_argument("--quality", nargs="+", metavar="NAME", help="only errors, of these diarizers or functions")
    parser.add_argument("--only", default="", help="only clips with this in their name")
    return parser.parse_args()


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
