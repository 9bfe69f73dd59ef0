"""Which models are on, in tables that a client's database may have already (R8): read as they are, never altered.

``whisper_models`` (rows with ``source = 'whisper'``) joined with ``model_settings`` (``enabled``) over the column
``id_model``, or ``model_id`` in older schemas. A column ``name`` or ``model_name`` holds the name where there is one;
otherwise the key is the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    FromClause,
    MetaData,
    String,
    Table,
    Text,
    column,
    false,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.types import TypeEngine

from stenogram.errors import DatabaseError
from stenogram.store.database import Transaction

_KEYS = ("id_model", "model_id")
_NAMES = ("name", "model_name")
_SOURCE = "whisper"
_MAY_CREATE_IN_PUBLIC = text(
    "SELECT count(*) > 0 FROM pg_namespace WHERE nspname = 'public' AND has_schema_privilege(oid, 'CREATE')"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """Whether a model is on."""

    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class _Tables:
    models: FromClause
    settings: FromClause
    models_key: str
    settings_key: str
    name: str


def create_absent(tx: Transaction) -> None:
    """Make the tables that are not there; one that is stays as it is."""
    public = tx.connection.dialect.name == "postgresql" and tx.connection.execute(_MAY_CREATE_IN_PUBLIC).scalar_one()
    metadata = MetaData(schema="public" if public else None)  # public is where other programs look for them
    inspector = inspect(tx.connection)
    tables: dict[str, tuple[Column[Any], ...]] = {
        "whisper_models": (Column("name", Text, nullable=False), Column("source", Text, nullable=False)),
        "model_settings": (Column("enabled", Boolean, nullable=False),),
    }
    there = [name for name in tables if inspector.has_table(name)]
    key, kind = _key_of(inspector, there[0]) if there else ("id_model", Text())
    for name in tables.keys() - set(there):
        Table(name, metadata, Column(key, kind, primary_key=True), *tables[name])
    metadata.create_all(tx.connection)


def _key_of(inspector: Inspector, table: str) -> tuple[str, TypeEngine[Any]]:
    """Name and type of the column over which the two tables are joined."""
    kinds = {each["name"]: each["type"] for each in inspector.get_columns(table)}
    key = next((key for key in _KEYS if key in kinds), None)
    return (key, kinds[key]) if key is not None else ("id_model", Text())


def settings(connection: Connection) -> list[Setting]:
    """Every Whisper model of the tables, by name; on where any of its rows says so.

    Raises ``DatabaseError`` for tables of no known shape.
    """
    tables = _look(connection)
    joined = tables.models.join(
        tables.settings, tables.models.c[tables.models_key] == tables.settings.c[tables.settings_key], isouter=True
    )
    query = select(tables.models.c[tables.name], tables.settings.c.enabled).select_from(joined)
    if "source" in tables.models.c:
        query = query.where(tables.models.c.source == _SOURCE)
    found: dict[str, bool] = {}
    for name, value in connection.execute(query):
        if name is not None:
            found[str(name)] = found.get(str(name), False) or _is_on(value)
    return [Setting(name, found[name]) for name in sorted(found)]


def switch(tx: Transaction, name: str, *, enabled: bool) -> None:
    """Turn a model on or off, adding its rows where they are missing.

    Raises ``DatabaseError`` where the tables want more than is known of a new model.
    """
    tables = _look(tx.connection)
    mine = tables.models.c[tables.name] == name
    if "source" in tables.models.c:
        mine &= tables.models.c.source == _SOURCE
    keys = list(tx.connection.execute(select(tables.models.c[tables.models_key]).where(mine)).scalars())
    if not keys:
        _add(tx.connection, tables, name)
        keys = list(tx.connection.execute(select(tables.models.c[tables.models_key]).where(mine)).scalars())
    switches = table("model_settings", column(tables.settings_key), column("enabled"))
    value = _as_stored(_kinds(tx.connection, "model_settings")["enabled"], enabled=enabled)
    for key in keys:
        condition = switches.c[tables.settings_key] == key
        if not tx.connection.execute(update(switches).where(condition).values(enabled=value)).rowcount:
            tx.connection.execute(insert(switches).values({tables.settings_key: key, "enabled": value}))
    tx.wake("models")


def _add(connection: Connection, tables: _Tables, name: str) -> None:
    values = {tables.name: name, "source": _SOURCE}
    key = tables.models_key
    if key != tables.name and isinstance(_kinds(connection, "whisper_models")[key], String):
        values[key] = name  # of other types, such as numbers, the database makes one by itself
    known = {field: value for field, value in values.items() if field in tables.models.c}
    connection.execute(insert(table("whisper_models", *map(column, known))).values(known))


def _look(connection: Connection) -> _Tables:
    """The shape of the tables as it is now. Only names of columns are asked for: cheap, whatever their types."""
    models, switches = (_columns(connection, name) for name in ("whisper_models", "model_settings"))
    models_key = next((key for key in _KEYS if key in models.c), None)
    settings_key = next((key for key in _KEYS if key in switches.c), None)
    if models_key is None or settings_key is None or "enabled" not in switches.c:
        raise DatabaseError(cause="whisper_models and model_settings need a column id_model (or model_id), and enabled")
    return _Tables(
        models, switches, models_key, settings_key, next((name for name in _NAMES if name in models.c), models_key)
    )


def _columns(connection: Connection, name: str) -> FromClause:
    names = connection.execute(select(text("*")).select_from(table(name)).where(false())).keys()
    return table(name, *map(column, names))


def _kinds(connection: Connection, name: str) -> dict[str, TypeEngine[Any]]:
    return {each["name"]: each["type"] for each in inspect(connection).get_columns(name)}


def _as_stored(kind: TypeEngine[Any], *, enabled: bool) -> bool | int | str:
    if isinstance(kind, Boolean):
        return enabled
    return str(enabled).lower() if isinstance(kind, String) else int(enabled)


def _is_on(value: object) -> bool:
    return value.strip().lower() in ("1", "t", "true", "y", "yes", "on") if isinstance(value, str) else bool(value)
