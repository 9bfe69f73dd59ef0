"""What the command line and the Python API understand of speakers, before anything is heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stenogram.app import api
from stenogram.cli import transcribe as command
from stenogram.cli.transcribe import _known, transcribe
from stenogram.errors import FileNotReadable, OptionError, StenogramError
from stenogram.types import DiarizeOptions, KnownSpeaker

TOLD = DiarizeOptions(diarize=True)


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    path = tmp_path / "ann=1.wav"
    path.write_bytes(b"RIFF")
    return path


def asked(monkeypatch: pytest.MonkeyPatch, *flags: str) -> Any:
    """The request that a command line means; nothing is transcribed."""
    found: list[Any] = []

    def stop(_app: object, request: object) -> None:
        found.append(request)
        raise OptionError(name="test", value="", cause="is over")

    monkeypatch.setattr(command, "resolve", stop)
    result = CliRunner().invoke(transcribe, ["a.wav", *flags])
    assert isinstance(result.exception, StenogramError), result.output
    if not found:
        raise result.exception
    return found[0]


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ((), DiarizeOptions()),
        (("--diarize",), TOLD),
        (("--speakers", "2"), DiarizeOptions(diarize=True, num_speakers=2)),
        (("--num-speakers", "2", "--diarize"), DiarizeOptions(diarize=True, num_speakers=2)),
        (("--max-speakers", "3"), DiarizeOptions(diarize=True, max_speakers=3)),
        (("--diarization", "built-in"), DiarizeOptions(diarize=True, diarization="built-in")),
        (("--recognize-speakers",), DiarizeOptions(diarize=True, recognize_speakers=True)),
        (("--no-recognize-speakers",), DiarizeOptions()),
    ],
)
def test_a_flag_that_says_something_of_speakers_has_them_told_apart(
    monkeypatch: pytest.MonkeyPatch, flags: Sequence[str], options: DiarizeOptions
) -> None:
    assert asked(monkeypatch, *flags).diarize == options


def test_the_environment_says_how_and_does_not_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENOGRAM_MAX_SPEAKERS", "4")

    assert not asked(monkeypatch).diarize.diarize
    assert asked(monkeypatch, "--diarize").diarize == DiarizeOptions(diarize=True, max_speakers=4)


def test_known_speakers_are_named_by_their_recordings(monkeypatch: pytest.MonkeyPatch, ann: Path) -> None:
    """What follows the first ``=`` is the path."""
    request = asked(monkeypatch, "--known", f"Ann Lee={ann}", "--known", f"Bob={ann}")

    assert request.known_speakers == (KnownSpeaker("Ann Lee", ann), KnownSpeaker("Bob", ann))
    assert request.diarize == TOLD


@pytest.mark.parametrize("value", ["ann.wav", "=ann.wav", "Ann=", " = "])
def test_a_known_speaker_needs_name_and_file(value: str) -> None:
    with pytest.raises(OptionError, match=r'must be like "Ann=ann\.wav"'):
        _known([value])


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(OptionError, match="Ann is there twice"):
        _known(["Ann=a.wav", "Ann=b.wav"])


def test_a_known_speaker_without_a_file_is_told_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(FileNotReadable, match=r"none\.wav: .*no such file to know Ann by"):
        asked(monkeypatch, "--known", f"Ann={tmp_path / 'none.wav'}")
    with pytest.raises(FileNotReadable, match="is a folder"):
        api.read(Path("a.wav"), {}, {"Ann": tmp_path})


def test_python_takes_the_same(ann: Path) -> None:
    _, request = api.read(Path("a.wav"), {"diarize": True, "num_speakers": 2}, {"Ann": str(ann)}, {})

    assert request.known_speakers == (KnownSpeaker("Ann", ann),)
    assert request.diarize == DiarizeOptions(diarize=True, num_speakers=2)


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"diarize": False, "num_speakers": 2}, "num_speakers"),
        ({"num_speakers": 2, "min_speakers": 1}, "num_speakers"),
        ({"min_speakers": 3, "max_speakers": 2}, "min_speakers"),
        ({"num_speakers": 101}, "num-speakers"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, object], about: str) -> None:
    with pytest.raises(OptionError, match=about):
        api.read(Path("a.wav"), given, {}, {})


def test_known_speakers_contradict_that_none_are_told_apart(ann: Path) -> None:
    with pytest.raises(OptionError, match="diarize"):
        api.read(Path("a.wav"), {"diarize": False}, {"Ann": ann}, {})
