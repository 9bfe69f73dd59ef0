"""Settings from options, the environment and a ``.env`` file: what is wrong is said, what is none of ours is let be."""

from __future__ import annotations

from pathlib import Path

import pytest

from stenogram import config
from stenogram.config import Settings
from stenogram.errors import OptionError
from stenogram.types import DecodeOptions, LoadOptions, VadOptions


@pytest.mark.parametrize(
    ("group", "name", "value", "message"),
    [
        (VadOptions, "threshold", "abc", r"--threshold = 'abc': must be a number\."),
        (VadOptions, "threshold", "nan", r"--threshold = 'nan': must be a number\."),
        (VadOptions, "threshold", float("nan"), r"must be a number\."),
        (DecodeOptions, "max_duration_s", "NaN", r"must be a number\."),
        (VadOptions, "vad_filter", "maybe", r"must be on or off\."),
        (LoadOptions, "cpu_threads", "1.5", r"must be a whole number\."),
        (DecodeOptions, "channels", "both", r"must be one of mix, separate\."),
        (Settings, "home", 5, r"must be text\."),
    ],
)
def test_a_wrong_value_is_answered_in_words(group: type, name: str, value: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        config.read(group, {name: value}, {})


def test_a_folder_may_be_given_as_a_path(tmp_path: Path) -> None:
    assert config.read(Settings, {"home": tmp_path}, {}).cache_dir == tmp_path / "cache"


def test_a_dotenv_of_another_program_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe not text\nNAME=caf\xe9\nexport STENOGRAM_LANGUAGE='en'\n")

    assert config.dotenv(path)["STENOGRAM_LANGUAGE"] == "en"
    assert config.dotenv(tmp_path) == {}  # a virtual environment may be called .env
    assert config.dotenv(tmp_path / "absent") == {}


def test_a_dotenv_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> str:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / ".env"
    path.touch()
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(OptionError, match=r"settings file = '.*\.env': Permission denied"):
        config.dotenv(path)


def test_what_is_given_goes_before_the_environment_and_that_before_the_default() -> None:
    assert config.read(VadOptions, {}, {}).threshold == 0.5
    assert config.read(VadOptions, {}, {"STENOGRAM_THRESHOLD": "0.3"}).threshold == 0.3
    assert config.read(VadOptions, {"threshold": 0.2}, {"STENOGRAM_THRESHOLD": "0.3"}).threshold == 0.2


@pytest.mark.parametrize("value", ["nan", "-1", "1", "high"])
def test_a_value_out_of_bounds_is_refused_with_the_place_it_came_from(value: str) -> None:
    with pytest.raises(OptionError, match="STENOGRAM_THRESHOLD"):
        config.read(VadOptions, {}, {"STENOGRAM_THRESHOLD": value})
    with pytest.raises(OptionError, match="--threshold"):
        config.read(VadOptions, {"threshold": value}, {})


def test_a_dotenv_file_has_names_and_values(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "\ufeff# ours\nSTENOGRAM_HOME='/a b'\nexport STENOGRAM_MODEL = x\n\nnonsense\n", "utf-8"
    )

    assert config.dotenv(tmp_path / ".env") == {"STENOGRAM_HOME": "/a b", "STENOGRAM_MODEL": "x"}


def test_every_setting_may_be_left_out() -> None:
    assert config.read(Settings, {}, {}) == Settings()
