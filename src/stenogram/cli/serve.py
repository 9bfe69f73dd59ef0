"""``stenogram serve`` and ``stenogram worker``: what an operator leaves running."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import Any

import click

from stenogram import config
from stenogram.app import crew
from stenogram.app.house import House
from stenogram.app.log import configure
from stenogram.cli.log import is_verbose, verbose_option
from stenogram.cli.options import options_of
from stenogram.config import ServerSettings, Settings


@click.command()
@verbose_option
@options_of(Settings, ServerSettings)
def serve(**given: Any) -> None:
    """Run the server: jobs with callbacks, the OpenAI API, the dashboard.

    It starts one worker for each GPU, or one for the CPU, watches them, and starts them anew when they die. Ctrl-C
    lets running jobs end, or hands them back.
    """
    from stenogram.server.run import serve as run

    settings, server = _settings(given)
    run(settings, server, lambda address, token: _greet(address, token, server))


@click.command()
@verbose_option
@options_of(Settings, ServerSettings)
def worker(**given: Any) -> None:
    """Work for a server from another machine: the same database, cache and recordings.

    DATABASE_URL, STENOGRAM_MEDIA_URL and STENOGRAM_CACHE_URL must be those of the server.
    """
    from stenogram.server.run import prepare

    settings, server = _settings(given)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with House.open(settings, server) as house:
        prepare(house)
        supervisor = crew.supervisor(house)
        supervisor.start()
        devices = ", ".join(supervisor.devices)
        click.echo(f"stenogram worker on {devices}; jobs from {house.db.url}. Ctrl-C stops it.", err=True)
        while not stop.wait(1.0):
            pass
        click.echo("stopping: running jobs may end, or are handed back", err=True)
        supervisor.stop(server.shutdown_grace_s)


def _settings(given: dict[str, Any]) -> tuple[Settings, ServerSettings]:
    settings, server = config.read(Settings, given), config.read(ServerSettings, given)
    level = logging.DEBUG if is_verbose() else logging.getLevelNamesMapping()[server.log_level.upper()]
    configure(level, as_json=server.json_log)
    return settings, server


def _greet(address: str, token: str | None, server: ServerSettings) -> None:
    click.echo(f"stenogram is at {address}  (page: {address}/app, API: {address}/docs)", err=True)
    if token is not None and server.no_auth:
        click.echo("Until there is a user or an API key, everybody who reaches it may use it (--no-auth).", err=True)
    elif token is not None and server.host in ("127.0.0.1", "localhost", "::1"):
        click.echo("Only this machine can reach it. For others: make the first user, as below, or a key with", err=True)
        click.echo("`stenogram keys create`; then start it with --host 0.0.0.0.", err=True)
    if token is not None:
        click.echo(f"Accounts begin with the first user: {address}/app/set-up#token={token}  (good once)", err=True)
    sys.stderr.flush()
