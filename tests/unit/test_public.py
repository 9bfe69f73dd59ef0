"""The public names as an editor, a notebook and a type checker see them."""

from __future__ import annotations

from collections.abc import Generator
from typing import get_origin, get_type_hints

import stenogram


def test_public_names_are_offered_after_a_dot_before_they_are_imported() -> None:
    assert set(stenogram.__all__) <= set(dir(stenogram))
    assert all(getattr(stenogram, name) is not None for name in dir(stenogram))


def test_a_stream_may_be_closed_as_its_documentation_says() -> None:
    """A plain iterator has no ``close``: what closes a stream would not pass a type checker."""
    assert get_origin(get_type_hints(stenogram.stream)["return"]) is Generator
