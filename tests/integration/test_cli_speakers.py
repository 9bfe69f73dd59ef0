"""``stenogram speakers``, on a database of its own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stenogram.app import speakers as people
from stenogram.cli.main import main
from stenogram.cli.speakers import speakers
from stenogram.config import Settings, read
from stenogram.diarization import voices
from stenogram.errors import Conflict, NotFound, OptionError, SchemaOutdated, TooLittleSpeech
from stenogram.types import Audio, Span
from tests.service import read_wav, write_wav


@pytest.fixture(autouse=True)
def hears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every voice is heard as the same; the real network has tests of its own."""
    monkeypatch.setattr(people, "open_listener", lambda _app: one_voice)


def one_voice(_audio: Audio, _speech: Sequence[Span]) -> tuple[float, ...]:
    return (1 / 16,) * 256


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(speakers, [str(argument) for argument in arguments])


def listed(*arguments: str) -> list[dict[str, Any]]:
    result = run("list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def known() -> list[str]:
    return [voice.name for voice in people.known_here(read(Settings)).voices]


def test_a_person_is_added_by_several_recordings_at_once_or_one_after_another(beckett: Path, two_cities: Path) -> None:
    first = run("add", "Ann", beckett, two_cities)
    more = run("add", "Ann", beckett, "--json")

    assert (first.exit_code, first.stdout) == (0, "")
    assert re.search(r"Ann is known by 2 recordings; 3\d s were heard", first.stderr)
    assert json.loads(more.stdout) == listed()[0]
    [ann] = listed()
    assert (ann["name"], ann["samples"], ann["outdated"], ann["owner"]) == ("Ann", 2, False, None)
    assert known() == ["Ann", "Ann"]
    lines = [re.split(r" {2,}", line) for line in run("list").stdout.splitlines()]
    assert lines[0] == ["name", "samples", "speech", "since", "state"]
    assert (lines[1][:2], lines[1][4]) == (["Ann", "2"], "good")


def test_one_unusable_recording_of_several_keeps_all_out(beckett: Path, tmp_path: Path) -> None:
    sound, rate = read_wav(beckett)
    short = write_wav(tmp_path / "short.wav", sound[:rate], rate)

    assert isinstance(run("add", "Ann", beckett, short).exception, TooLittleSpeech)
    assert listed() == []


def test_a_new_name_and_the_end(beckett: Path) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        run("add", name, beckett)

    assert isinstance(run("rename", "Ann", "Ben").exception, Conflict)
    assert run("rename", "Ann", "Anna Lee").exit_code == 0
    assert isinstance(run("remove", "Ben", "Zoe").exception, NotFound)
    assert known() == ["Anna Lee", "Ben", "Cleo"]
    assert run("remove", "Ben", "Cleo").exit_code == 0
    assert known() == ["Anna Lee"]


def test_an_owner_s_people_are_apart(beckett: Path) -> None:
    run("add", "Ann", beckett, "--owner", "desk")

    assert listed() == []
    assert [each["owner"] for each in listed("--owner", "desk")] == ["desk"]
    assert [each["owner"] for each in listed("--all")] == ["desk"]
    assert isinstance(run("remove", "Ann").exception, NotFound)
    assert run("remove", "Ann", "--owner", "desk").exit_code == 0


def test_voices_of_an_older_version_are_shown_as_outdated_until_they_are_added_anew(
    beckett: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(voices, "EMBEDDING", "older")
        run("add", "Ann", beckett)

    assert "outdated: add the recordings anew" in run("list").stdout
    assert listed()[0]["outdated"] is True
    assert known() == []
    run("add", "Ann", beckett)
    assert "good" in run("list").stdout
    assert known() == ["Ann"]


def test_with_nobody_known_the_list_says_how_to_begin() -> None:
    result = run("list")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "stenogram speakers add" in result.stderr
    assert listed() == []


def test_what_cannot_be_is_refused(beckett: Path) -> None:
    assert isinstance(run("add", " ", beckett).exception, OptionError)
    assert run("add", "Ann").exit_code == 2
    assert run("remove").exit_code == 2


def test_on_postgresql_the_tables_are_not_made_by_the_way(postgres_url: str) -> None:
    assert isinstance(run("list", "--database-url", postgres_url).exception, SchemaOutdated)


def test_a_refusal_is_one_line_and_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["stenogram", "speakers", "add", "Ann", str(tmp_path / "absent.wav")])
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert re.fullmatch(r"stenogram: .*absent.wav: cannot be read: .*\n", capsys.readouterr().err)
