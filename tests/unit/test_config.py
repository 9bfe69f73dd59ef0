"""Where the value of a setting comes from, and what it may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from stenogram.config import Settings, dotenv, read
from stenogram.errors import OptionError
from stenogram.types import VadOptions


def test_what_is_given_goes_before_the_environment_and_that_before_the_default() -> None:
    assert read(VadOptions, {}, {}).threshold == 0.5
    assert read(VadOptions, {}, {"STENOGRAM_THRESHOLD": "0.3"}).threshold == 0.3
    assert read(VadOptions, {"threshold": 0.2}, {"STENOGRAM_THRESHOLD": "0.3"}).threshold == 0.2


@pytest.mark.parametrize("value", ["nan", "-1", "1", "high"])
def test_a_value_out_of_bounds_is_refused_with_the_place_it_came_from(value: str) -> None:
    with pytest.raises(OptionError, match="STENOGRAM_THRESHOLD"):
        read(VadOptions, {}, {"STENOGRAM_THRESHOLD": value})
    with pytest.raises(OptionError, match="--threshold"):
        read(VadOptions, {"threshold": value}, {})


def test_a_dotenv_file_has_names_and_values(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "\ufeff# ours\nSTENOGRAM_HOME='/a b'\nexport STENOGRAM_MODEL = x\n\nnonsense\n", "utf-8"
    )

    assert dotenv(tmp_path / ".env") == {"STENOGRAM_HOME": "/a b", "STENOGRAM_MODEL": "x"}


def test_a_folder_called_dotenv_is_none_of_ours(tmp_path: Path) -> None:
    """Some call their virtual environment so."""
    (tmp_path / ".env").mkdir()

    assert dotenv(tmp_path / ".env") == {}
    assert dotenv(tmp_path / "absent") == {}


def test_an_unreadable_dotenv_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("STENOGRAM_LANGUAGE=français".encode("latin-1"))

    with pytest.raises(OptionError, match=r"\.env cannot be read"):
        dotenv(tmp_path / ".env")


def test_every_setting_may_be_left_out() -> None:
    assert read(Settings, {}, {}) == Settings()
