"""``--verbose``: the log on stderr, and figures at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_LOGGER = logging.getLogger("stenogram")


class _Stderr(logging.Handler):
    """Writes to stderr as it is at that moment: while a bar is drawn, lines appear above it."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def _set_verbose(_ctx: click.Context, _option: click.Parameter, wished: bool) -> None:
    if wished and not is_verbose():
        handler = _Stderr()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        _LOGGER.addHandler(handler)
        _LOGGER.setLevel(logging.INFO)
        _LOGGER.propagate = False  # a library may have given the root logger a handler of its own


def verbose_option(function: F) -> F:
    """A decorator that adds ``-v`` to a command; it takes effect by itself."""
    return click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_verbose,
        help="Show on stderr what is found and chosen, and what it cost.",
    )(function)


def is_verbose() -> bool:
    """Whether ``-v`` was given, before the command or after it."""
    return any(isinstance(handler, _Stderr) for handler in _LOGGER.handlers)


def show_stats() -> None:
    """What the runs of this process cost, on stderr."""
    from stenogram.performance import get_performance_stats, told

    for line in told(get_performance_stats()):
        click.echo(line, err=True)
