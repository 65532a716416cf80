"""Runs the migrations in `alembic/`: one history for both databases, all or nothing.

Everything here is synchronous and opens its own connection; from a coroutine use `asyncio.to_thread`.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    NullPool,
    create_engine,
    event,
    func,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import async_url

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
VERSION_TABLE = "alembic_version"
# Any number that nothing else in this database locks by: two processes may start at once.
ADVISORY_LOCK = 7_295_011_903
LOCK_TIMEOUT = "10s"
SQLITE_TIMEOUT_SECONDS = 60


class MigrationRefused(RuntimeError):
    """A migration would have lost rows or left broken references; it was rolled back."""


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring a database forward. Raises `MigrationRefused`; nothing is changed then."""
    on_connection(database_url, lambda one: command.upgrade(_config(one), revision))


def downgrade(database_url: str, revision: str) -> None:
    """Bring a database back to a revision, or to "base". Raises `MigrationRefused`."""
    on_connection(database_url, lambda one: command.downgrade(_config(one), revision))


def current(database_url: str) -> str | None:
    """Name the revision that a database is at; None for an empty one."""
    return on_connection(
        database_url, lambda one: MigrationContext.configure(one).get_current_revision()
    )


def head() -> str:
    """Name the newest revision that this code knows."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise RuntimeError("alembic/versions is empty")
    return newest


def is_current(database_url: str) -> bool:
    """Tell whether a database has every migration; production refuses to start where it has not."""
    return current(database_url) == head()


def _config(connection: Connection | None = None) -> Config:
    config = Config(str(ROOT / "alembic.ini"))
    config.attributes["connection"] = connection
    return config


def on_connection(database_url: str, work: Callable[[Connection], T]) -> T:
    """Do work on a connection of its own, in one transaction that one process at a time holds."""
    url = async_url(database_url)
    if url.get_backend_name() == "sqlite":
        return _on_sqlite(url.set(drivername="sqlite"), work)
    return asyncio.run(_on_postgresql(url, work))


def _on_sqlite(url: URL, work: Callable[[Connection], T]) -> T:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"timeout": SQLITE_TIMEOUT_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        # The service's own mode, from the first moment: changing to it later needs the file alone.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
        # A batch change copies and drops the table: with foreign keys on, SQLite would take the
        # children of every row along. Switching inside a transaction does nothing, so here.
        connection.execute("PRAGMA foreign_keys=OFF")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection, connection.begin():
        result = _counted(connection, work)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise MigrationRefused(f"references would break: {broken[:5]}")
        return result


async def _on_postgresql(url: URL, work: Callable[[Connection], T]) -> T:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            # Wait for another process as long as it takes, but for a table only shortly: a
            # waiting DDL statement holds up everyone behind it.
            lock = text("SELECT pg_advisory_xact_lock(:number)")
            await connection.execute(lock, {"number": ADVISORY_LOCK})
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            return await connection.run_sync(lambda one: _counted(one, work))
    finally:
        await engine.dispose()


def _counted(connection: Connection, work: Callable[[Connection], T]) -> T:
    """Do the work, and refuse its end if a table that stays has fewer rows than before."""
    before = _counts(connection)
    result = work(connection)
    after = _counts(connection)
    lost = {name: (count, after[name]) for name, count in before.items() if name in after}
    lost = {name: pair for name, pair in lost.items() if pair[1] < pair[0]}
    if lost:
        raise MigrationRefused(f"rows would be lost (before, after): {lost}")
    return result


def _counts(connection: Connection) -> dict[str, int]:
    names = set(inspect(connection).get_table_names()) - {VERSION_TABLE}
    return {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in sorted(names)
    }
