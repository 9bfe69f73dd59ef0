"""``stenogram doctor`` and ``-v`` as a user meets them: processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STENOGRAM = [sys.executable, "-m", "stenogram.cli.main"]


def run(*args: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``stenogram`` to its end."""
    return subprocess.run(
        [*STENOGRAM, *map(str, args)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "80", **environ},
        timeout=120,
        check=False,
    )


def test_all_topics_are_told_within_80_columns() -> None:
    result = run("doctor")

    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[-1] == "Recordings can be transcribed."
    assert {"cpu", "memory", "gpu", "cuda", "threads", "engine", "model", "folder", "cache", "settings"} <= {
        line.split(" ")[0] for line in lines[:-1]
    }
    assert max(map(len, lines)) <= 80


def test_a_fault_is_marked_and_the_exit_code_is_1() -> None:
    result = run("doctor", STENOGRAM_MODEL="no-such-model")

    assert result.returncode == 1
    assert "model     FAULT" in result.stdout
    assert "Work would stop" in result.stdout


def test_scripts_get_one_json_object() -> None:
    result = run("doctor", "--json", "--verify", "--test", STENOGRAM_LANGAUGE="en")
    answer = json.loads(result.stdout)

    assert answer["good"] is True
    assert result.returncode == 0
    states = {finding["topic"]: finding["state"] for finding in answer["findings"]}
    assert (states["test"], states["settings"], states["model"]) == ("good", "warning", "good")


@pytest.mark.parametrize("where", ["before", "after"])
def test_verbose_tells_the_machine_first_and_the_cost_at_the_end(where: str, beckett: Path) -> None:
    before, after = (["-v"], []) if where == "before" else ([], ["-v"])
    result = run(*before, "transcribe", *after, "-f", "text", beckett)
    lines = result.stderr.splitlines()

    assert result.returncode == 0
    assert "tried" in result.stdout.lower()
    assert lines[0].startswith("stenogram.app.doctor: cpu: ")
    assert any(line.startswith("runs: 1 (0 failed), 10.0 s of sound") for line in lines)
    assert any(line.startswith("work: decode ") for line in lines)
    assert lines[-1].startswith("memory: ")


def test_without_verbose_nothing_of_it_is_shown(beckett: Path) -> None:
    result = run("transcribe", "-q", beckett)

    assert result.stderr == ""
