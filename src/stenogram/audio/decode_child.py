"""The process in which files are decoded: requests in, snapshots and errors out, one JSON object per line.

It lives apart from the program, so that a file that makes FFmpeg crash, hang or eat memory ends this process only.
It ends by itself when its standard input closes, that is when the program dies.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from stenogram.audio.container import open_tracks
from stenogram.audio.track import Report, Snapshot, TrackDecoder
from stenogram.errors import DecoderCrashed, InputError, NoAudio, StenogramError
from stenogram.types import DecodeOptions

MEMORY_LIMIT_BYTES = 3 * 2**30
"""Most data memory of this process (POSIX). Real files need under 0.2 GB; 8K video, while it is probed, under 2."""


def main() -> None:
    """Serve requests until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us too; the program decides
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not be taken for a reply
    sys.excepthook = _die
    _limit_memory()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(sys.stdin.buffer, requests), daemon=True).start()
    while True:
        serve(requests.get(), replies)


def serve(request: dict[str, Any], replies: BinaryIO) -> None:
    """Decode one file; write its snapshots, or its error."""

    def report(snapshot: Snapshot | None) -> None:
        _send(replies, {} if snapshot is None else {"snapshot": _as_json(snapshot)})

    path = Path(request["source"])
    options = DecodeOptions(channels=request["channels"], max_duration_s=request["max_duration_s"])
    try:
        decode_file(path, Path(request["name"]), options, report, request["first_s"])
    except MemoryError:
        error: StenogramError = DecoderCrashed(path=path, cause="it needs more memory than a recording may")
        _send_error(replies, error)
    except StenogramError as error:
        _send_error(replies, error)


def decode_file(path: Path, name: Path, options: DecodeOptions, report: Report, first_s: float | None = None) -> None:
    """Decode the first track of ``path`` that has sound into files that begin with ``name``.

    ``first_s``: only about so many seconds. Raises ``InputError``.
    """
    failure: InputError | None = None
    with open_tracks(path) as tracks:
        for index, track in enumerate(tracks):
            decoder = TrackDecoder(track, name.with_name(f"{name.name}-{index}"), options, report, first_s)
            decoder.run()
            if decoder.sample_count and not decoder.is_junk:
                report(decoder.snapshot(finished=True))
                return
            failure = failure or track.failure(decoder.damaged_packets)
    raise failure or NoAudio(path=path, cause="it has no sound track")


def _read_requests(stream: BinaryIO, requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in stream:
        requests.put(json.loads(line))
    os._exit(0)  # nobody is left to decode for, and the main thread may be inside FFmpeg


def _die(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.__excepthook__(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)  # an ordinary exit would wait for, or trip over, the thread that reads requests


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, most in ((resource.RLIMIT_DATA, MEMORY_LIMIT_BYTES), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _as_json(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "paths": [str(path) for path in snapshot.paths],
        "channels": snapshot.channels,
        "sample_count": snapshot.sample_count,
        "total_s": snapshot.total_s,
        "busy_s": snapshot.busy_s,
        "finished": snapshot.finished,
        "warnings": snapshot.warnings,
    }


def _send_error(replies: BinaryIO, error: StenogramError) -> None:
    facts = {name: fact if isinstance(fact, int | float) else str(fact) for name, fact in error.facts.items()}
    _send(replies, {"error": error.code, "facts": facts})


def _send(replies: BinaryIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message).encode("ascii") + b"\n")
