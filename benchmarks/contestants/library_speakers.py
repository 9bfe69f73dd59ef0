"""Who speaks, as the library ``moonshine-voice`` says by default: option ``identify_speakers`` and nothing else.

``python -m benchmarks.contestants.library_speakers SAMPLES ANSWER``: samples (``.npy``, float32, 16 kHz) in, turns out.
One of the two places that import it.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def main() -> None:
    """Hear one recording as a whole; the clock runs from the samples in memory to the turns."""
    import msgspec
    import numpy as np
    from moonshine_voice import ModelArch, Transcriber, get_model_path

    source, answer = map(Path, sys.argv[1:])
    options = {"identify_speakers": "true"}
    transcriber = Transcriber(str(get_model_path("tiny-en")), model_arch=ModelArch.TINY, options=options)
    samples = np.load(source).tolist()
    began, cpu_began = time.perf_counter(), time.process_time()
    lines = transcriber.transcribe_without_streaming(samples, sample_rate=16_000).lines
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    transcriber.close()
    turns = [
        {"start": span.start_time, "end": span.start_time + span.duration, "speaker": str(span.speaker_index)}
        for line in lines
        for span in line.speaker_spans or ()
    ]
    # Without a model of word times it does not say which words are in a span: a line is whoever's has most of it.
    said = [(_speaker(line.speaker_spans or ()), line.text) for line in lines]
    told = {"turns": turns, "wall_s": wall_s, "cpu_s": cpu_s, "said": said}
    unfinished = answer.with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.json.encode(told))
    unfinished.rename(answer)


def _speaker(spans: Iterable[Any]) -> str:
    seconds: dict[str, float] = defaultdict(float)
    for span in spans:
        seconds[str(span.speaker_index)] += span.duration
    return max(seconds, key=lambda speaker: seconds[speaker], default="")


if __name__ == "__main__":
    main()
