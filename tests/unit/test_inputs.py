"""Arguments become recordings, and every recording gets an output name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.cli.inputs import STDIN, Names, expand


def recordings(*arguments: str) -> list[Path]:
    """What the arguments mean, when all of them mean something."""
    found, wrong = expand(arguments)
    assert wrong == []
    return found


def problems(*arguments: str) -> str:
    """What is told about arguments that mean nothing."""
    found, wrong = expand(arguments)
    assert found == []
    return " ".join(map(str, wrong))


def test_a_file_named_outright_is_tried_whatever_it_is_called(tmp_path: Path) -> None:
    assert recordings(*[str(tmp_path / "notes.txt")]) == [tmp_path / "notes.txt"]


def test_a_folder_gives_its_recordings_with_all_below_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.MP3", "a.wav", "notes.txt", "deep/er/запись.m4a", "cover.jpg", "._a.wav", "list.m3u", "tune.mid"):
        (tmp_path / name).touch()

    assert [path.relative_to(tmp_path).as_posix() for path in recordings(*[str(tmp_path)])] == [
        "a.wav",
        "b.MP3",
        "deep/er/запись.m4a",
    ]


def test_a_folder_without_recordings_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert problems(str(tmp_path)) == f"{tmp_path}: cannot be read: no audio or video files in this folder."


def test_globs_are_expanded_where_the_shell_did_not(tmp_path: Path) -> None:
    for name in ("1.wav", "2.wav", "3.mp3"):
        (tmp_path / name).touch()

    assert [path.name for path in recordings(*[str(tmp_path / "*.wav")])] == ["1.wav", "2.wav"]
    assert problems(str(tmp_path / "*.ogg")).endswith("no file has such a name.")


def test_a_name_with_brackets_is_a_file_when_it_exists(tmp_path: Path) -> None:
    (tmp_path / "talk [final].wav").touch()

    assert recordings(*[str(tmp_path / "talk [final].wav")]) == [tmp_path / "talk [final].wav"]


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "x/" * 3000 + "x.wav", "nul\0.wav"])
def test_a_name_that_no_file_can_have_is_left_for_the_run_to_report(name: str) -> None:
    assert recordings(*[name]) == [Path(name)]


def test_an_empty_name_is_not_taken_for_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").touch()
    monkeypatch.chdir(tmp_path)

    assert "a name is empty" in problems("")


def test_the_same_recording_twice_is_done_once(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()

    assert recordings(*[str(tmp_path / "a.wav"), str(tmp_path)]) == [tmp_path / "a.wav"]


def test_equal_stems_get_distinct_names() -> None:
    names = Names()

    assert names.stem(Path("x/A.mp3")) == ("A", False)
    assert names.stem(Path("x/A.mp4")) == ("A.mp4", True)
    assert names.stem(Path("y/A.mp4")) == ("A-2", True)
    assert names.stem(Path("y/a.WAV")) == ("a.WAV", True)
    assert names.stem(STDIN) == ("stdin", False)


def test_results_never_take_the_place_of_a_recording(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    sources = [Path("talk.mp3"), tmp_path / "out" / "talk.TXT", tmp_path / "link" / "b.txt", tmp_path / "c.txt"]
    names = Names.sparing(sources, tmp_path / "out", {".txt", ".srt"})

    assert [names.stem(source) for source in sources] == [
        ("talk.mp3", True),
        ("talk.TXT", True),
        ("b.txt", True),
        ("c", False),
    ]


@given(st.lists(st.sampled_from(["a.wav", "A.wav", "a.mp3", "a.mp3.wav", "a-2.wav", "é.wav", "e\u0301.wav"])))
def test_no_two_recordings_ever_share_a_name(files: list[str]) -> None:
    names = Names()
    stems = [names.stem(Path(name))[0] for name in files]

    assert len({stem.casefold() for stem in stems}) == len(stems)


@pytest.mark.parametrize("name", ["a" * 300, "no such folder/x.wav"])
def test_a_name_that_cannot_be_is_left_for_the_reader_to_refuse(name: str) -> None:
    assert recordings(*[name]) == [Path(name)]


def test_a_file_called_dash_is_not_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert recordings(*["-"]) == [STDIN]
    assert recordings(*["./-"]) == [tmp_path / "-"]
