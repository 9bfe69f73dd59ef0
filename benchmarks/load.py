"""How quick ``/health`` stays while the server takes in many uploads at once: ``python -m benchmarks.load``.

The clients run in this process and take their share of the cores, so the worst answers are slower than a server alone
would give.
"""

from __future__ import annotations

import http.client
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from stenogram.bundled import asset

UPLOADS = 200
_BOUNDARY = "x" * 20
_PIECE_BYTES = 65_536


def measure(host: str, sound: bytes, uploads: int) -> tuple[list[int], list[float]]:
    """Statuses of the uploads, which are all under way at once, and milliseconds of each ``/health`` meanwhile."""
    go, statuses = threading.Event(), list[int]()
    threads = [threading.Thread(target=_upload, args=(host, sound, go, statuses)) for _ in range(uploads)]
    for thread in threads:
        thread.start()
    go.set()
    took_ms = []
    connection = http.client.HTTPConnection(host, timeout=60)
    while any(thread.is_alive() for thread in threads):
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        took_ms.append(1000 * (time.perf_counter() - began))
        time.sleep(0.05)
    connection.close()
    return statuses, took_ms


def _upload(host: str, sound: bytes, go: threading.Event, statuses: list[int]) -> None:
    """In pieces, with pauses, as a slow line would."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.putrequest("POST", "/api/v1/jobs")
    connection.putheader("content-type", f"multipart/form-data; boundary={_BOUNDARY}")
    connection.putheader("content-length", str(len(head) + len(sound) + len(tail)))
    connection.endheaders()
    connection.send(head)
    go.wait()
    for begin in range(0, len(sound), _PIECE_BYTES):
        connection.send(sound[begin : begin + _PIECE_BYTES])
        time.sleep(0.05)
    connection.send(tail)
    statuses.append(connection.getresponse().status)
    connection.close()


def main() -> None:
    """Start a server of its own and print one line."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "stenogram.cli.main", "serve", "--port", "0", "--home", home]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None  # noqa: S101 - piped
            host = next(found[1] for line in process.stderr if (found := re.search(r"at http://(\S+)", line)))
            threading.Thread(target=process.stderr.read, daemon=True).start()
            time.sleep(3.0)  # the worker loads its model
            sound = Path(asset("assets/two_cities.wav")).read_bytes()[:2_000_000]
            statuses, took_ms = measure(host, sound, UPLOADS)
            process.terminate()
    ranked = sorted(took_ms)
    print(
        f"{len(statuses)} uploads of {len(sound) / 1e6:.0f} MB at once, statuses {set(statuses)}: /health "
        f"median {statistics.median(ranked):.1f} ms, p95 {ranked[int(0.95 * len(ranked))]:.1f} ms, "
        f"worst {ranked[-1]:.0f} ms of {len(ranked)}"
    )


if __name__ == "__main__":
    main()
