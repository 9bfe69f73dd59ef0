"""Fakes that implement the real Protocols, for our tests and yours."""

from stenogram.testing.apps import make_app
from stenogram.testing.fake_chat import FakeChat
from stenogram.testing.fake_diarizer import FakeDiarizer
from stenogram.testing.fakes import FAKE_FILES, FakeEngine
from stenogram.testing.memory_cache import MemoryCache

__all__ = ["FAKE_FILES", "FakeChat", "FakeDiarizer", "FakeEngine", "MemoryCache", "make_app"]
