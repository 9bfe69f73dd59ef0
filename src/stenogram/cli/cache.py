"""``stenogram cache``: what is kept for the next run."""

from __future__ import annotations

import click

from stenogram import config
from stenogram.cache import open_cache
from stenogram.config import Settings

MIB = 2**20
KINDS = ("transcript", "chunk", "speech", "chat")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cache() -> None:
    """Show or clear the results kept for the next run."""


@cache.command()
def info() -> None:
    """Show where the cache is, what it holds and how much it may take."""
    facts = open_cache(config.read(Settings)).info()
    click.echo(f"folder   {facts.folder}")
    click.echo(f"shared   {facts.url or 'none (set STENOGRAM_CACHE_URL to share results between machines)'}")
    click.echo(f"size     {facts.bytes / MIB:.1f} MiB of {facts.max_bytes / MIB:.0f} MiB (STENOGRAM_CACHE_MAX_MB)")
    click.echo(f"entries  {facts.entries}")
    for kind, held in sorted(facts.kinds.items()):
        click.echo(f"  {kind:<12} {held.entries:>8}  {held.bytes / MIB:10.1f} MiB")


@cache.command()
@click.argument("kind", required=False, type=click.Choice(KINDS), metavar="[KIND]")
def clear(kind: str | None) -> None:
    """Remove all results, or those of one kind (see info)."""
    freed = open_cache(config.read(Settings)).clear(kind)
    click.echo(f"freed {freed / MIB:.1f} MiB")
