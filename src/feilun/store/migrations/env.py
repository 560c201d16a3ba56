"""Alembic runs inside `feilun.store.database`, which hands over its open connection."""

from alembic import context

from feilun.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
