"""``stenogram speakers``: people whose voices are known."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from stenogram import config
from stenogram.app import App
from stenogram.app import speakers as people
from stenogram.cli.options import options_of
from stenogram.config import ServerSettings, Settings
from stenogram.diarization.rename import check_person
from stenogram.job import Caller
from stenogram.store import schema
from stenogram.store.database import Database
from stenogram.store.speakers import Speaker

_NAMES = frozenset({"home", "database_url", "db_host", "db_port", "db_name", "db_user", "db_pass", "db_schema"})
_COLUMNS = ("name", "samples", "speech", "since", "state")
_OWNER = click.option("--owner", help="Whose they are: the owner of API keys. [default: nobody's in particular]")
_JSON = click.option("--json", "as_json", is_flag=True, help="For scripts: JSON on stdout.")


@click.group()
def speakers() -> None:
    """Keep voices, so that people are called by name in every recording. Nobody is known who was not added."""


@speakers.command()
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@_OWNER
@_JSON
@options_of(Settings, ServerSettings, names=_NAMES)
def add(name: str, files: tuple[Path, ...], *, owner: str | None, as_json: bool, **given: Any) -> None:
    """Know a person by recordings in which only they speak; more recordings may follow.

    FILE is any audio or video file with at least 2 s of speech; of a long one the first 30 s of speech count. A sample
    from each room and microphone helps. Where one file is of no use, none is kept.
    """
    name = check_person(name)
    settings = replace(config.read(Settings, given), preload="")
    with _database(given) as database:
        with App.open(settings) as app:
            voice_of = people.open_listener(app)
            voices = [people.hear(app, path, voice_of) for path in files]
        speaker = people.add(database, owner, name, voices)
    if as_json:
        _print_json(_facts(speaker))
        return
    heard_s = sum(voice.heard_s for voice in voices)
    click.echo(f"{speaker.name} is known by {_count(len(speaker.voices))}; {heard_s:.0f} s were heard now.", err=True)


@speakers.command("list")
@_OWNER
@click.option("--all", "everybody", is_flag=True, help="Those of all owners.")
@_JSON
@options_of(Settings, ServerSettings, names=_NAMES)
def listing(*, owner: str | None, everybody: bool, as_json: bool, **given: Any) -> None:
    """List who is known, never what their voices are like."""
    with _database(given) as database:
        found = people.listing(database, Caller(owner, admin=everybody))
    if as_json:
        _print_json([_facts(speaker) for speaker in found])
        return
    if not found:
        click.echo("Nobody is known. Add somebody: stenogram speakers add NAME FILE...", err=True)
        return
    table = [_COLUMNS, *(_row(speaker) for speaker in found)]
    widths = [max(len(row[at]) for row in table) for at in range(len(_COLUMNS))]
    for row in table:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@speakers.command()
@click.argument("old")
@click.argument("new")
@_OWNER
@options_of(Settings, ServerSettings, names=_NAMES)
def rename(old: str, new: str, *, owner: str | None, **given: Any) -> None:
    """Call a known person otherwise, from the next recording on."""
    with _database(given) as database:
        speaker = people.rename(database, people.find_named(database, owner, old), new)
    click.echo(f"{old} is {speaker.name} now.", err=True)


@speakers.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_OWNER
@options_of(Settings, ServerSettings, names=_NAMES)
def remove(names: tuple[str, ...], *, owner: str | None, **given: Any) -> None:
    """Forget people: their voices are deleted for good. Transcripts that name them stay as they are."""
    with _database(given) as database:
        people.remove(database, [people.find_named(database, owner, name) for name in names])
    click.echo(f"{', '.join(names)}: the voices are deleted.", err=True)


def _row(speaker: Speaker) -> tuple[str, ...]:
    facts = _facts(speaker)
    day = time.strftime("%Y-%m-%d", time.gmtime(speaker.created_at))
    state = "outdated: add the recordings anew" if facts["outdated"] else "good"
    return speaker.name, str(facts["samples"]), f"{facts['seconds']:.0f} s", day, state


def _facts(speaker: Speaker) -> dict[str, Any]:
    return {
        "id": speaker.id,
        "name": speaker.name,
        "owner": speaker.owner,
        "samples": len(speaker.voices),
        "seconds": round(sum(voice.heard_s for voice in speaker.voices), 3),
        "outdated": people.is_outdated(speaker),
        "created_at": speaker.created_at,
    }


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.encode(value).decode())


def _database(given: dict[str, Any]) -> AbstractContextManager[Database]:
    return schema.opened(config.read(Settings, given), config.read(ServerSettings, given))


def _count(recordings: int) -> str:
    return "1 recording" if recordings == 1 else f"{recordings} recordings"
