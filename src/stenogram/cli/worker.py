"""``stenogram worker``."""

from stenogram.cli.serve import worker

__all__ = ["worker"]
