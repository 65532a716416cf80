"""What Alembic runs: always on a connection that app/migrations.py opened, in its transaction."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

from app.database import EnumNumber, EnumText, UtcDateTime
from app.migrations import on_connection
from app.models import metadata
from app.settings import load_settings


def render(kind: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """Write plain SQLAlchemy types, so that no migration depends on code that will change."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, EnumNumber):
        return "sa.SmallInteger()"
    if isinstance(item, EnumText):
        return f"sa.String({item.impl.length})"
    if isinstance(item, sa.String) and item._variant_mapping:  # noqa: SLF001 - no public way
        collated = f'sa.String({item.length}, collation="C")'
        return f'sa.String({item.length}).with_variant({collated}, "postgresql")'
    if isinstance(item, sa.TypeDecorator | sa.String):
        return f"sa.String({item.length})"
    return False


def run(connection: sa.Connection) -> None:
    """Run what the command asked for."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if context.is_offline_mode():
    raise RuntimeError("Migrations run on a database, not as SQL text: checks belong to them.")
if given is not None:
    run(given)
else:
    on_connection(load_settings().database_url, run)
