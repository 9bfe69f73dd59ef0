"""The composition root, and one module per use case."""

from stenogram.app.root import App

__all__ = ["App"]
