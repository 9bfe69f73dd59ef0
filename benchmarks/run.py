"""``make bench``: ours against others, same audio, same cores. ``README.md`` says what each number means."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import measure, recordings, report
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.recordings import Clip
from stenogram.scoring import word_error_rate

SPEECH = measure.ROOT.parent / "shared" / "speech"


@dataclasses.dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    seconds: int
    rounds: int
    suffixes: tuple[str, ...]
    starts: int
    """Times that start-up is measured."""
    every: int
    """One clip of the speech folder in so many."""


FULL = Extent(seconds=600, rounds=3, suffixes=("wav", "mp3", "ogg"), starts=10, every=1)
QUICK = Extent(seconds=60, rounds=2, suffixes=("mp3",), starts=3, every=8)


def main() -> None:
    """Measure, print, write ``out/``."""
    arguments = _arguments()
    extent = QUICK if arguments.quick else FULL
    extent = dataclasses.replace(extent, rounds=arguments.rounds or extent.rounds)
    present = [contestant for contestant in CONTESTANTS if contestant.installed]
    for contestant in CONTESTANTS:
        if contestant not in present:
            _say(f"{contestant.name}: left out, the package {contestant.needs} is not installed")
    results = {
        "machine": measure.machine(),
        "extent": dataclasses.asdict(extent),
        "contestants": [contestant.name for contestant in present],
        "speed": speed(present, extent),
        "starts": starts(extent),
        "accuracy": accuracy(present, arguments.speech, extent.every),
    }
    name = "quick" if arguments.quick else "results"
    recordings.OUT.mkdir(exist_ok=True)
    (recordings.OUT / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    table = report.table(results)
    (recordings.OUT / f"{name}.md").write_text(table, encoding="utf-8")
    report.plot(results, recordings.OUT / f"{name}.png")
    print(table)
    print(f"\nWritten: {recordings.OUT}/{name}.json, .md, .png")


def speed(contestants: Sequence[Contestant], extent: Extent) -> list[dict[str, Any]]:
    """Every contestant in turn on each recording, ``rounds`` times: neighbours in time are compared with each other."""
    rows = []
    sources = [recordings.long_recording(extent.seconds, suffix) for suffix in extent.suffixes]
    for number in range(extent.rounds):
        for source in sources:
            for contestant in contestants:
                measured = measure.run(contestant, [source])
                done = measured.report.done[0]
                rows.append(
                    {
                        "round": number,
                        "recording": source.name,
                        "contestant": contestant.name,
                        "audio_s": float(extent.seconds),
                        "wall_s": measured.wall_s,
                        "cpu_s": measured.report.cpu_s,
                        "load_s": measured.report.load_s,
                        "work_s": done.work_s,
                        "work_cpu_s": done.work_cpu_s,
                        "peak_rss_bytes": measured.peak_rss_bytes,
                        "peak_anonymous_bytes": measured.peak_anonymous_bytes,
                        "stages": done.stages,
                        "words": len(done.text.split()),
                        "text": done.text,
                    }
                )
                _say(f"round {number + 1}: {source.name}, {contestant.name}: {extent.seconds / done.work_s:.1f}x")
    return rows


def starts(extent: Extent) -> dict[str, list[float]]:
    """Wall time of our command from process start to exit, with an empty home each time."""
    stenogram = shutil.which("stenogram", path=str(Path(sys.executable).parent)) or "stenogram"
    clip = recordings.first_seconds("two_cities.wav", 13)
    found: dict[str, list[float]] = {"--help": [], "13 s clip": []}
    for _ in range(extent.starts):
        found["--help"].append(measure.process_s([stenogram, "--help"]))
        with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as home:
            command = [stenogram, "transcribe", str(clip), "--quiet"]
            found["13 s clip"].append(measure.process_s(command, STENOGRAM_HOME=home))
    return found


def accuracy(contestants: Sequence[Contestant], folder: Path | None, every: int) -> list[dict[str, Any]]:
    """Errors in each English clip that has a reference; nothing without the folder."""
    if folder is None or not (folder / "manifest.jsonl").exists():
        _say("no speech folder: word error rate is not measured (--speech FOLDER)")
        return []
    clips = [clip for clip in recordings.clips(folder) if clip.language == "en" and clip.reference]
    clips = [clip for clip in clips if every == 1 or not clip.derived][::every]
    rows = []
    for contestant in contestants:
        _say(f"word error rate over {len(clips)} clips: {contestant.name}")
        done = measure.run(contestant, [clip.path for clip in clips]).report.done
        rows += [_scored(contestant, clip, found.text) for clip, found in zip(clips, done, strict=True)]
    return rows


def _scored(contestant: Contestant, clip: Clip, text: str) -> dict[str, Any]:
    score = word_error_rate(clip.reference, text)
    return {
        "contestant": contestant.name,
        "clip": clip.path.name,
        "group": clip.group,
        "words": score.words,
        "errors": score.errors,
        "substitutions": score.substitutions,
        "deletions": score.deletions,
        "insertions": score.insertions,
        "recorded_rate": clip.facts.get("moonshine_tiny_wer"),
        "text": text,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, under a minute")
    parser.add_argument("--rounds", type=int, help=f"turns on each recording (default {FULL.rounds})")
    default = SPEECH if SPEECH.exists() else None
    parser.add_argument("--speech", type=Path, default=default, help=f"folder of clips with references ({SPEECH})")
    return parser.parse_args()


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
