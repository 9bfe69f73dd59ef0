"""Which models are on, in tables that may be somebody else's (R8): read and written as they are, never altered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from stenogram.app import enabled
from stenogram.app.house import House
from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseError, OptionError, UnknownModel
from stenogram.store import schema, whisper_models
from stenogram.store.database import Database
from stenogram.store.whisper_models import Setting

SHAPES = {
    "id_model": (
        "CREATE TABLE whisper_models (id_model TEXT PRIMARY KEY, source TEXT, note TEXT)",
        "CREATE TABLE model_settings (id_model TEXT PRIMARY KEY, enabled BOOLEAN, beam INTEGER)",
        "INSERT INTO whisper_models VALUES ('base', 'whisper', 'x'), ('large-v3', 'whisper', 'y'), ('gpt', 'llm', 'z')",
        "INSERT INTO model_settings VALUES ('base', true, 5), ('large-v3', false, 5), ('gpt', true, 1)",
    ),
    "model_id": (
        "CREATE TABLE whisper_models (model_id TEXT PRIMARY KEY, source TEXT)",
        "CREATE TABLE model_settings (model_id TEXT PRIMARY KEY, enabled BOOLEAN)",
        "INSERT INTO whisper_models VALUES ('base', 'whisper'), ('large-v3', 'whisper')",
        "INSERT INTO model_settings VALUES ('base', true), ('large-v3', false)",
    ),
    "numbers": (
        "CREATE TABLE whisper_models (id_model INTEGER PRIMARY KEY, name TEXT, source TEXT)",
        "CREATE TABLE model_settings (id_model INTEGER, enabled BOOLEAN)",
        "INSERT INTO whisper_models VALUES (1, 'base', 'whisper'), (2, 'large-v3', 'whisper'), (3, 'gpt', 'llm')",
        "INSERT INTO model_settings VALUES (1, true), (2, false), (3, true)",
    ),
}


@pytest.fixture(params=list(SHAPES))
def theirs(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[Database]:
    """A client's database, with its own tables, and ours beside them."""
    db = Database.open(empty_database_url)
    with db.write() as tx:
        for statement in SHAPES[request.param]:
            tx.connection.execute(text(statement))
    before = columns(db)
    schema.upgrade(db)
    assert columns(db) == before
    yield db
    db.close()


def columns(db: Database) -> dict[str, list[str]]:
    with db.read() as connection:
        found = inspect(connection)
        return {
            name: [column["name"] for column in found.get_columns(name)]
            for name in ("whisper_models", "model_settings")
        }


def test_a_client_s_tables_are_read_as_they_are(theirs: Database) -> None:
    with theirs.read() as connection:
        assert whisper_models.settings(connection) == [Setting("base", True), Setting("large-v3", False)]


def test_a_model_is_switched_in_a_client_s_tables(theirs: Database) -> None:
    before = columns(theirs)
    with theirs.write() as tx:
        whisper_models.switch(tx, "base", enabled=False)
        whisper_models.switch(tx, "large-v3", enabled=True)

    with theirs.read() as connection:
        assert whisper_models.settings(connection) == [Setting("base", False), Setting("large-v3", True)]
    assert columns(theirs) == before


def test_the_tables_are_made_where_they_are_absent(db: Database) -> None:
    assert columns(db) == {"whisper_models": ["id_model", "name", "source"], "model_settings": ["id_model", "enabled"]}
    with db.write() as tx:
        whisper_models.switch(tx, "base", enabled=True)
    with db.read() as connection:
        assert whisper_models.settings(connection) == [Setting("base", True)]
    schema.upgrade(db)
    with db.read() as connection:
        assert whisper_models.settings(connection) == [Setting("base", True)]


def test_tables_of_no_known_shape_are_told(empty_database_url: str) -> None:
    db = Database.open(empty_database_url)
    with db.write() as tx:
        tx.connection.execute(text("CREATE TABLE whisper_models (what TEXT)"))
        tx.connection.execute(text("CREATE TABLE model_settings (what TEXT)"))
    with db.read() as connection, pytest.raises(DatabaseError, match="id_model"):
        whisper_models.settings(connection)
    db.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House.open(Settings(home=str(tmp_path)), ServerSettings()) as opened:
        schema.upgrade(opened.db)
        yield opened


def names(house: House) -> list[str]:
    with house.db.read() as connection:
        return enabled.names(house, connection)


def test_the_built_in_model_is_on_unless_switched_off(house: House) -> None:
    assert names(house) == ["moonshine-tiny-en"]
    enabled.switch(house, "moonshine-tiny-en", enabled=False)
    assert names(house) == []
    with pytest.raises(OptionError, match="not enabled"):
        enabled.check(house, "moonshine-tiny-en")
    enabled.switch(house, "moonshine-tiny-en", enabled=True)
    enabled.check(house, "moonshine-tiny-en")


def test_what_the_tables_enable_is_on_though_it_is_absent(house: House) -> None:
    enabled.switch(house, "large-v3", enabled=True)

    assert "moonshine-tiny-en" in names(house)
    assert len(names(house)) == 2
    enabled.check(house, "large-v3")
    with house.db.read() as connection:
        states = {state.name: state.state for state in enabled.states(house, connection)}
    assert sorted(states.values()) == ["absent", "installed"]


def test_an_unknown_name_is_told(house: House) -> None:
    with pytest.raises(UnknownModel):
        enabled.check(house, "no-such-model")
    with pytest.raises(OptionError, match="moonshine-tiny-en"):
        enabled.check(house, "base")
    enabled.check(house, "auto")


def test_a_name_in_the_tables_that_nobody_knows_is_shown_as_failed(house: House) -> None:
    with house.db.write() as tx:
        whisper_models.switch(tx, "martian", enabled=True)
    with house.db.read() as connection:
        [state] = [each for each in enabled.states(house, connection) if each.name == "martian"]
    assert state.state == "failed"
    assert "martian" in (state.error or "")


def test_models_are_found_at_the_place_of_r8_too(house: House) -> None:
    stop = threading.Event()
    stop.set()
    for _ in range(2):  # a second start finds it as it is
        enabled.fetch_enabled(house, stop)

    place = house.settings.data_dir / "data" / "whisper_models"
    assert place.resolve() == house.settings.models_dir.resolve()
