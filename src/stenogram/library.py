"""Where an adapter to a library is: its module is imported when it is chosen, its library when it works."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One adapter in a table by name, and what it needs."""

    implementation: str
    """``module:class``."""
    modules: tuple[str, ...]
    """Modules of its libraries; they are looked for, never imported to find out."""
    packages: tuple[str, ...]
    """Distributions whose versions are worth knowing."""
    extra: str | None = None
    """The extra of stenogram that brings them; None: they always come."""

    @property
    def installed(self) -> bool:
        """Whether all its libraries are here."""
        return all(find_spec(module) is not None for module in self.modules)

    def make(self, *args: object) -> Any:
        """Import its module and make one."""
        module, attribute = self.implementation.split(":")
        return getattr(importlib.import_module(module), attribute)(*args)
