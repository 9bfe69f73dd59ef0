"""``stenogram``: the command line. Commands are imported when they are run, so that ``--help`` answers at once."""

from __future__ import annotations

import importlib
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from stenogram import errors
from stenogram.cli.exits import exit_code
from stenogram.cli.log import verbose_option

COMMANDS = {
    "transcribe": ("stenogram.cli.transcribe", "Turn recordings into text, subtitles or JSON."),
    "enhance": ("stenogram.cli.enhance", "Have a language model clean up, translate or sum up transcripts."),
    "serve": ("stenogram.cli.serve", "Run the server: jobs, callbacks, the OpenAI API, the dashboard."),
    "worker": ("stenogram.cli.worker", "Work for a server from another machine."),
    "users": ("stenogram.cli.users", "Make, list and stop the users who sign in to the server."),
    "keys": ("stenogram.cli.keys", "Make, list and revoke API keys of the server."),
    "audit": ("stenogram.cli.audit", "Show who signed in, used keys, shared and deleted."),
    "db": ("stenogram.cli.db", "Bring the server's database to this version, or check it."),
    "speakers": ("stenogram.cli.speakers", "Know people by their voices: add, list, rename, remove."),
    "models": ("stenogram.cli.models", "Show, fetch and check speech-recognition models."),
    "bench": ("stenogram.cli.bench", "Measure speed, memory and errors; compare two ways."),
    "cache": ("stenogram.cli.cache", "Show or clear the results kept for the next run."),
    "doctor": ("stenogram.cli.doctor", "Check this machine, engines, models and settings; say what helps."),
}
"""Name -> module that defines a click command of that name, and its one-line help."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="stenogram", message="stenogram %(version)s")
@verbose_option
def cli() -> None:
    """Speech to text on your own machine: any audio or video file in, a transcript out.

    \b
    stenogram transcribe talk.mp4                       the text, on the screen
    stenogram transcribe *.mp3 -f srt,txt -o out        files in a folder
    """  # noqa: D301 - \b is click's mark for "leave this paragraph as it is"


def main() -> None:
    """Run the command line and exit; every error of ours is one line on stderr."""
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold what the terminal cannot show
            if stream is sys.stdout and not stream.isatty():
                stream.reconfigure(encoding="utf-8")  # results are UTF-8 in files; so they are in a pipe
    try:
        code = cli.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):  # click turns the latter into the former, and ends the line
        click.echo(f"stenogram: {errors.Cancelled()}", err=True)
        _leave_at_once(exit_code(errors.Cancelled()))
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except errors.StenogramError as error:
        click.echo(f"stenogram: {error}", err=True)
        code = exit_code(error)
    except OSError as error:
        if error.filename is not None:
            raise
        lost = errors.StorageError(path="stdout", cause=error.strerror or error)  # a full disk; click sees to pipes
        click.echo(f"stenogram: {lost}", err=True)
        _leave_at_once(exit_code(lost))
    sys.exit(code if isinstance(code, int) else 0)


def _leave_at_once(code: int) -> NoReturn:
    """Exit although a thread may be inside a native call, which Python would wait for or trip over."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _open_missing_streams() -> None:
    """Put the null device where the caller closed a standard stream: Python has None there, and reuses its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


if __name__ == "__main__":
    main()
