"""Command-line options, derived from the option groups of ``types`` and ``config``: nothing is declared here."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

import click

from stenogram import config

F = TypeVar("F", bound=Callable[..., Any])

LLM = frozenset(row.name for row in config.rows(config.Settings) if row.name.startswith("llm_"))
"""Settings of the language model, which mean nothing to commands that ask none."""


def options_of(*groups: type, names: frozenset[str] | None = None) -> Callable[[F], F]:
    """A decorator that adds a flag for every option of the ``groups`` (or only for those named)."""
    found = [row for group in groups for row in config.rows(group) if names is None or row.name in names]

    def decorate(function: F) -> F:
        for row in reversed(found):
            function = _option(row)(function)
        return function

    return decorate


def _option(row: config.OptionRow) -> Callable[[F], F]:
    shown = "" if row.default is None else f" [default: {_shown(row.default)}]"
    text = f"{row.help}{shown}"
    kind = _unwrapped(row.type)
    if kind is bool:
        return click.option(f"{row.flag}/--no-{row.flag[2:]}", row.name, default=None, help=text)
    choices = click.Choice([str(value) for value in get_args(kind)]) if get_origin(kind) is Literal else None
    metavar = None if choices else {int: "N", float: "X"}.get(kind, "TEXT")
    flags = [flag for flag in (row.short, row.flag) if flag]
    return click.option(*flags, row.name, default=None, type=choices or str, metavar=metavar, help=text)


def _unwrapped(kind: Any) -> Any:
    """``int`` for ``int | None``."""
    if isinstance(kind, UnionType):
        return next(part for part in get_args(kind) if part is not type(None))
    return kind


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
