"""Settings from options, the environment and a ``.env`` file: what is wrong is said, what is none of ours is let be."""

from __future__ import annotations

from pathlib import Path

import pytest

from stenogram import config
from stenogram.config import PRESETS, ServerSettings, Settings
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


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_value_of_a_preset_is_one_that_could_be_set(preset: str) -> None:
    """By its name, with its type, within its bounds; and it differs from the plain default."""
    plain = {row.name: row for group in (Settings, ServerSettings) for row in config.rows(group)}
    for name, value in PRESETS[preset].items():
        assert config._convert(plain[name], value, name) == value != plain[name].default


def test_a_preset_changes_defaults_and_nothing_that_is_set() -> None:
    environ = {"STENOGRAM_PRESET": "development", "STENOGRAM_LOG_LEVEL": "warning"}
    settings = config.read(Settings, {}, environ)
    server = config.read(ServerSettings, {"performance_log_s": 5}, environ)

    assert (settings.preset, settings.cache_max_mb) == ("development", 64)
    assert (server.log_level, server.performance_log_s) == ("warning", 5)
    assert config.read(VadOptions, {}, environ) == VadOptions()


def test_a_preset_may_be_given_like_any_option_and_goes_before_the_environment_s() -> None:
    given = {"preset": "production", "idle_unload_s": None}
    settings = config.read(Settings, given, {"STENOGRAM_PRESET": "development"})

    assert (settings.preset, settings.preload, settings.idle_unload_s) == ("production", "auto", 365 * 86_400)
    assert config.read(ServerSettings, given, {}).log_level == "info"


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(OptionError, match="STENOGRAM_PRESET = 'fast': must be one of none, production, development"):
        config.read(Settings, {}, {"STENOGRAM_PRESET": "fast"})
