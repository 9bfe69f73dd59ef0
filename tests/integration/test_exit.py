"""A program that ends while a run is under way ends in order: its threads are inside native code, which would abort."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from stenogram.app.transcribe import Request, stream
from stenogram.errors import StenogramError
from stenogram.testing.apps import make_app
from stenogram.testing.fakes import FakeEngine

@dataclass
class SlowEngine(FakeEngine):
    def load(self, files, options):
        time.sleep(2)
        print("loaded", flush=True)
        return FakeEngine.load(self, files, options)

with make_app(engine=SlowEngine()) as app:
    segments = stream(app, Request(Path(sys.argv[1])))
    try:
        print(next(segments).text != "", flush=True)
    except StenogramError as error:
        print(error.code, flush=True)
"""


@pytest.mark.parametrize(("name", "told"), [("text.wav", ["not_media", "loaded"]), ("good.wav", ["loaded", "True"])])
def test_python_ends_after_the_threads_of_a_run(name: str, told: list[str], beckett: Path, tmp_path: Path) -> None:
    """Of one that failed while weights were being loaded, and of one that nobody reads to its end."""
    (tmp_path / "text.wav").write_text("no sound\n")
    (tmp_path / "good.wav").write_bytes(beckett.read_bytes())

    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / name], capture_output=True, text=True, timeout=60, check=False
    )

    assert result.stdout.split() == told
    assert result.stderr == ""
    assert result.returncode == 0
