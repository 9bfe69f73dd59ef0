"""``stenogram models``: which models there are, and how to get them."""

from __future__ import annotations

import functools

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from stenogram import config, languages
from stenogram.config import Settings
from stenogram.models import catalogue, download, store

HELP = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=HELP)
def models() -> None:
    """Show, fetch and check speech-recognition models."""


@models.command("list", context_settings=HELP)
@click.option("-l", "--language", help="Only models that speak this language.")
def list_models(language: str | None) -> None:
    """List all known models; those marked * are installed."""
    installed = {files.name for files in store.installed(config.read(Settings))}
    found = catalogue.models()
    if language:
        code = languages.code_of(language)
        found = tuple(model for model in found if model.speaks(code))
        if not found:
            raise click.ClickException(f"no model of this version speaks {languages.NAMES[code].title()}")
    for model in found:
        mark = "*" if model.name in installed else " "
        spoken = ",".join(model.languages)
        click.echo(
            f"{mark} {model.name:<22} {spoken:<4} {model.bytes / 1e6:6.0f} MB  {model.engine:<10} {model.licence}"
        )
    if any(model.name not in installed for model in found):
        click.echo("\nFetch one with: stenogram models pull NAME")


@models.command(context_settings=HELP)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def pull(names: tuple[str, ...]) -> None:
    """Fetch models; an interrupted download goes on where it was."""
    settings = config.read(Settings)
    for name in names:
        model = catalogue.find(name)
        with _bar(model.name) as bar:
            files = download.pull(model, settings, functools.partial(_show, bar), lambda: False)
        note = "" if model.verified else " (unverified: its publisher gives no SHA-256; pinned now)"
        click.echo(f"{files.name} is installed{note}")


@models.command(context_settings=HELP)
@click.argument("names", nargs=-1, metavar="[NAME...]")
def verify(names: tuple[str, ...]) -> None:
    """Compare installed models, or those named, with their recorded digests."""
    settings = config.read(Settings)
    for name in names or [files.name for files in store.installed(settings)]:
        click.echo(f"{store.verify(name, settings).name}: all files are as recorded")


def _show(bar: Progress, done: int, total: int) -> None:
    bar.update(bar.task_ids[0], completed=done, total=total)


def _bar(name: str) -> Progress:
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    bar.add_task(name, total=None)
    return bar
