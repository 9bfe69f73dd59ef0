"""``stenogram users``: who may sign in to the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import click

from stenogram import config
from stenogram.accounts import users as accounts
from stenogram.accounts.audit import COMMAND_LINE, note
from stenogram.accounts.keys import KNOWN_FOR_S
from stenogram.accounts.passwords import Passwords
from stenogram.accounts.users import Change, Wish
from stenogram.cli.options import options_of
from stenogram.config import ServerSettings, Settings
from stenogram.errors import NotFound
from stenogram.store import schema, sessions
from stenogram.store import users as rows
from stenogram.store.database import Database
from stenogram.store.users import Known

_NAMES = frozenset({"home", "database_url", "db_host", "db_port", "db_name", "db_user", "db_pass", "db_schema"})
_DATABASE = options_of(Settings, ServerSettings, names=_NAMES)
_COLUMNS = ("email", "role", "state", "recordings", "made", "last here", "name")
_SESSION_COLUMNS = ("id", "begun", "last used", "ends", "address", "browser")
_FROM_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
_TEMPORARY = click.option("--temporary", is_flag=True, help="They choose another one when they have signed in.")


@click.group()
def users() -> None:
    """Make, list and stop the users of the server. Once there is one, everybody has to sign in, or have a key."""


@users.command()
@click.option("--email", required=True, help="By which they sign in.")
@click.option("--name", default="", help="What they are called. [default: what stands before the @]")
@click.option("--admin", is_flag=True, help="May manage users and models; does not see the recordings of others.")
@_TEMPORARY
@_FROM_STDIN
@_DATABASE
def create(email: str, name: str, *, admin: bool, temporary: bool, password_stdin: bool, **given: Any) -> None:
    """Make a user. The password is asked for, unless it comes by standard input.

    The first user must be an admin, and gets all recordings that nobody owned.
    """
    with _database(given) as database:
        with database.read() as connection:
            first = not rows.exist(connection)
        wish = Wish(email, _password(password_stdin), name, "admin" if admin else "user", temporary)
        user = accounts.create(database, Passwords(), wish, None)
    click.echo(f"{user.email} may sign in, as {user.role}.", err=True)
    if first:
        click.echo(
            f"It is the first user: within {KNOWN_FOR_S:.0f} s everybody has to sign in, or have a key.", err=True
        )


@users.command("list")
@_DATABASE
def listing(**given: Any) -> None:
    """List the users."""
    with _database(given) as database:
        found = accounts.listing(database)
    if not found:
        click.echo("There are no users. The first: stenogram users create --admin --email EMAIL", err=True)
        return
    _print([_COLUMNS, *(_row(known) for known in found)])


@users.command()
@click.argument("email")
@_DATABASE
def deactivate(email: str, **given: Any) -> None:
    """Keep a user out: their sessions end, and their keys open nothing. What is theirs stays."""
    _change(given, email, Change(is_active=False))
    click.echo(f"{email}: may not sign in; within {KNOWN_FOR_S:.0f} s they are out.", err=True)


@users.command()
@click.argument("email")
@_DATABASE
def activate(email: str, **given: Any) -> None:
    """Let a user in again."""
    _change(given, email, Change(is_active=True))
    click.echo(f"{email}: may sign in.", err=True)


@users.command()
@click.argument("email")
@_TEMPORARY
@_FROM_STDIN
@_DATABASE
def password(email: str, *, temporary: bool, password_stdin: bool, **given: Any) -> None:
    """Give a user another password, which ends their sessions."""
    with _database(given) as database:
        user = accounts.find_by_email(database, email)
        wanted = Change(password=_password(password_stdin), must_change=temporary)
        accounts.change(database, Passwords(), user.id, wanted, None)
    click.echo(f"{email}: has another password, and is signed out everywhere.", err=True)


@users.command()
@click.argument("email")
@click.argument("wanted", metavar="ROLE", type=click.Choice(["admin", "user"]))
@_DATABASE
def role(email: str, wanted: Any, **given: Any) -> None:
    """Make a user an admin, or an admin a user."""
    _change(given, email, Change(role=wanted))
    click.echo(f"{email}: is {wanted}.", err=True)


@users.command("sessions")
@click.argument("email")
@click.option("--end", "ended", help="End the session of this id.")
@click.option("--end-all", is_flag=True, help="Sign the user out everywhere.")
@_DATABASE
def sessions_of(email: str, *, ended: str | None, end_all: bool, **given: Any) -> None:
    """List where a user is signed in, or sign them out there."""
    with _database(given) as database:
        user = accounts.find_by_email(database, email)
        with database.read() as connection:
            found = sessions.of(connection, time.time(), user_id=user.id)
        wanted = [session.id for session in found if end_all or session.id == ended]
        if ended is not None and not wanted:
            raise NotFound(what="session", id=ended)
        if wanted:
            with database.write() as tx:
                sessions.remove(tx, wanted)
                note(tx, None, "session_revoked", user.id, name=COMMAND_LINE, sessions=len(wanted))
    if end_all or ended is not None:
        click.echo(f"{email}: {len(wanted)} sessions end within {KNOWN_FOR_S:.0f} s.", err=True)
    elif found:
        shown = (
            (s.id, _minute(s.created_at), _minute(s.seen_at), _minute(s.expires_at), s.address, s.agent) for s in found
        )
        _print([_SESSION_COLUMNS, *shown])
    else:
        click.echo(f"{email} is signed in nowhere.", err=True)


def _change(given: dict[str, Any], email: str, wanted: Change) -> None:
    with _database(given) as database:
        accounts.change(database, Passwords(), accounts.find_by_email(database, email).id, wanted, None)


def _password(by_stdin: bool) -> str:
    if by_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer


def _row(known: Known) -> tuple[str, ...]:
    user = known.user
    state = "active" if user.is_active else "stopped"
    seen = "never" if known.seen_at is None else _minute(known.seen_at)
    return user.email, user.role, state, str(known.recordings), _minute(user.created_at), seen, user.name


def _minute(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment))


def _print(table: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    for row in table:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _database(given: dict[str, Any]) -> AbstractContextManager[Database]:
    return schema.opened(config.read(Settings, given), config.read(ServerSettings, given))
