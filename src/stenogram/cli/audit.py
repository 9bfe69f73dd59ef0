"""``stenogram audit``: who did what on the server."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import click

from stenogram import config
from stenogram.accounts import audit as log
from stenogram.accounts.audit import ACTIONS
from stenogram.cli.keys import NAMES
from stenogram.cli.options import options_of
from stenogram.config import ServerSettings, Settings
from stenogram.store import schema
from stenogram.store.audit import Entry


@click.command()
@click.option(
    "-n", "--limit", type=click.IntRange(1, 100_000), default=100, help="So many, newest first. [default: 100]"
)
@click.option("--actor", help="Only what this one did: the id of a user, or the owner of a key.")
@click.option("--action", type=click.Choice(list(ACTIONS)), metavar="ACTION", help="Only this, such as sign_in_failed.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, with every detail.")
@options_of(Settings, ServerSettings, names=NAMES)
def audit(limit: int, actor: str | None, action: Any, as_json: bool, **given: Any) -> None:
    """Show who signed in, used keys, shared and deleted, newest first."""
    with schema.opened(config.read(Settings, given), config.read(ServerSettings, given)) as database:
        found = log.listing(database, limit, actor=actor, action=action)
    for entry in found:
        click.echo(json.dumps(asdict(entry), ensure_ascii=False) if as_json else _line(entry))
    if not found and not as_json:
        click.echo("Nothing was noted.", err=True)


def _line(entry: Entry) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(entry.at))
    known = {name: value for name, value in entry.detail.items() if value is not None}
    detail = " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in known.items()
    )
    parts = (
        moment,
        entry.action.ljust(16),
        entry.actor_name or "-",
        entry.address or "-",
        entry.subject or "-",
        detail,
    )
    line = "  ".join(parts).rstrip()
    return "".join(letter if letter.isprintable() else "?" for letter in line)  # people choose what they are called
