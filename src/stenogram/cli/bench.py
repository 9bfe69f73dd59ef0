"""``stenogram bench``: how fast, how large and how right, one way of transcribing beside another."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stenogram import config, errors
from stenogram.app import api
from stenogram.app.bench import Result, Spread, compare
from stenogram.bundled import asset
from stenogram.cli.options import LLM, options_of
from stenogram.config import Settings
from stenogram.engines import ENGINES
from stenogram.models import store

HELP = {"help_option_names": ["-h", "--help"]}
_NAMES = frozenset(row.name for group in api.GROUPS for row in config.rows(group)) - LLM
REFERENCE_RECORDING = "assets/two_cities.wav"
"""44 s of read English, from the wheel that brings the default model."""


@click.command(context_settings=HELP)
@click.argument("recording", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option("--engine", metavar="NAME", help="Take the best installed model of this engine.")
@click.option(
    "--vs",
    metavar="WHAT",
    help="Compare with an engine or a model, other options, or both, in quotes: --vs 'base --beam-size 1'.",
)
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of each, in turn.")
@click.option("--reference", type=click.Path(path_type=Path), help="File with the words that are said: tells WER.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a plot here (PNG, SVG, PDF).")
@click.option("--json", "as_json", is_flag=True, help="For scripts: one JSON object on stdout.")
@options_of(*api.GROUPS, names=_NAMES)
def bench(recording: Path | None, engine: str | None, vs: str | None, **given: Any) -> None:
    """Measure speed, memory and errors on FILE (default: a recording that comes with stenogram).

    Options are those of transcribe. Each run is a process of its own, without the cache.
    """
    options = _chosen(given)
    source = recording or asset(REFERENCE_RECORDING)
    settings, _ = api.read(source, options)
    if engine is not None:
        options["model"] = _best_of(engine, settings)
    configurations = {_named(options): options}
    if vs is not None:
        other = _other(vs, options, settings)
        configurations[_named(other)] = other
    reference = _read(given["reference"]) if given["reference"] else None
    console = Console(stderr=True)
    with console.status("starting") as status:
        results, ratios = compare(
            source,
            configurations,
            given["rounds"],
            reference,
            lambda name, number: status.update(f"{name}: round {number + 1} of {given['rounds']}"),
        )
    if given["plot"]:
        _draw(results, given["plot"])
    if given["as_json"]:
        click.echo(json.dumps({"results": [asdict(r) for r in results], "ratios": [asdict(r) for r in ratios]}))
        return
    _show(results, ratios)
    if given["plot"]:
        click.echo(f"wrote {given['plot']}", err=True)


def _chosen(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of transcribe that were given."""
    names = [row.name for group in api.GROUPS for row in config.rows(group)]
    return {name: given[name] for name in names if given.get(name) is not None}


def _other(what: str, options: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The second configuration: the first one with another engine, model, or options."""
    words = shlex.split(what)
    changed: dict[str, Any] = {}
    if words and not words[0].startswith("-"):
        name = words.pop(0)
        changed["model"] = _best_of(name, settings) if name in ENGINES else name
    context = bench.make_context("--vs", words)
    return {**options, **changed, **_chosen(context.params)}


def _best_of(engine: str, settings: Settings) -> str:
    """The best installed model of an engine. Raises ``OptionError`` for none."""
    if engine not in ENGINES:
        raise errors.OptionError(name="engine", value=engine, cause=f"there are: {', '.join(ENGINES)}")
    installed = [files.name for files in store.installed(settings) if files.engine == engine]
    if not installed:
        cause = f"none of its models is installed; see: stenogram models list --engine {engine}"
        raise errors.OptionError(name="engine", value=engine, cause=cause)
    return installed[0]


def _named(options: Mapping[str, Any]) -> str:
    """What a configuration is called: its options."""
    shown = [str(options["model"])] if "model" in options else []
    shown += [f"{name}={value}" for name, value in options.items() if name not in ("model", "home")]
    return " ".join(shown) or "default"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise errors.OptionError(name="reference", value=str(path), cause=cause) from error


def _show(results: list[Result], ratios: list[Spread]) -> None:
    """A column for each configuration, so that it fits a narrow terminal."""
    rows: list[tuple[str, Callable[[Result], str]]] = [
        ("model", lambda result: result.model),
        ("engine", lambda result: result.engine),
        ("RTFx (s of recording per s)", lambda result: f"{result.rtfx:.1f}"),
        ("first text, s", lambda result: f"{result.first_s:.2f}" if result.first_s else "none"),
        ("load, s", lambda result: f"{result.load_s:.2f}"),
        ("CPU, ms per s of recording", lambda result: f"{result.cpu_ms_per_s:.1f}"),
        ("peak memory, MB", lambda result: f"{result.peak_mb:.0f}"),
    ]
    if results[0].error_rate is not None:
        rows.append(("word error rate", lambda result: f"{result.error_rate:.1%}"))
    table = Table("")
    for result in results:
        table.add_column(Text(result.name))
    for name, value in rows:
        table.add_row(name, *(Text(value(result)) for result in results))
    console = Console()
    console.print(table)
    for result, ratio in zip(results[1:], ratios, strict=True):
        console.print(Text(f"{result.name}: {ratio:.2f} times as fast as {results[0].name}, round by round"))


def _draw(results: list[Result], path: Path) -> None:
    """Bars of RTFx with their spread."""
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    except ImportError as error:
        cause = "plots need matplotlib: pip install 'stenogram[plot]'"
        raise errors.OptionError(name="plot", value=str(path), cause=cause) from error
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.6 * len(results)), layout="constrained")
    places = range(len(results))
    medians = [result.rtfx.median for result in results]
    reach = [
        [result.rtfx.median - result.rtfx.least for result in results],
        [result.rtfx.greatest - result.rtfx.median for result in results],
    ]
    bars = axes.barh(places, medians, xerr=reach, color="#4c72b0", height=0.6)
    axes.bar_label(bars, fmt="%.1f", padding=6)
    axes.set_yticks(places, [result.name for result in results])
    axes.invert_yaxis()
    axes.set_xlabel("RTFx (seconds of recording per second of work; higher is better)")
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise errors.StorageError(path=path, cause=getattr(error, "strerror", None) or error) from error
    finally:
        plt.close(figure)
