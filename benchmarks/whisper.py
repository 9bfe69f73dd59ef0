"""Whisper engines on the same random weights, the same sound and the same number of tokens.

    python -m benchmarks.whisper                      # tiny and base, 3 rounds
    python -m benchmarks.whisper --python PATH        # an interpreter that has torch and openai-whisper

Weights are random, so nothing is said here of accuracy. They recite: each window of 30 s gives exactly ``TOKENS``
tokens in every engine (asserted), so all do the same work. Contestants take turns within each round, each in a fresh
process; the clock runs from the samples in memory to the text of all windows, greedily, without word times.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools import whisper_files

ROOT = Path(__file__).resolve().parents[1]
TOKENS = 90
WINDOW = 30 * 16_000
SHAPES = {"tiny": whisper_files.TINY, "base": whisper_files.BASE}


@dataclass(frozen=True)
class Done:
    """One run of one contestant."""

    wall_s: float
    cpu_s: float
    tokens: int


def write(shape: str, folder: Path, *, with_torch: str | None) -> None:
    """Write the weights of a shape for all engines."""
    weights = whisper_files.random_weights(SHAPES[shape], TOKENS)
    vocabulary = whisper_files.read_vocabulary()
    whisper_files.write_ctranslate2(weights, vocabulary, folder / "ct2")
    whisper_files.write_ggml(weights, vocabulary, folder / "ggml-q8_0.bin", "q8_0")
    if with_torch:
        code = "import sys; from benchmarks import whisper; whisper.write_checkpoint(sys.argv[1], sys.argv[2])"
        subprocess.run([with_torch, "-c", code, shape, str(folder)], cwd=ROOT, check=True, env=environment())


def write_checkpoint(shape: str, folder: str) -> None:
    """Write the weights for openai-whisper, in an interpreter that has torch."""
    weights = whisper_files.random_weights(SHAPES[shape], TOKENS)
    whisper_files.write_checkpoint(weights, Path(folder) / "model.pt")


# --- contestants: samples [n] in windows of 30 s -> tokens of text ----------------------------------------------------


def ours(folder: Path, windows: Sequence[Any], kind: str = "whisper") -> Callable[[], int]:
    """The engine as the pipeline uses it: its own layout, ``parallelism`` threads, its own batches."""
    from stenogram import engines
    from stenogram.engines.options import settle
    from stenogram.types import Chunk, LoadOptions, ModelFiles, TranscribeOptions

    names = {"model": "model.bin", "config": "config.json", "vocabulary": "vocabulary.json"}
    paths = {role: folder / "ct2" / name for role, name in (names | {"tokenizer": "tokenizer.json"}).items()}
    if kind == "whisper.cpp":
        paths = {"model": folder / "ggml-q8_0.bin"}
    files = ModelFiles("bench", kind, ("en",), paths, "bench")
    engine = engines.find(kind)
    loaded = engine.load(files, settle(engine, LoadOptions(device="cpu")))
    options = TranscribeOptions(language="en", beam_size=1, word_timestamps=False)
    chunks = [Chunk(index, 30.0 * index, window, 30.0) for index, window in enumerate(windows)]
    share = max(1, min(loaded.batch_size, -(-len(chunks) // loaded.parallelism)))
    batches = [chunks[at : at + share] for at in range(0, len(chunks), share)]

    def work() -> int:
        with ThreadPoolExecutor(loaded.parallelism) as pool:
            found = pool.map(lambda batch: loaded.transcribe(batch, options, lambda: False), batches)
            return sum(len(segment.tokens) for batch in found for segments in batch for segment in segments)

    return work


def faster_whisper(folder: Path, windows: Sequence[Any], workers: int = 1, batch: int = 16) -> Callable[[], int]:
    """faster-whisper's batched pipeline: as a user finds it, or with one thread per worker and batches of 4."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    threads = 1 if workers > 1 else 0
    model = WhisperModel(
        str(folder / "ct2"), device="cpu", compute_type="int8", num_workers=workers, cpu_threads=threads
    )
    pipeline = BatchedInferencePipeline(model)
    shares = [windows[place::workers] for place in range(workers)]

    def transcribe(share: Sequence[Any]) -> int:
        spans = [{"start": 30.0 * place, "end": 30.0 * (place + 1)} for place in range(len(share))]
        found, _ = pipeline.transcribe(
            np.concatenate(share),
            language="en",
            beam_size=1,
            temperature=0.0,
            vad_filter=False,
            batch_size=batch,
            clip_timestamps=spans,
        )
        return sum(len([token for token in segment.tokens if token < whisper_files.EOT]) for segment in found)

    def work() -> int:
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(transcribe, shares))

    return work


def openai_whisper(folder: Path, windows: Sequence[Any]) -> Callable[[], int]:
    """The reference implementation, in its documented use."""
    import whisper

    model = whisper.load_model(str(folder / "model.pt"), device="cpu")

    def work() -> int:
        result = whisper.transcribe(
            model,
            np.concatenate(windows),
            language="en",
            fp16=False,
            temperature=0.0,
            condition_on_previous_text=False,
        )
        return sum(len([token for token in s["tokens"] if token < whisper_files.EOT]) for s in result["segments"])

    return work


CONTESTANTS: dict[str, Callable[[Path, Sequence[Any]], Callable[[], int]]] = {
    "stenogram, whisper": ours,
    "faster-whisper, 2 workers x 1 thread": lambda folder, windows: faster_whisper(folder, windows, 2, 4),
    "faster-whisper, defaults": faster_whisper,
    "stenogram, whisper.cpp q8_0": lambda folder, windows: ours(folder, windows, "whisper.cpp"),
    "openai-whisper": openai_whisper,
}
WITH_TORCH = {"openai-whisper"}


def sound(seconds: int) -> list[Any]:
    """The wheel's recording, repeated to so many seconds, in windows."""
    import wave

    from stenogram.bundled import asset

    with wave.open(str(asset("assets/two_cities.wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    third = samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1).astype(np.float32) / 32768
    count = seconds * 16_000 // WINDOW
    whole = np.resize(third, count * WINDOW)
    return [np.ascontiguousarray(whole[at * WINDOW : (at + 1) * WINDOW]) for at in range(count)]


def run_one(name: str, folder: Path, seconds: int) -> Done:
    """Run one contestant in this process: once to warm up, then timed."""
    windows = sound(seconds)
    work = CONTESTANTS[name](folder, windows)
    work()
    began, cpu_began = time.perf_counter(), time.process_time()
    tokens = work()
    return Done(time.perf_counter() - began, time.process_time() - cpu_began, tokens)


def environment() -> dict[str, str]:
    """The environment of a contestant: it finds this repository, and none of the user's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STENOGRAM_")}
    return kept | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}


def measure(name: str, folder: Path, seconds: int, python: str) -> Done:
    """Run one contestant in a fresh process."""
    command = [python, "-m", "benchmarks.whisper", "--one", name, "--folder", str(folder), "--seconds", str(seconds)]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment())
    done = Done(**json.loads(answer.stdout.splitlines()[-1]))
    wanted = TOKENS * (seconds * 16_000 // WINDOW)
    if done.tokens != wanted:
        raise SystemExit(f"{name} said {done.tokens} tokens instead of {wanted}: not the same work")
    return done


def row(name: str, runs: Sequence[Done], bar: Sequence[Done], seconds: int) -> str:
    """One line of the table."""
    speeds = sorted(seconds / run.wall_s for run in runs)
    ratios = sorted(theirs.wall_s / mine.wall_s for mine, theirs in zip(runs, bar, strict=True))
    cpu = statistics.median(run.cpu_s for run in runs) * 1000 / seconds
    return (
        f"| {name} | {statistics.median(speeds):.1f} [{speeds[0]:.1f}-{speeds[-1]:.1f}] | {cpu:.1f} "
        f"| {statistics.median(ratios):.2f} [{ratios[0]:.2f}-{ratios[-1]:.2f}] |"
    )


def main() -> None:
    """Measure, and print a table for each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--shapes", default="tiny,base")
    parser.add_argument("--python", help="interpreter with torch and openai-whisper")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(asdict(run_one(args.one, args.folder, args.seconds))))
        return
    names = [name for name in CONTESTANTS if args.python or name not in WITH_TORCH]
    for shape in args.shapes.split(","):
        with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as temporary:
            folder = Path(temporary)
            write(shape, folder, with_torch=args.python)
            runs: dict[str, list[Done]] = {name: [] for name in names}
            for _ in range(args.rounds):
                for name in names:
                    python = args.python if name in WITH_TORCH else sys.executable
                    runs[name].append(measure(name, folder, args.seconds, python))
        bar = runs["faster-whisper, 2 workers x 1 thread"]
        print(f"\n{shape}: {args.seconds} s, {TOKENS} tokens per window, greedy, int8 where not said otherwise\n")
        print("| engine | RTFx | CPU ms per s | speed against faster-whisper 2 x 1 |\n|---|---|---|---|")
        for name in names:
            print(row(name, runs[name], bar, args.seconds), flush=True)


if __name__ == "__main__":
    main()
