"""``stenogram bench`` measures for real, in processes of its own."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stenogram.app.bench import Spread, compare
from stenogram.cli.bench import bench
from stenogram.errors import EngineError


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, two_cities: Path) -> Path:
    """The first six seconds."""
    path = tmp_path_factory.mktemp("sound") / "short.wav"
    with wave.open(str(two_cities)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(6 * source.getframerate()))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(bench, list(arguments))


@pytest.mark.slow
def test_two_ways_are_compared_round_by_round(short: Path, tmp_path: Path) -> None:
    """Speed, first text, memory and errors of both, and a plot."""
    reference = tmp_path / "reference.txt"
    reference.write_text("It was the best of times, it was the worst of times, it was the age of wisdom")
    plot = tmp_path / "plot.png"
    arguments = ["--rounds", "2", "--vs=--sequential", "--reference", str(reference), "--plot", str(plot), "--json"]

    result = run(str(short), *arguments)

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    plain, careful = found["results"]
    assert (plain["name"], careful["name"]) == ("default", "sequential=True")
    for one in (plain, careful):
        assert one["model"] == "moonshine-tiny-en"
        assert one["rtfx"]["least"] <= one["rtfx"]["median"] <= one["rtfx"]["greatest"]
        assert one["first_s"]["median"] > 0
        assert one["peak_mb"]["median"] > 50
        assert "best of times" in one["text"].lower()
        assert one["error_rate"] < 0.5
    assert len(found["ratios"]) == 1
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_options_of_the_language_model_are_none_of_its() -> None:
    assert "--llm-" not in run("--help").output
    assert run("--llm-model", "qwen").exit_code == 2


def test_one_way_gives_a_table(short: Path) -> None:
    result = run(str(short), "--rounds", "1", "--profile", "fast")

    assert result.exit_code == 0, result.output
    for line in ("profile=fast", "RTFx", "peak memory", "moonshine-tiny-en"):
        assert line in result.stdout


def test_what_cannot_be_compared_is_told(short: Path) -> None:
    assert "there are: moonshine" in str(run(str(short), "--engine", "nonsense").exception)
    unknown = str(run(str(short), "--rounds", "1", "--vs", "nonsense --beam-size 1").exception)
    assert "nonsense" in unknown
    missing = str(run(str(short), "--vs", "whisper").exception)
    assert "stenogram models list --engine whisper" in missing


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"bad: .*cannot be read"):
        compare(tmp_path / "absent.wav", {"bad": {}}, 1)


def test_a_spread_shows_its_ends_only_where_they_differ() -> None:
    assert f"{Spread.of([1.0, 3.0, 2.0]):.1f}" == "2.0 [1.0-3.0]"
    assert f"{Spread.of([1.0]):.1f}" == "1.0"
