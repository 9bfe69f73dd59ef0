"""Which models are on, in tables that a client's database may have already (R8): read as they are, never altered.

``whisper_models`` (rows with ``source = 'whisper'``) joined with ``model_settings`` (``enabled``) over the column
``id_model``, or ``model_id`` in older schemas. A column ``name`` or ``model_name`` holds the name where there is one;
otherwise the key is the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Column, Connection, MetaData, Table, Text, insert, inspect, select, text, update
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
    models: Table
    settings: Table
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
    kinds = {column["name"]: column["type"] for column in inspector.get_columns(table)}
    key = next((key for key in _KEYS if key in kinds), None)
    return (key, kinds[key]) if key is not None else ("id_model", Text())


def settings(connection: Connection) -> list[Setting]:
    """Every Whisper model of the tables, by name. Raises ``DatabaseError`` for tables of no known shape."""
    tables = _reflect(connection)
    joined = tables.models.join(
        tables.settings, tables.models.c[tables.models_key] == tables.settings.c[tables.settings_key], isouter=True
    )
    query = select(tables.models.c[tables.name], tables.settings.c.enabled).select_from(joined)
    if "source" in tables.models.c:
        query = query.where(tables.models.c.source == _SOURCE)
    rows = connection.execute(query).all()
    return sorted((Setting(str(row[0]), bool(row[1])) for row in rows), key=lambda setting: setting.name)


def switch(tx: Transaction, name: str, *, enabled: bool) -> None:
    """Turn a model on or off, adding its rows where they are missing."""
    tables = _reflect(tx.connection)
    query = select(tables.models.c[tables.models_key]).where(tables.models.c[tables.name] == name)
    key = tx.connection.execute(query).scalar()
    if key is None:
        columns = {tables.models_key: name, tables.name: name, "source": _SOURCE}
        values = {column: value for column, value in columns.items() if column in tables.models.c}
        if not isinstance(tables.models.c[tables.models_key].type, Text) and tables.name != tables.models_key:
            values.pop(tables.models_key)  # the database counts by itself
        key = tx.connection.execute(insert(tables.models).values(**values)).inserted_primary_key[0]  # type: ignore[index]
    condition = tables.settings.c[tables.settings_key] == key
    if not tx.connection.execute(update(tables.settings).where(condition).values(enabled=enabled)).rowcount:
        tx.connection.execute(insert(tables.settings).values({tables.settings_key: key, "enabled": enabled}))
    tx.wake("models")


def _reflect(connection: Connection) -> _Tables:
    metadata = MetaData()
    models = Table("whisper_models", metadata, autoload_with=connection)
    switches = Table("model_settings", metadata, autoload_with=connection, resolve_fks=False)
    models_key = next((key for key in _KEYS if key in models.c), None)
    settings_key = next((key for key in _KEYS if key in switches.c), None)
    if models_key is None or settings_key is None or "enabled" not in switches.c:
        raise DatabaseError(cause="whisper_models and model_settings need a column id_model (or model_id), and enabled")
    return _Tables(
        models, switches, models_key, settings_key, next((name for name in _NAMES if name in models.c), models_key)
    )
