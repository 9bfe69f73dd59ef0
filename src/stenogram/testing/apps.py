"""An app with fake parts where tests want them and real ones elsewhere."""

from __future__ import annotations

from stenogram.app import App
from stenogram.audio.decode import Decoder
from stenogram.config import Settings, read
from stenogram.models.choose import Choice
from stenogram.protocols import Cache
from stenogram.testing.fake_chat import FakeChat
from stenogram.testing.fake_diarizer import FakeDiarizer
from stenogram.testing.fakes import FAKE_FILES, FakeEngine
from stenogram.testing.memory_cache import MemoryCache
from stenogram.types import ModelFiles


def make_app(
    *,
    engine: FakeEngine | None = None,
    diarizer: FakeDiarizer | None = None,
    chat: FakeChat | None = None,
    cache: Cache | None = None,
    settings: Settings | None = None,
    files: ModelFiles = FAKE_FILES,
) -> App:
    """An app that decodes and finds speech for real, with fakes of the rest and a cache in memory unless given."""
    engine, diarizer, chat = engine or FakeEngine(), diarizer or FakeDiarizer(), chat or FakeChat()
    return App(
        settings=settings or read(Settings),
        cache=cache or MemoryCache(),
        decoder=Decoder(),
        engine_named=lambda _name: engine,
        diarizer_named=lambda _name, _means: diarizer,
        chat_for=lambda _settings: chat,
        model_for=lambda _model, _language, _settings: Choice(files, f"model {files.name}: as the test wants"),
    )
