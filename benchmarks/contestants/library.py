"""The library ``moonshine-voice`` in its documented use: ``Transcriber(...).transcribe_without_streaming(samples)``.

One of the two places that import it. A fresh ``Transcriber`` for each recording, because its first call differs from
later ones. The samples (``.npy``, float32, 16 kHz) and the list of floats that it asks for are made before the clock
starts.
"""

from __future__ import annotations

import time

from benchmarks.contestants import Done, Report, cpu_s, read_job, write_report


def main() -> None:
    """Transcribe each recording."""
    began = time.perf_counter()
    import numpy as np
    from moonshine_voice import ModelArch, Transcriber, get_model_path

    done = []
    load_s = 0.0
    for source in read_job().sources:
        transcriber = Transcriber(str(get_model_path("tiny-en")), model_arch=ModelArch.TINY)
        load_s += time.perf_counter() - began
        samples = np.load(source).tolist()
        began, cpu_began = time.perf_counter(), cpu_s()
        lines = transcriber.transcribe_without_streaming(samples, sample_rate=16_000).lines
        done.append(Done(time.perf_counter() - began, cpu_s() - cpu_began, " ".join(line.text for line in lines)))
        transcriber.close()
        began = time.perf_counter()
    write_report(Report(load_s, done, cpu_s()))


if __name__ == "__main__":
    main()
