"""The tables of the database: made step by step they are what is declared, and nobody else's are touched."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from procrastinate.schema import SchemaManager
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

from stenogram.app.house import House
from stenogram.cli.main import main
from stenogram.config import ServerSettings, Settings
from stenogram.errors import DatabaseError, SchemaOutdated
from stenogram.server.run import prepare
from stenogram.store import claims, results, schema, whisper_models
from stenogram.store.database import Database, Transaction
from stenogram.store.tables import metadata
from stenogram.store.whisper_models import Setting
from stenogram.types import Transcript


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """A database without tables; each test on SQLite and PostgreSQL."""
    opened = Database.open(empty_database_url)
    yield opened
    opened.close()


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    opened = Database.open(postgres_url)
    yield opened
    opened.close()


def execute(db: Database, *statements: str) -> None:
    with db.write() as tx:
        for statement in statements:
            tx.connection.execute(text(statement))


def rows(db: Database, query: str) -> list[tuple[object, ...]]:
    with db.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def tables(db: Database, place: str | None = None) -> set[str]:
    with db.read() as connection:
        return set(inspect(connection).get_table_names(schema=place))


def columns(db: Database, table: str) -> list[tuple[str, str, bool]]:
    with db.read() as connection:
        found = inspect(connection).get_columns(table)
    return [(column["name"], str(column["type"]), column["nullable"]) for column in found]


# --- ours ---


def test_migrations_from_zero_give_the_declared_tables(empty: Database) -> None:
    schema.upgrade(empty)

    assert schema.differences(empty) == []
    assert metadata.tables.keys() < tables(empty)
    schema.check(empty)


def test_a_difference_is_seen(empty: Database) -> None:
    """So that the test above means something."""
    schema.upgrade(empty)
    execute(empty, "DROP INDEX idx_jobs_batch", "ALTER TABLE downloads DROP COLUMN error")

    found = sorted(schema.differences(empty))
    assert found == ["add_column downloads downloads.error", "add_index jobs.idx_jobs_batch"]


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(empty: Database) -> None:
    schema.upgrade(empty)
    execute(empty, "INSERT INTO downloads VALUES ('tiny', 'here', 'installed', 1, 1, NULL, 0.0)")
    schema.upgrade(empty)

    assert rows(empty, "SELECT model FROM downloads") == [("tiny",)]


def test_jobs_and_results_of_the_first_tables_are_read(empty: Database) -> None:
    with empty.write() as tx:
        config = schema._config()
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "0001")
    names = "id kind state source priority rank model options delete_media attempt crashes progress advanced created_at"
    values = "'j1', 'transcribe', 'queued', 'v1', 0, 0, 'auto', '{}', FALSE, 0, 0, 0, FALSE, 1.0, 1.0, FALSE, FALSE"
    execute(
        empty,
        f"INSERT INTO jobs ({', '.join(names.split())}, queued_at, cancel_requested, cached) VALUES ({values})",  # noqa: S608
    )
    with empty.write() as tx:
        results.put(tx, "j1", results.pack(Transcript((), 1.0)))
    with pytest.raises(SchemaOutdated, match="stenogram db upgrade"):
        schema.check(empty)
    schema.upgrade(empty)

    with empty.read() as connection:
        assert results.find(connection, "j1") == Transcript((), 1.0)
        assert results.names_of(connection, "j1") == {}
        assert claims.next_id(connection, "speech") == "j1"
        assert claims.next_id(connection, "chat") is None
    assert schema.differences(empty) == []


def test_an_empty_database_fails_the_check_and_the_message_names_the_command(empty: Database) -> None:
    with pytest.raises(SchemaOutdated, match="stenogram db upgrade"):
        schema.check(empty)
    assert tables(empty) == set()


def test_a_database_of_a_later_version_is_left_alone(empty: Database) -> None:
    schema.upgrade(empty)
    execute(empty, "UPDATE stenogram_version SET version_num = '9999'")

    for action in (schema.check, schema.upgrade):
        with pytest.raises(DatabaseError, match="later version of stenogram"):
            action(empty)


def test_a_fault_leaves_nothing_behind(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of ours comes in one transaction, on SQLite too."""

    def fail(tx: Transaction) -> None:
        assert "jobs" in inspect(tx.connection).get_table_names()
        raise DatabaseError(cause="the power failed")

    monkeypatch.setattr(whisper_models, "create_absent", fail)
    with pytest.raises(DatabaseError, match="power failed"):
        schema.upgrade(empty)
    assert tables(empty) == set()


def test_several_may_upgrade_at_once(empty_database_url: str) -> None:
    """Three servers that start together."""
    opened = [Database.open(empty_database_url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(schema.upgrade, db) for db in opened]:
            future.result()
    for db in opened:
        schema.check(db)
        db.close()


# --- others' ---


def test_a_clients_own_tables_of_models_stay_as_they_are(empty: Database) -> None:
    """R8: an older shape, with ``model_id`` and columns that we know nothing of, and without the table of settings."""
    execute(
        empty,
        "CREATE TABLE whisper_models (model_id INTEGER PRIMARY KEY, model_name VARCHAR(40) UNIQUE, "
        "source VARCHAR(20) DEFAULT 'whisper', note TEXT)",
        "INSERT INTO whisper_models VALUES (1, 'base', 'whisper', 'ours'), (2, 'x', 'other', NULL)",
    )
    before = columns(empty, "whisper_models")
    schema.upgrade(empty)

    assert columns(empty, "whisper_models") == before
    assert rows(empty, "SELECT * FROM whisper_models ORDER BY 1") == [
        (1, "base", "whisper", "ours"),
        (2, "x", "other", None),
    ]
    with empty.read() as connection:
        assert whisper_models.settings(connection) == [Setting("base", enabled=False)]
    with empty.write() as tx:
        whisper_models.switch(tx, "base", enabled=True)
    with empty.read() as connection:
        assert whisper_models.settings(connection) == [Setting("base", enabled=True)]
    assert schema.differences(empty) == []


def test_the_tables_of_models_are_made_where_absent(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.write() as tx:
        whisper_models.switch(tx, "base", enabled=True)
    schema.upgrade(empty)

    with empty.read() as connection:
        assert whisper_models.settings(connection) == [Setting("base", enabled=True)]


def test_tables_of_our_names_that_are_not_ours_are_refused(empty: Database) -> None:
    execute(empty, "CREATE TABLE jobs (title TEXT)")

    with pytest.raises(DatabaseError, match=r"jobs.*STENOGRAM_DB_SCHEMA"):
        schema.upgrade(empty)
    assert tables(empty) == {"jobs"}


def test_another_programs_alembic_is_left_alone(empty: Database) -> None:
    """It keeps its revision in the table of the usual name; ours is called otherwise."""
    execute(empty, "CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('ab')")
    schema.upgrade(empty)

    schema.check(empty)
    assert rows(empty, "SELECT version_num FROM alembic_version") == [("ab",)]


@pytest.mark.parametrize("name", ["stenogram", 'An "odd" one'])
def test_a_schema_of_ones_own_beside_another_program(postgres_url: str, postgres: Database, name: str) -> None:
    """Its tables may have our names, and Procrastinate's, and Alembic's; what it has is not taken for ours."""
    execute(postgres, "CREATE TABLE jobs (title TEXT)", "CREATE TABLE alembic_version (version_num TEXT)")
    with postgres.write() as tx:
        raw = tx.connection.connection.driver_connection
        assert raw is not None
        raw.execute(SchemaManager.get_schema())
    before = tables(postgres)
    own = Database.open(postgres_url, name)
    schema.upgrade(own)

    schema.check(own)
    assert metadata.tables.keys() < tables(own, name)
    assert tables(postgres, "public") == before | {"whisper_models", "model_settings"}
    heard = threading.Event()
    own.listen(lambda topic: heard.set() if topic == "jobs" else None)
    with own.write() as tx:
        tx.wake("jobs")
    assert heard.wait(30)  # so its address serves others too
    with psycopg.connect(own.conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone() == (0,)
    own.close()


def test_two_stenograms_in_one_database(postgres_url: str, postgres: Database) -> None:
    """The second does not take the tables of the first for its own."""
    schema.upgrade(postgres)
    second = Database.open(postgres_url, "second")
    with pytest.raises(SchemaOutdated):
        schema.check(second)
    schema.upgrade(second)
    execute(second, "INSERT INTO downloads VALUES ('tiny', 'here', 'installed', 1, 1, NULL, 0.0)")

    schema.check(second)
    assert rows(postgres, "SELECT model FROM downloads") == []
    second.close()


def test_a_user_who_may_not_write_to_public(postgres_url: str, postgres: Database) -> None:
    """As PostgreSQL has it by default: then the tables of models are made among ours."""
    role = f"user_{uuid.uuid4().hex[:8]}"
    url = make_url(postgres_url)
    execute(postgres, f"CREATE ROLE {role} LOGIN", f"GRANT CREATE ON DATABASE {url.database} TO {role}")
    mine = Database.open(url.set(username=role).render_as_string(hide_password=False), "mine")
    schema.upgrade(mine)
    schema.upgrade(mine)

    schema.check(mine)
    assert "whisper_models" in tables(mine, "mine")
    mine.close()
    execute(postgres, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_user_without_any_schema_is_told(postgres_url: str, postgres: Database) -> None:
    separator = "&" if "?" in postgres_url else "?"
    nowhere = Database.open(f"{postgres_url}{separator}options=-c%20search_path%3Dnowhere")
    with pytest.raises(DatabaseError, match="no schema to make tables in"):
        schema.upgrade(nowhere)
    nowhere.close()


# --- Procrastinate's ---


def shape(db: Database) -> list[tuple[object, ...]]:
    """All that Procrastinate made: columns, indexes, functions, triggers, values of its enums."""
    return rows(
        db,
        """
        SELECT 'column', table_name::text, column_name || ' ' || data_type || ' ' || is_nullable
          FROM information_schema.columns WHERE table_name LIKE 'procrastinate%'
        UNION ALL SELECT 'index', tablename::text, indexdef FROM pg_indexes WHERE tablename LIKE 'procrastinate%'
        UNION ALL SELECT 'function', proname::text, pg_get_function_identity_arguments(oid) || ' ' || prosrc
          FROM pg_proc WHERE proname LIKE 'procrastinate%'
        UNION ALL SELECT 'trigger', tgname::text, pg_get_triggerdef(oid)
          FROM pg_trigger WHERE tgname LIKE 'procrastinate%'
        UNION ALL SELECT 'value', typname::text, enumlabel::text
          FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
        ORDER BY 1, 2, 3
        """,
    )


def take_steps(db: Database, until: str) -> None:
    """Procrastinate's tables as an older version of it left them."""
    done = ""
    for step in (step for step in schema._queue_steps() if step.stem <= until):
        with db.write() as tx:
            raw = tx.connection.connection.driver_connection
            assert raw is not None
            raw.execute(step.read_bytes())
        done = step.stem
    execute(db, f"COMMENT ON TABLE procrastinate_jobs IS '{schema._QUEUE_MARK}{done}'")


def test_the_queues_tables_follow_its_version(postgres_url: str, postgres: Database) -> None:
    """From what an older Procrastinate made, step by step to what this one makes from nothing."""
    fresh = Database.open(postgres_url, "fresh")
    schema.upgrade(fresh)
    wanted = [row for row in shape(fresh) if row[0] in ("column", "value")]
    fresh.close()
    execute(postgres, "DROP SCHEMA fresh CASCADE")
    take_steps(postgres, "03.01.99")
    older = shape(postgres)
    with pytest.raises(SchemaOutdated, match="stenogram db upgrade"):
        schema.check(postgres)
    schema.upgrade(postgres)

    schema.check(postgres)
    newer = shape(postgres)
    assert older != newer
    assert [row for row in newer if row[0] in ("column", "value")] == wanted
    functions = {row[1] for row in newer if row[0] == "function"}
    assert {"procrastinate_fetch_job_v2", "procrastinate_retry_job_v2"} <= functions


def test_an_upgrade_that_was_interrupted_goes_on(postgres: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours were made and those of the queue not."""
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_upgrade_queue", lambda _connection: False)
        schema.upgrade(postgres)
    with pytest.raises(SchemaOutdated, match="queue are absent"):
        schema.check(postgres)
    schema.upgrade(postgres)

    schema.check(postgres)


def test_the_queue_of_a_later_procrastinate_is_left_alone(postgres: Database) -> None:
    schema.upgrade(postgres)
    execute(postgres, f"COMMENT ON TABLE procrastinate_jobs IS '{schema._QUEUE_MARK}99.00.00_01_later'")

    for action in (schema.check, schema.upgrade):
        with pytest.raises(DatabaseError, match="later version of procrastinate"):
            action(postgres)


def test_anothers_procrastinate_is_refused(postgres: Database) -> None:
    with postgres.write() as tx:
        raw = tx.connection.connection.driver_connection
        assert raw is not None
        raw.execute(SchemaManager.get_schema())
    before = tables(postgres)

    with pytest.raises(DatabaseError, match=r"Procrastinate's tables.*STENOGRAM_DB_SCHEMA"):
        schema.upgrade(postgres)
    assert tables(postgres) == before


# --- the commands ---


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["stenogram", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_commands_check_and_upgrade(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    assert run(monkeypatch, "db", "check") == 5
    assert "stenogram db upgrade" in capsys.readouterr().err
    assert run(monkeypatch, "db", "upgrade") == 0
    assert run(monkeypatch, "db", "check") == 0
    assert "those of this version" in capsys.readouterr().out


def test_the_check_notices_what_somebody_changed_by_hand(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    run(monkeypatch, "db", "upgrade")
    db = Database.open(empty_database_url)
    execute(db, "DROP INDEX idx_jobs_batch")
    db.close()

    assert run(monkeypatch, "db", "check") == 5
    assert "idx_jobs_batch" in capsys.readouterr().err


def test_serve_makes_the_tables_on_sqlite_and_refuses_on_postgresql(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others may share a PostgreSQL: there it takes the operator's word."""
    if empty_database_url.startswith("sqlite"):
        settings = Settings(home=str(tmp_path / "home"))
        with House.open(settings, ServerSettings(database_url=empty_database_url)) as house:
            prepare(house)
            schema.check(house.db)
        return
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    assert run(monkeypatch, "serve", "--port", "0") == 5
    assert "stenogram db upgrade" in capsys.readouterr().err
