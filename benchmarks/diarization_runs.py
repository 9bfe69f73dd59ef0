"""Speed, memory and words of diarization: runs of the product in processes of their own, watched from outside."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from benchmarks import diarizers, measure, meeting, recordings, speakers
from benchmarks.contestants.diarized import Job, Mode, Report
from stenogram.scoring import word_error_rate
from stenogram.types import DiarizerName

Row = dict[str, Any]


def run(source: Path, mode: Mode, diarizer: DiarizerName = "built-in") -> tuple[Report, measure.Memory]:
    """One recording in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as folder:
        job, report = Path(folder, "job.json"), Path(folder, "report.json")
        threads = int(measure.machine()["cpus"])
        job.write_bytes(msgspec.json.encode(Job(str(source.resolve()), mode, diarizer, threads)))
        command = [sys.executable, "-m", "benchmarks.contestants.diarized", str(job), str(report)]
        environment = diarizers.environment()
        with subprocess.Popen(command, cwd=measure.ROOT, stdout=subprocess.DEVNULL, env=environment) as process:
            memory = measure.Memory(process.pid)
            memory.start()
            status = process.wait()
            memory.stop()
        if status:
            raise SystemExit(f"{source.name}, {mode}: ended with status {status}")
        found = msgspec.json.decode(report.read_bytes(), type=Report)
    if mode != "words" and not found.turns:
        raise SystemExit(f"{source.name}, {mode}: no speakers were found")
    return found, memory


def speed(seconds: int, rounds: int, folder: Path | None) -> list[Row]:
    """Words alone, with speakers, and speakers alone in turn on a made-up meeting, ``rounds`` times."""
    source, _ = meeting.meeting(seconds, folder)
    diarizers.audio_of(source)
    rows = []
    for number in range(rounds):
        for mode in get_args(Mode):
            report, memory = run(source, mode)
            rows.append(
                {
                    "round": number,
                    "mode": mode,
                    "audio_s": diarizers.audio_of(source).duration,
                    "wall_s": report.wall_s,
                    "text_s": report.text_s,
                    "cpu_s": report.cpu_s,
                    "peak_anonymous_bytes": memory.peak_anonymous_bytes,
                }
            )
            print(f"round {number + 1}: {mode}: {report.wall_s:.1f} s", file=sys.stderr, flush=True)
    return rows


def long(seconds: int, folder: Path | None) -> Row:
    """Speakers alone on a long meeting: how memory grows, how long the end takes, who is found."""
    source, truth = meeting.meeting(seconds, folder)
    duration = diarizers.audio_of(source).duration
    report, memory = run(source, "speakers")
    last_heard = max((when for when, _ in report.heard), default=report.ended)
    return {
        "audio_s": duration,
        "wall_s": report.wall_s,
        "cpu_s": report.cpu_s,
        "end_s": report.ended - last_heard,
        "memory": _by_recording(report, memory),
        "peak_anonymous_bytes": memory.peak_anonymous_bytes,
        "speakers": speakers.speaker_count(truth),
        "found": speakers.speaker_count(report.turns),
        "turns": len(report.turns),
        "talk_s": sorted(meeting.talk_s(report.turns).values(), reverse=True),
        "errors": {
            collar: msgspec.to_builtins(speakers.score(truth, report.turns, duration, width))
            for collar, width in speakers.COLLARS.items()
        },
    }


def _by_recording(report: Report, memory: measure.Memory) -> list[tuple[float, int]]:
    """Anonymous memory by the seconds of the recording that were through; behind the last, what came after it."""
    began = report.ended - report.wall_s
    found = []
    for when, used in memory.anonymous_bytes:
        if began <= when <= report.ended:
            heard = [seconds for then, seconds in report.heard if then <= when]
            found.append((max(heard, default=0.0), used))
    return found


def words(folder: Path) -> list[Row]:
    """Word errors by speaker of every clip whose words are known by speaker: ours, and the library's."""
    rows = []
    for clip in recordings.clips(folder):
        spoken = speakers.words_by_speaker(clip)
        if not spoken:
            continue
        print(f"{clip.path.name}: words", file=sys.stderr, flush=True)
        ours, _ = run(clip.path, "both")
        for name, said in (("built-in", ours.said), (diarizers.LIBRARY, diarizers.library(clip.path).said)):
            by_speaker = speakers.cp_word_error_rate(spoken, _joined(said))
            text = word_error_rate(clip.reference, " ".join(each for _, each in said))
            counts = {"by_speaker": msgspec.to_builtins(by_speaker), "plain": msgspec.to_builtins(text)}
            rows.append({"clip": clip.path.name, "diarizer": name} | counts)
    return rows


def _joined(said: Sequence[tuple[str, str]]) -> dict[str, str]:
    texts: dict[str, list[str]] = {}
    for speaker, text in said:
        texts.setdefault(speaker, []).append(text)
    return {speaker: " ".join(each) for speaker, each in texts.items()}
