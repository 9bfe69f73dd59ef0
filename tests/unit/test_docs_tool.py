"""The reference pages are made from the code alone, and drift is noticed."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import click
import pytest

import stenogram
from stenogram import config, enhancement, errors, types
from tools import docs


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Two small pages in the place of the real ones; what a test puts in is what the code says."""
    contents = {"errors.md": "all errors\n", "settings.md": "all settings\n"}
    made: dict[str, Callable[[], str]] = {name: (lambda name=name: contents[name]) for name in contents}  # type: ignore[misc]
    monkeypatch.setattr(docs, "PAGES", made)
    return contents


def test_pages_just_written_do_not_differ(pages: dict[str, str], tmp_path: Path) -> None:
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    assert (tmp_path / "errors.md").read_text() == docs.GENERATED + "\nall errors\n"


def test_check_names_what_differs_and_how_to_mend_it_and_writes_nothing(
    pages: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs.main([], tmp_path)
    (tmp_path / "leftover.md").write_text("of a page that is no more")
    (tmp_path / "settings.md").unlink()
    pages["errors.md"] = "one error more\n"
    capsys.readouterr()

    assert docs.main(["--check"], tmp_path) == 1

    complaints = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in complaints] == [
        "docs/reference/errors.md",
        "docs/reference/leftover.md",
        "docs/reference/settings.md",
    ]
    assert all("make docs" in line for line in complaints)
    assert "all errors" in (tmp_path / "errors.md").read_text()


def test_writing_removes_pages_that_nothing_makes(pages: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "leftover.md").write_text("of a page that is no more")

    docs.main([], tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["errors.md", "settings.md"]


def test_every_option_of_the_product_is_on_the_settings_page() -> None:
    page = docs.settings_page()
    groups = [config.Settings, types.DecodeOptions, types.VadOptions, types.LoadOptions, types.TranscribeOptions]
    groups.append(enhancement.EnhanceOptions)

    assert set(groups) < set(docs.option_groups())
    for group in groups:
        for row in config.rows(group):
            assert f"| `{row.name}` | {docs.flag_words(row)} | {docs.variable_words(row)} |" in page
            assert docs.cell(row.help) in page


def test_each_row_of_a_table_has_all_its_cells() -> None:
    for page in (docs.settings_page(), docs.errors_page()):
        widths: list[int] = []
        for line in page.splitlines():
            if line.startswith("|"):
                widths.append(line.replace("\\|", "").count("|"))
            elif widths:
                assert len(set(widths)) == 1, widths
                widths = []


@pytest.mark.parametrize(
    ("annotation", "low", "high", "words"),
    [
        (str | None, None, None, "text"),
        (int, 1, 100, "whole number, 1 to 100"),
        (float | None, 0.5, None, "number, at least 0.5"),
        (float, None, 0, "number, at most 0"),
        (Literal["auto", "cpu"], None, None, "`auto`, `cpu`"),
        (bool, None, None, "`on` or `off`"),
        (int | str, None, None, "whole number or text"),
        (list[int], None, None, "list[int]"),
    ],
)
def test_types_and_bounds_are_put_in_words(annotation: Any, low: float | None, high: float | None, words: str) -> None:
    group = dataclasses.make_dataclass("Group", [("x", annotation, types.option(None, "help", low=low, high=high))])
    (row,) = config.rows(group)

    assert docs.value_words(row) == words


def test_an_option_that_is_on_or_off_has_two_flags() -> None:
    found = {row.name: docs.flag_words(row) for row in config.rows(types.VadOptions)}

    assert found["vad_filter"] == "`--vad-filter` `--no-vad-filter`"
    assert found["threshold"] == "`--threshold`"


def test_defaults_are_written_as_a_user_would() -> None:
    defaults = [None, True, False, 129600.0, -1.0, 42, "auto"]

    assert [docs.default_words(default) for default in defaults] == [
        "unset",
        "`on`",
        "`off`",
        "`129600`",
        "`-1`",
        "`42`",
        "`auto`",
    ]


def test_every_error_is_on_its_page_once_below_its_parent() -> None:
    page = docs.errors_page()
    classes: list[Any] = [value for value in vars(errors).values() if inspect.isclass(value)]

    assert errors.Cancelled in classes
    for error in classes:
        assert page.count(f"| `{error.code}` | `{error.__name__}` |") == 1
    assert page.index("`TooLong`") > page.index("`InputError`")
    assert "| `too_long` | `TooLong` | `InputError` | {path}: longer than the limit" in page


def install_cli(monkeypatch: pytest.MonkeyPatch, **contents: Any) -> None:
    """Put a module in the place of the command line."""
    module = ModuleType("stenogram.cli.main")
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, "stenogram.cli.main", module)


def test_the_help_of_every_visible_command_is_on_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.group()
    def cli() -> None:
        """Speech to text."""

    @cli.group()
    def cache() -> None:
        """What is kept."""

    @cache.command()
    @click.option("--size", help="In megabytes.")
    def info(size: str) -> None:
        """Show it."""

    @cli.command(hidden=True)
    def secret() -> None:
        """Never shown."""

    install_cli(monkeypatch, main=cli)
    monkeypatch.setenv("COLUMNS", "20")

    page = docs.cli_page()

    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## stenogram",
        "## stenogram cache",
        "## stenogram cache info",
    ]
    assert "Usage: stenogram cache info [OPTIONS]" in page
    assert "--size TEXT  In megabytes." in page
    assert "Never shown" not in page


def test_a_command_whose_module_is_missing_is_a_clear_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return ["lost"]

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            raise ModuleNotFoundError(f"No module named {cmd_name!r}")

    install_cli(monkeypatch, cli=Lazy())

    with pytest.raises(docs.NotDocumentable, match="No module named 'lost'"):
        docs.cli_page()


def test_a_command_line_without_a_group_is_a_clear_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_cli(monkeypatch)
    monkeypatch.setattr(docs, "PAGES", {"cli.md": docs.cli_page})

    assert docs.main(["--check"], tmp_path) == 1
    assert "no click group in stenogram.cli.main" in capsys.readouterr().err


@dataclasses.dataclass
class Talk:
    """A recording of one voice."""

    path: Path
    tags: list[str] = dataclasses.field(default_factory=list)
    speed: float = 1.0
    _cache: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Talk:
        """Open it."""
        return cls(path)

    @property
    def length(self) -> float:
        """Seconds.

        Measured, not guessed.
        """
        return 1.0

    def cut(self, *times: float, keep: bool = True) -> Sequence[Talk]:
        """Cut it."""
        return [self]


def test_public_names_are_shown_as_in_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def hear(path: str | Path, *, language: str | None = None, **rest: Any) -> Talk:
        """Hear it.

        >>> hear("talk.mp4").length      # doctest: +SKIP
        1.0
        """
        return Talk(Path(path))

    for name, value in {"Talk": Talk, "hear": hear, "RATE": 16_000, "TooLong": errors.TooLong}.items():
        monkeypatch.setattr(stenogram, name, value, raising=False)
    monkeypatch.setattr(stenogram, "__all__", ["RATE", "Talk", "TooLong", "hear"], raising=False)

    page = docs.python_page()

    assert "RATE: int = 16000\n" in page
    assert "hear(path: str | Path, *, language: str | None = None, **rest: Any) -> Talk\n```\n\nHear it.\n" in page
    assert '\n\n```pycon\n>>> hear("talk.mp4").length\n1.0\n```\n' in page
    assert "class TooLong(InputError)\n" in page
    assert (
        "class Talk:\n"
        "    path: Path\n"
        "    tags: list[str] = ...\n"
        "    speed: float = 1.0\n"
        "    def open(cls, path: Path) -> Talk: ...  # Open it.\n"
        "    length: float  # Seconds.\n"
        "    def cut(self, *times: float, keep: bool = True) -> Sequence[Talk]: ...  # Cut it.\n"
    ) in page


def test_a_package_without_public_names_is_a_clear_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(stenogram, "__all__", raising=False)

    with pytest.raises(docs.NotDocumentable, match="no __all__"):
        docs.python_page()


def test_defaults_without_a_stable_text_are_named() -> None:
    def run(listener: Callable[[int], None] = print, marker: object = object()) -> None:
        """Run."""

    assert docs.signature(run) == ("(listener: Callable[[int], None] = print, marker: object = object(...)) -> None")
