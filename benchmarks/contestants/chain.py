"""Ours: the whole chain from the file, with an empty cache."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.contestants import Done, Report, cpu_s, read_job, write_report


def main() -> None:
    """Transcribe each recording; the decoder's process starts within the first one's time."""
    began = time.perf_counter()
    from stenogram import App, Settings, events
    from stenogram.app.transcribe import Request, resolve, transcribe
    from stenogram.pipeline.parts import Watch
    from stenogram.types import VadOptions

    done = []
    load_s = 0.0
    for source in read_job().sources:
        with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as home:
            settings = Settings(home=home)
            with App.open(settings) as app:
                resolved = resolve(app, Request(Path(source)))
                with app.models.lend(resolved.files, resolved.load):
                    pass  # the weights stay loaded
                app.open_vad(VadOptions())
                load_s += time.perf_counter() - began
                stages: dict[str, float] = {}

                def note(event: events.Event, stages: dict[str, float] = stages) -> None:
                    if isinstance(event, events.StageFinished):
                        stages[event.stage] = event.busy_s

                began, cpu_began = time.perf_counter(), cpu_s()
                transcript = transcribe(app, Request(Path(source)), Watch(note))
                work_s = time.perf_counter() - began
            # The decoder's process has ended with the app, so its time is in.
            done.append(Done(work_s, cpu_s() - cpu_began, transcript.text, stages))
        began = time.perf_counter()
    write_report(Report(load_s, done, cpu_s()))


if __name__ == "__main__":
    main()
