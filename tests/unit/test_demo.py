"""``make demo`` runs the command on the wheel's recording, sees that the files are there, and says what to try next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import demo

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for the command is a shell script")

WRITES_ALL = 'for extension in txt srt json; do echo words >"$5/two_cities.$extension"; done'


def stand_in(folder: Path, body: str) -> Path:
    """A command in the place of ``stenogram`` that notes its arguments."""
    command = folder / "stenogram"
    command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{folder}/arguments"\n{body}\n')
    command.chmod(0o755)
    return command


@pytest.fixture
def output_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "demo-out"
    folder.mkdir()
    return folder


def test_the_recording_comes_with_the_default_model() -> None:
    assert demo.recording().is_file()


def test_after_the_command_the_next_steps_are_shown(
    tmp_path: Path, output_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = stand_in(tmp_path, WRITES_ALL)

    assert demo.transcribe(command, Path("two_cities.wav"), output_dir) == 0

    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments == [
        "transcribe",
        "two_cities.wav",
        "--show",
        "--output-dir",
        str(output_dir),
        "--format",
        "txt,srt,json",
    ]
    assert f"  {command} transcribe two_cities.wav --format srt" in capsys.readouterr().out


def test_a_failed_command_fails_the_demo(tmp_path: Path, output_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.transcribe(stand_in(tmp_path, "exit 3"), Path("two_cities.wav"), output_dir) == 3
    assert "Try next" not in capsys.readouterr().out


def test_files_of_an_earlier_run_are_not_taken_for_new_ones(
    tmp_path: Path, output_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (output_dir / "two_cities.srt").write_text("of yesterday")

    assert demo.transcribe(stand_in(tmp_path, "exit 0"), Path("two_cities.wav"), output_dir) == 1
    assert "two_cities.srt" in capsys.readouterr().err
