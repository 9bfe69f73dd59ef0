"""The process in which files are decoded: requests in, snapshots and errors out (``stenogram.child``).

It lives apart from the program, so that a file that makes FFmpeg crash, hang or eat memory ends this process only.
It ends by itself when its standard input closes, that is when the program dies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stenogram import child
from stenogram.audio.container import open_tracks
from stenogram.audio.encode import encode_mp3
from stenogram.audio.track import Report, Snapshot, TrackDecoder
from stenogram.errors import DecoderCrashed, InputError, NoAudio, StenogramError
from stenogram.types import Audio, DecodeOptions

MEMORY_LIMIT_BYTES = 3 * 2**30
"""Most data memory of this process (POSIX). Real files need under 0.2 GB; 8K video, while it is probed, under 2."""


def main() -> None:
    """Serve requests until standard input closes."""
    _limit_memory()
    child.serve(serve)


def serve(request: dict[str, Any], send: child.Send) -> None:
    """Decode one file, or encode what was decoded; write snapshots, the end, or the error."""
    path = Path(request["source"])
    try:
        if "target" in request:
            audio = Audio(path, request["sample_count"])
            encode_mp3(audio, Path(request["target"]), lambda: send({}))
            send({"encoded": True})
        else:
            _decode(path, request, send)
    except MemoryError:
        error: StenogramError = DecoderCrashed(path=path, cause="it needs more memory than a recording may")
        _send_error(send, error)
    except StenogramError as error:
        _send_error(send, error)


def _decode(path: Path, request: dict[str, Any], send: child.Send) -> None:

    def report(snapshot: Snapshot | None) -> None:
        send({} if snapshot is None else {"snapshot": _as_json(snapshot)})

    options = DecodeOptions(channels=request["channels"], max_duration_s=request["max_duration_s"])
    decode_file(path, Path(request["name"]), options, report, request["first_s"])


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


def _send_error(send: child.Send, error: StenogramError) -> None:
    facts = {name: fact if isinstance(fact, int | float) else str(fact) for name, fact in error.facts.items()}
    send({"error": error.code, "facts": facts})
