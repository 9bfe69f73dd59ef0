"""How fast a model is expected to be, before it has run: a rule of thumb from the size of its files."""

from __future__ import annotations

from stenogram.types import LoadOptions, ModelFiles

CPU_MS_PER_MB = 0.3
"""Milliseconds of one core for a second of sound, per MB of weights: measured on 2 cores of Zen 4, moonshine-tiny-en
0.25 (44 MB of int8), Whisper tiny 0.33 (75 MB of float16, computed in int8), base 0.31 (145 MB)."""
GPU_CORES = 100
"""A GPU counts as so many cores: large-v3 (3.1 GB) on an A100 is reported at about 100 times real time, batched."""


def expected_rtfx(files: ModelFiles, load: LoadOptions, cores: int) -> float:
    """Seconds of sound in a second of work, within a factor of two or so; ``cores``: those this process may use."""
    size_mb = sum(path.stat().st_size for path in files.paths.values() if path.exists()) / 1e6
    workers = GPU_CORES if load.device == "cuda" else load.cpu_threads or cores
    return workers * 1000 / (CPU_MS_PER_MB * max(size_mb, 1.0))
