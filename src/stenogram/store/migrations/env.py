"""Alembic runs this: on the connection that ``store.schema`` hands over."""

from alembic import context

from stenogram.store.schema import alembic_options
from stenogram.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
    **alembic_options(connection),
)
with context.begin_transaction():
    context.run_migrations()
