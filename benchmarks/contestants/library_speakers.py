"""Who speaks, as the library ``moonshine-voice`` says by default: option ``identify_speakers`` and nothing else.

``python -m benchmarks.contestants.library_speakers SAMPLES ANSWER``: samples (``.npy``, float32, 16 kHz) in, turns out.
One of the two places that import it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


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
        {"start": span.start_time, "end": span.start_time + span.duration, "speaker": f"{span.speaker_index}"}
        for line in lines
        for span in line.speaker_spans or ()
    ]
    unfinished = answer.with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.json.encode({"turns": turns, "wall_s": wall_s, "cpu_s": cpu_s}))
    unfinished.rename(answer)


if __name__ == "__main__":
    main()
