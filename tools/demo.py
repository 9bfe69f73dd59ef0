"""``make demo``: transcribe a real recording, say what to try next.

The recording is the opening of A Tale of Two Cities, 44 seconds, which comes inside the wheel of the default model.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

RECORDING = "moonshine_voice/assets/two_cities.wav"
FORMATS = ("txt", "srt", "json")


def recording() -> Path:
    """The recording inside the installed wheel."""
    return Path(str(distribution("moonshine-voice").locate_file(RECORDING)))


def transcribe(stenogram: Path, source: Path, output_dir: Path) -> int:
    """Run the command line on ``source``, which tells what it does and writes; the exit status."""
    outputs = [output_dir / f"{source.stem}.{extension}" for extension in FORMATS]
    for path in outputs:
        path.unlink(missing_ok=True)  # so that what is there afterwards is of this run
    options = ["--show", "--output-dir", str(output_dir), "--format", ",".join(FORMATS)]
    command = [str(stenogram), "transcribe", str(source), *options]
    print("$ " + shlex.join(command) + "\n", flush=True)
    status = _run(command)
    if status:
        return status
    missing = [path for path in outputs if not path.exists()]
    if missing:
        print("Not written although the command succeeded: " + ", ".join(map(str, missing)), file=sys.stderr)
        return 1
    print(next_steps(stenogram, source))
    return 0


def _run(command: list[str]) -> int:
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the command has had the same signal: let it finish its word
            return process.wait()


def next_steps(stenogram: Path, source: Path) -> str:
    """Commands to copy."""
    command, example = shlex.quote(str(stenogram)), shlex.quote(str(source))
    return f"""
Try next:
  {command} transcribe {example} --format srt     # subtitles, to the terminal
  {command} transcribe YOUR-RECORDING.mp4 --output-dir out --format txt,srt,vtt,json
  {command} transcribe YOUR-MEETING.mp4 --diarize   # who said what
  {command} serve                                  # the same with jobs, an API and a dashboard
  {command} transcribe --help"""


def main() -> int:
    """Run the demo from the root of the repository; the exit status."""
    source = recording()
    if source.is_relative_to(Path.cwd()):
        source = source.relative_to(Path.cwd())
    return transcribe(Path(".venv/bin/stenogram"), source, Path("demo-out"))


if __name__ == "__main__":
    sys.exit(main())
