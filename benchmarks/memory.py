"""Does memory grow with the length of a recording? Ten minutes against many hours, through the whole chain.

``python -m benchmarks.memory --hours 10`` builds the long recording and prints the peaks. It takes 345 MB an hour in
the temporary folder (a third of it the recording, the rest samples), all of which is removed afterwards. Memory is the
sum over our process and the decoder's, looked at every 50 ms from outside.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import measure, recordings
from benchmarks.contestants import CONTESTANTS
from benchmarks.report import MB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="length of the long recording (default 1)")
    hours = parser.parse_args().hours
    print("| recording | peak anonymous MB | peak RSS MB | RTFx | CPU ms per s | words |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as folder:
        for length in (1 / 6, hours):
            source = recordings.hours(length, Path(folder))
            print(row(f"{length:.2g} h", length * 3600, measure.run(CONTESTANTS[0], [source])), flush=True)
            source.unlink()


def row(name: str, audio_s: float, measured: measure.Measured) -> str:
    """One line of the table."""
    done = measured.report.done[0]
    anonymous = measured.peak_anonymous_bytes
    cells = [
        name,
        "not told" if anonymous is None else f"{anonymous / MB:.0f}",
        f"{measured.peak_rss_bytes / MB:.0f}",
        f"{audio_s / done.work_s:.1f}",
        f"{1000 * done.work_cpu_s / audio_s:.1f}",
        str(len(done.text.split())),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
