"""``make bench-diarization``: who spoke, against labelled recordings. ``README.md`` says what each number means.

python -m benchmarks.diarization                               # everything, some 15 minutes
python -m benchmarks.diarization --parts speed long            # only these again; the rest of out/ is kept
python -m benchmarks.diarization --quality built-in            # only errors, of these, nothing written: a minute
python -m benchmarks.diarization --quality my_module:turns     # the same of any function from a ``Sound`` to turns
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import bound, diarization_plot, diarizers, measure, recordings, speakers
from benchmarks import diarization_report as report
from benchmarks import diarization_runs as runs
from benchmarks.run import SPEECH
from stenogram.audio.silero import SpeechNetwork
from stenogram.diarization import BUILT_IN
from stenogram.types import Sound

PARTS = ("quality", "words", "speed", "long")
OF_FOLDER = {"quality", "words"}
KNOWN_OTHERWISE = (diarizers.LIBRARY, *diarizers.BOUNDS)
WHO = (BUILT_IN, *KNOWN_OTHERWISE)
SPEED_S, LONG_S, ROUNDS = 600, 3600, 5
RESULT = recordings.OUT / "diarization.json"


def main() -> None:
    """Measure, print, write ``out/``."""
    given = _arguments()
    if given.quality:
        print(report.quality(quality(given.quality, given.speech, given.only)))
        return
    folder = given.speech if given.speech and (given.speech / "manifest.jsonl").exists() else None
    results: dict[str, Any] = msgspec.json.decode(RESULT.read_bytes()) if RESULT.exists() else {}
    for part in given.parts:
        if folder is None and part in OF_FOLDER:
            _say(f"no speech folder: {part} is not measured (--speech FOLDER)")
            continue
        results |= {part: _part(part, folder, given), f"machine of {part}": measure.machine()}
        recordings.OUT.mkdir(exist_ok=True)
        RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    table = report.table(results)
    RESULT.with_suffix(".md").write_text(table, encoding="utf-8")
    diarization_plot.plot(results, RESULT.with_suffix(".png"))
    print(table)
    print(f"Written: {RESULT}, .md, .png")


def _part(part: str, folder: Path | None, given: argparse.Namespace) -> Any:
    measured: dict[str, Callable[[], Any]] = {
        "speed": lambda: runs.speed(SPEED_S, given.rounds, folder),
        "long": lambda: runs.long(given.seconds, folder),
    }
    if folder is not None:
        measured |= {"quality": lambda: quality(WHO, folder), "words": lambda: runs.words(folder)}
    return measured[part]()


def quality(names: Sequence[str], folder: Path, only: str = "") -> list[dict[str, Any]]:
    """Errors of each diarizer on each labelled clip, by collar."""
    network, rows = SpeechNetwork(), []
    functions = {name: diarizers.function_named(name) for name in names if name not in KNOWN_OTHERWISE}
    for clip in speakers.labelled(folder):
        if only not in clip.name:
            continue
        sound = diarizers.sound_of(clip.path, network)
        for name in names:
            _say(f"{clip.name}: {name}")
            told = diarizers.tell(functions[name], sound) if name in functions else _told(name, clip, sound)
            rows.append(_scored(name, clip, told))
    return rows


def _told(name: str, clip: speakers.Labelled, sound: Sound) -> diarizers.Told:
    if name == diarizers.LIBRARY:
        return diarizers.library(clip.path)
    runs = diarizers.BOUNDS[name]
    diarizer = diarizers.diarizer_named(BUILT_IN)
    return diarizers.tell(lambda sound: bound.turns(diarizer, sound, clip.turns, runs=runs), sound)


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
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns at speed (default {ROUNDS})")
    parser.add_argument("--seconds", type=int, default=LONG_S, help=f"of the long meeting (default {LONG_S})")
    parser.add_argument("--quality", nargs="+", metavar="NAME", help="only errors, of these diarizers or functions")
    parser.add_argument("--only", default="", help="with --quality: only clips with this in their name")
    return parser.parse_args()


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
