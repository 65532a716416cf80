"""Statements, and parts of them, as each database says them; columns and the clock are in `app.columns`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

# A SELECT of any columns: its own type names each column, which no helper here depends on.
AnySelect = Any


def affected(result: Any) -> int:
    """Count the rows that a statement changed."""
    count: int = result.rowcount
    return count


async def insert_or_ignore(
    session: AsyncSession | AsyncConnection, row: Any, unique: tuple[str, ...]
) -> bool:
    """Insert a row unless one with the same unique columns is there; tell whether it was inserted."""
    return bool(await insert_new(session, [row], unique))


async def insert_new(
    session: AsyncSession | AsyncConnection, rows: Sequence[Any], unique: tuple[str, ...]
) -> list[Any]:
    """Insert the rows of a table that are not there by these unique columns; their primary keys, in no order."""
    table = type(rows[0]).__table__
    insert = sqlite_insert if of_sqlite(session) else postgresql_insert
    statement = insert(table).on_conflict_do_nothing(index_elements=unique)
    values = [{one.name: getattr(row, one.name) for one in table.columns} for row in rows]
    inserted = await session.execute(statement.returning(*table.primary_key.columns), values)
    return list(inserted.all())


async def upsert(
    session: AsyncSession | AsyncConnection,
    model: type[Any],
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: tuple[str, ...],
    add: tuple[str, ...] = (),
    replace: tuple[str, ...] = (),
) -> None:
    """Insert rows; where one with the same unique columns is there, add to these numbers of it, and replace those."""
    if not rows:
        return
    statement = _upserting(model.__table__, unique, add, replace, sqlite=of_sqlite(session))
    await session.execute(statement, list(rows))


@lru_cache(maxsize=64)
def _upserting(
    table: Table,
    unique: tuple[str, ...],
    add: tuple[str, ...],
    replace: tuple[str, ...],
    *,
    sqlite: bool,
) -> Any:
    """Make the statement of `upsert`."""
    statement = (sqlite_insert if sqlite else postgresql_insert)(table)
    sums = {name: table.c[name] + statement.excluded[name] for name in add}
    news = {name: statement.excluded[name] for name in replace}
    return statement.on_conflict_do_update(index_elements=unique, set_={**sums, **news})


def of_sqlite(session: AsyncSession | AsyncConnection) -> bool:
    """Tell whether this is SQLite."""
    bind = session.get_bind() if isinstance(session, AsyncSession) else session
    return bind.dialect.name == "sqlite"


def locked(statement: AnySelect, *tables: Any) -> AnySelect:
    """Lock the rows of these tables until the transaction ends. SQLite's one writer holds them already."""
    return statement.with_for_update(of=list(tables) or None, key_share=True)


def skip_locked(statement: AnySelect) -> AnySelect:
    """Lock the rows that nobody else has locked and leave out the others. SQLite has one writer at a time."""
    return statement.with_for_update(skip_locked=True)


@dataclass(frozen=True, slots=True)
class UtcParts:
    """How this database says, in SQL, in which UTC hour, day or month a stored moment is: as rows hold these."""

    hour: Callable[[str], str]
    day: Callable[[str], str]
    month: Callable[[str], str]


def utc_parts(connection: AsyncConnection) -> UtcParts:
    """Tell how the parts of a moment are said here."""
    if of_sqlite(connection):
        return UtcParts(
            hour=lambda column: f"substr({column}, 1, 13) || ':00:00.000000'",
            day=lambda column: f"substr({column}, 1, 10)",
            month=lambda column: f"substr({column}, 1, 7) || '-01'",
        )
    return UtcParts(
        hour=lambda column: f"date_trunc('hour', {column}, 'UTC')",
        day=lambda column: f"CAST({column} AT TIME ZONE 'UTC' AS date)",
        month=lambda column: f"CAST(date_trunc('month', {column} AT TIME ZONE 'UTC') AS date)",
    )


def append_only_ddl(table: str, dialect: str) -> list[str]:
    """Statements that make a table refuse UPDATE and DELETE, for migrations."""
    says = f"{table} is append-only"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{says}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        (
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{says}'; END $$"
        ),
        (
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
        ),
    ]


def drop_append_only_ddl(table: str, dialect: str) -> list[str]:
    """Statements that take `append_only_ddl` back, for downgrades."""
    if dialect == "sqlite":
        return [f"DROP TRIGGER {table}_no_update", f"DROP TRIGGER {table}_no_delete"]
    return [f"DROP TRIGGER {table}_append_only ON {table}", f"DROP FUNCTION {table}_append_only()"]
