"""``stenogram models``: which models there are, and how to get them here, out of here and rid of them."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from stenogram import config, diarization, languages
from stenogram.config import Settings
from stenogram.engines import ENGINES
from stenogram.errors import OptionError
from stenogram.models import catalogue, choose, download, hub, roles, store, transfer
from stenogram.models.catalogue import Model
from stenogram.types import ModelFiles

if TYPE_CHECKING:
    from rich.progress import Progress

HELP = {"help_option_names": ["-h", "--help"]}
KINDS = {"speech": "", "diarization": "speaker separation", "chat": "text clean-up"}


@click.group(context_settings=HELP)
def models() -> None:
    """Show, fetch, check, move and remove models."""


@models.command("list", context_settings=HELP)
@click.option("-l", "--language", help="Only models that speak this language.")
@click.option("-e", "--engine", help="Only models of this engine.")
@click.option("-i", "--installed", is_flag=True, help="Only models that are installed.")
@click.option("--json", "as_json", is_flag=True, help="For scripts: one JSON array with all facts.")
def list_models(language: str | None, engine: str | None, *, installed: bool, as_json: bool) -> None:
    """List known models; those marked * are installed."""
    settings = config.read(Settings)
    found = store.known(settings)
    if language:
        code = languages.code_of(language)
        found = [model for model in found if model.kind == "speech" and model.speaks(code)]
    if engine:
        found = [model for model in found if model.engine == engine]
        if not found:
            known = ", ".join(sorted({model.engine for model in catalogue.models()}))
            raise OptionError(name="--engine", value=engine, cause=f"no models of it are known; there are: {known}")
    here = {model.name for model in found if store.is_installed(model, settings)}
    found = [model for model in found if model.name in here or not installed]
    if as_json:
        click.echo(msgspec.json.encode([_facts(model, settings) for model in found]).decode())
        return
    doubtful = {model.name for model in found if model.name in here and not store.vouched(model, settings)}
    _print_table(found, here, doubtful)


def _print_table(found: list[Model], here: set[str], doubtful: set[str]) -> None:
    rows = [(" ", "NAME", "LANGUAGES", "SIZE", "ENGINE", "LICENCE")]
    for model in sorted(found, key=lambda model: list(KINDS).index(model.kind)):
        mark = "*" if model.name in here else " "
        notes = {
            "restricted": model.restricted,
            "unverified": model.name in doubtful,
            KINDS[model.kind]: model.kind != "speech",
        }
        shown = ", ".join(note for note, holds in notes.items() if holds)
        licence = model.licence.partition(" (")[0] + (f" ({shown})" if shown else "")
        rows.append((mark, model.name, _spoken(model), _megabytes(model), model.engine, licence))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = [
            text.rjust(width) if column == 3 else text.ljust(width)  # noqa: PLR2004 - sizes stand right
            for column, (text, width) in enumerate(zip(row[:5], widths, strict=True))
        ]
        click.echo("  ".join([*cells, row[5]]).rstrip())
    if any(model.name not in here for model in found):
        click.echo("\nFetch one with: stenogram models pull NAME")


@models.command(context_settings=HELP)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For scripts: one JSON object.")
def info(name: str, *, as_json: bool) -> None:
    """Show all that is known of a model."""
    settings = config.read(Settings)
    facts = _facts(store.find(name, settings), settings)
    if as_json:
        click.echo(msgspec.json.encode(facts).decode())
        return
    files: list[dict[str, Any]] = facts.pop("files")
    for key, value in facts.items():
        click.echo(f"{key:<12} {_plain(value)}")
    for file in files:
        size = "size not known exactly" if file["bytes"] is None else f"{file['bytes']} bytes"
        digest = f"sha256 {file['sha256']} ({file['vouched_by']})" if file["sha256"] else "no digest yet"
        click.echo(f"\n{file['name']}  {size}\n  {digest}\n  {file['path'] or file['url'] or ''}".rstrip())


@models.command(context_settings=HELP)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def pull(names: tuple[str, ...]) -> None:
    """Fetch models; an interrupted download goes on where it was."""
    settings = config.read(Settings)
    for name in names:
        model = store.find(name, settings)
        files = fetch(model, settings)
        click.echo(f"{files.name} is installed{_doubt(files.name, settings)}")
        if model.kind != "chat" and not _runs(model):
            row = ENGINES.get(model.engine) or diarization.DIARIZERS.get(model.engine)
            extra = row.extra if row else None
            advice = f"; get it: pip install 'stenogram[{extra}]'" if extra else ""
            click.echo(f"Its engine {model.engine} is not here{advice}", err=True)


@models.command(context_settings=HELP)
@click.argument("names", nargs=-1, metavar="[NAME...]")
def verify(names: tuple[str, ...]) -> None:
    """Compare installed models, or those named, with their recorded digests."""
    settings = config.read(Settings)
    if names:
        found = [files.name for files in store.require(names, settings)]
    else:
        found = [files.name for kind in roles.KINDS for files in store.installed(settings, kind)]
    for name in found:
        click.echo(f"{store.verify(name, settings).name}: all files are as recorded{_doubt(name, settings)}")


@models.command(context_settings=HELP)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove(names: tuple[str, ...], *, yes: bool) -> None:
    """Delete models from this machine."""
    settings = config.read(Settings)
    for name in names:
        model = store.find(name, settings)
        folder = store.folder_of(model, settings)
        if not yes:
            click.confirm(f"Delete {model.name} in {folder}?", abort=True)
        freed = store.remove(model, settings, lambda: False)
        click.echo(f"{model.name} removed, {freed / 1e6:.0f} MB freed")


@models.command("import", context_settings=HELP)
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FOLDER|ARCHIVE|FILE")
@click.option("-n", "--name", help="Name of the model; needed unless the archive comes from 'models export'.")
@click.option("-e", "--engine", type=click.Choice(roles.ENGINES), help="Engine of a model of your own.")
@click.option("-l", "--languages", "spoken", metavar="LIST", help="Its languages, by commas; * for all.")
def import_model(source: Path, name: str | None, engine: str | None, spoken: str | None) -> None:
    """Take a model from a folder, an archive (zip, tar) or a file.

    With the name of a known model its files are checked against the catalogue. A model of your own needs --name,
    --engine and --languages, and is then used like any other.
    """
    settings = config.read(Settings)
    model = _imported(source, name, engine, spoken)
    with _bar(model.name) as bar:
        files = transfer.import_model(model, source, settings, functools.partial(_show, bar), lambda: False)
    click.echo(f"{files.name} is installed{_doubt(files.name, settings)}")


def _imported(source: Path, name: str | None, engine: str | None, spoken: str | None) -> Model:
    """The row of what is to be imported: of the catalogue, of the archive, or from the options."""
    carried = transfer.described_in(source) if engine is None else None
    if name is None and carried is None:
        raise OptionError(name="--name", value=None, cause="say which model this is")
    name = name or (carried.name if carried else "")
    if engine is None:
        if carried is not None and carried.name == name and store.is_custom(carried):
            return transfer.checked(carried)
        return catalogue.find(name)
    codes = tuple(code if code == "*" else languages.code_of(code) for code in (spoken or "").replace(",", " ").split())
    if not codes and roles.kind_of(engine) == "speech":
        raise OptionError(name="--languages", value=spoken, cause="say which languages it speaks, such as ru,en")
    return transfer.describe(name, engine, codes or ("*",), source)


@models.command(context_settings=HELP)
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path), required=False, metavar="[FILE.tar]")
def export(name: str, target: Path | None) -> None:
    """Write an installed model into an archive, for a machine without network."""
    settings = config.read(Settings)
    model = store.find(name, settings)
    target = target or Path(f"{model.name}.tar")
    with _bar(model.name) as bar:
        transfer.export_model(model, target, settings, functools.partial(_show, bar), lambda: False)
    click.echo(f"wrote {target}\nTake it in elsewhere with: stenogram models import {target.name}")


def fetch(model: Model, settings: Settings) -> ModelFiles:
    """Fetch a model, with a progress bar on stderr."""
    with _bar(model.name) as bar:
        return download.pull(model, settings, functools.partial(_show, bar), lambda: False)


def asking(settings: Settings) -> choose.Fetch:
    """Offer a recommended model to the person at the terminal; without one, as the setting ``auto_pull`` says."""
    if settings.auto_pull or settings.offline or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return choose.fetch_if_allowed(settings)

    def ask(model: Model) -> ModelFiles | str:
        if not hub.answers(model, settings):
            return "the place it comes from does not answer"
        question = f"No installed model will do. Fetch {model.name} ({_megabytes(model)}, {model.licence})?"
        if not click.confirm(question, default=True, err=True):
            return "it was not wanted"
        return fetch(model, settings)

    return ask


def _runs(model: Model) -> bool:
    return store.runs(model) or diarization.runs(model.engine)


def _facts(model: Model, settings: Settings) -> dict[str, Any]:
    """A model as ``info`` and ``--json`` show it."""
    here = store.files_of(model, settings) if store.is_installed(model, settings) else None
    digests = store.digests_of(model, settings)
    verified = store.vouched(model, settings) if here else model.verified
    return {
        "name": model.name,
        "aliases": model.aliases,
        "kind": model.kind,
        "engine": model.engine,
        "engine_here": _runs(model),
        "languages": model.languages,
        "installed": here is not None,
        "verified": verified,
        "bytes": model.bytes,
        "size_exact": model.exact,
        "memory_bytes": model.memory_bytes(),
        "licence": model.licence,
        "licence_url": model.licence_url,
        "source": model.source,
        "revision": model.revision if model.repo else None,
        "files": [
            {
                "name": file.name,
                "role": file.role,
                "bytes": here.paths[file.role].stat().st_size if here else file.bytes,
                "sha256": digests[file.name].sha256 if file.name in digests else None,
                "vouched_by": digests[file.name].source if file.name in digests else None,
                "commit": digests[file.name].commit if file.name in digests else None,
                "path": str(here.paths[file.role]) if here else None,
                "url": place.url if (place := _address(model, file, settings)) else None,
            }
            for file in model.files
        ],
    }


def _address(model: Model, file: catalogue.File, settings: Settings) -> hub.Address | None:
    return None if model.bundled else hub.address(model, file, settings)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{kind} {need / 1e9:.1f} GB" for kind, need in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value) or "-"
    return "-" if value is None else str(value)


def _spoken(model: Model) -> str:
    if model.kind != "speech":
        return "-"
    return "all" if "*" in model.languages else _few(model.languages)


def _few(codes: tuple[str, ...]) -> str:
    return ",".join(codes) if len(codes) <= 3 else f"{len(codes)} ({','.join(codes[:2])} ...)"  # noqa: PLR2004


def _megabytes(model: Model) -> str:
    return f"{'' if model.exact else '~'}{model.bytes / 1e6:.0f} MB"


def _doubt(name: str, settings: Settings) -> str:
    model = store.find(name, settings)
    if store.vouched(model, settings):
        return ""
    return " (unverified: nobody publishes its SHA-256; what came first is remembered)"


def _show(bar: Progress, done: int, total: int) -> None:
    bar.update(bar.task_ids[0], completed=done, total=total)


def _bar(name: str) -> Progress:
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    bar.add_task(name, total=None)
    return bar
