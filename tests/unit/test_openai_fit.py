"""What is asked for meets the models of the server: who can translate, who is not here yet."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from stenogram.app import enabled
from stenogram.app.house import House
from stenogram.app.jobs import Order
from stenogram.config import ServerSettings, Settings
from stenogram.errors import ModelError, ModelNotInstalled
from stenogram.server.errors import headers_of, status_of
from stenogram.server.openai.fit import can_translate, fit
from stenogram.server.openai.request import WireRequest
from stenogram.store import downloads, schema
from stenogram.store.downloads import Download
from stenogram.testing import FakeEngine, make_app
from stenogram.types import ModelFiles

CANARY = ("encoder", "decoder", "vocab", "config")
PARAKEET = ("encoder", "decoder_joint", "vocab", "config", "encoder_data")


@pytest.mark.parametrize(
    ("engine", "supports", "languages", "roles", "able"),
    [
        ("moonshine", (), ("en",), (), False),
        ("whisper", ("translate",), ("*",), ("model",), True),
        ("whisper", ("translate",), ("de",), ("model",), True),  # taught German once more, but it can still translate
        ("whisper", ("translate",), ("en",), ("model",), False),
        ("onnx-asr", ("translate",), ("en", "de"), CANARY, True),
        ("onnx-asr", ("translate",), ("en", "de"), PARAKEET, False),
        ("onnx-asr", ("translate",), ("en", "de"), ("what", "ever"), False),
    ],
)
def test_who_can_translate(
    engine: str, supports: Collection[str], languages: tuple[str, ...], roles: Collection[str], able: bool
) -> None:
    files = ModelFiles("a-model", engine, languages, {role: Path(role) for role in roles}, "0" * 64)
    house = cast("House", SimpleNamespace(app=make_app(engine=FakeEngine(supports=frozenset(supports)))))

    assert can_translate(house, files) is able


def test_a_model_that_is_being_fetched_is_to_be_asked_for_later_and_an_absent_one_is_not(tmp_path: Path) -> None:
    request = WireRequest(Order("openai", model="base"))
    with House.open(Settings(home=str(tmp_path)), ServerSettings()) as house:
        schema.upgrade(house.db)
        enabled.switch(house, "base", enabled=True)
        with pytest.raises(ModelNotInstalled):
            fit(house, request)
        with house.db.write() as tx:
            downloads.put(tx, Download(enabled.canonical(house, "base"), enabled.HOST, "downloading", 1, 2, None))
        with pytest.raises(ModelError, match="being fetched") as raised:
            fit(house, request)

    assert headers_of(status_of(raised.value))["x-should-retry"] == "true"
