"""Outages: a database that is away grants nothing, and comes back by itself."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import func, select, text

from app import migrations
from app.database import Database
from app.errors import Unavailable
from app.models import Account
from tests.accounts import account, names
from tests.conftest import PostgresServer


async def test_when_every_connection_is_taken_the_answer_is_unavailable(
    impatient: Database,
) -> None:
    async with AsyncExitStack() as taken:
        for _ in range(1 if impatient.is_sqlite else 2):
            session = await taken.enter_async_context(impatient.write())
            await session.execute(text("SELECT 1"))
        with pytest.raises(Unavailable):
            async with impatient.write() as session:
                session.add(account("lost"))
    async with impatient.write() as session:
        session.add(account())
    assert await names(impatient) == ["Acme"]


async def test_a_locked_sqlite_file_is_unavailable_and_recovers(
    impatient: Database, backend: str
) -> None:
    if backend != "sqlite":
        return  # PostgreSQL has no lock on the whole database
    other = sqlite3.connect(str(impatient.url.database), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            async with impatient.write() as session:
                session.add(account())
        assert await names(impatient) == []
        other.execute("ROLLBACK")
    finally:
        other.close()
    async with impatient.write() as session:
        session.add(account())
    assert await names(impatient) == ["Acme"]


async def test_a_server_that_never_was_there_is_unavailable() -> None:
    database = Database("postgresql://r9s@127.0.0.1:1/r9s", timeout_seconds=2)
    with pytest.raises(Unavailable):
        await database.ping()
    with pytest.raises(Unavailable):
        async with database.write() as session:
            session.add(account())
    await database.dispose()


async def _try(database: Database, times: int) -> bool:
    """Tell whether the database answers within some tries: one spoilt connection each is allowed."""
    for _ in range(times):
        try:
            await database.ping()
            async with database.write() as session:
                await session.execute(select(func.count()).select_from(Account))
        except Unavailable:
            continue
        return True
    return False


async def test_a_server_that_stops_is_unavailable_and_recovers_by_itself(
    own_postgres: PostgresServer,
) -> None:
    name = await asyncio.to_thread(own_postgres.create)
    await asyncio.to_thread(migrations.upgrade, own_postgres.url(name))
    database = Database(own_postgres.url(name), timeout_seconds=5)
    async with database.write() as session, database.write() as second:
        session.add(account())
        await second.execute(text("SELECT 1"))

    async def be_cut_off() -> None:
        async with database.write() as session:
            session.add(account("lost"))
            await session.flush()
            await asyncio.to_thread(own_postgres.stop)

    with pytest.raises(Unavailable):
        await be_cut_off()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await database.ping()
        with pytest.raises(Unavailable):
            async with database.write() as session:
                session.add(account("lost too"))
    await asyncio.to_thread(own_postgres.start)
    await database.ping()
    assert await names(database) == ["Acme"]
    # Restarted unseen: connections that nobody has used since are spoilt.
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.start)
    assert await _try(database, 3)
    async with database.write() as session:
        session.add(account("after"))
    assert len(await names(database)) == 2
    await database.dispose()
