"""Which database it is: engines, transactions, reads, outages; what `app.columns` and `app.statements` say is had here too."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
)
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import (
    Executable,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.util import greenlet_spawn

from app.columns import (
    EnumNumber,
    EnumText,
    Micro,
    UtcDateTime,
    _ClockShift,
    folded,
    now,
    once,
    this_month,
    today,
)
from app.outages import outages
from app.postgresql import DirectTransactions, Outrun, Read
from app.sqlite import DirectWrites, QuickReads, Take, Values, prepare_sqlite
from app.statements import (
    AnySelect,
    UtcParts,
    affected,
    append_only_ddl,
    drop_append_only_ddl,
    insert_new,
    insert_or_ignore,
    locked,
    of_sqlite,
    skip_locked,
    upsert,
    utc_parts,
)

__all__ = [
    "AnySelect",
    "Connection",
    "Database",
    "EnumNumber",
    "EnumText",
    "Micro",
    "Outrun",
    "Read",
    "Session",
    "UniqueViolation",
    "UtcDateTime",
    "UtcParts",
    "_ClockShift",
    "affected",
    "append_only_ddl",
    "async_url",
    "drop_append_only_ddl",
    "folded",
    "insert_new",
    "insert_or_ignore",
    "locked",
    "now",
    "of_sqlite",
    "once",
    "skip_locked",
    "this_month",
    "today",
    "upsert",
    "utc_parts",
]

log = structlog.get_logger()
EXPORTS = 4
"""Long reads that a process does at a time."""
# Plans are made once: those of many rows at once take longer to make than to run. They may be of tables
# that were empty then: by their indexes they stay good.
WRITES = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
# Moments as text are read by `app.dialects`.
LONG_READS = {"TimeZone": "UTC", "DateStyle": "ISO", "work_mem": "16MB"}

Session = AsyncSession
Connection = AsyncConnection
UniqueViolation = IntegrityError


T = TypeVar("T")


def async_url(database_url: str) -> URL:
    """Add the driver to a `sqlite:///…` or `postgresql://…` address."""
    url = make_url(database_url)
    driver = "sqlite+aiosqlite" if url.get_backend_name() == "sqlite" else "postgresql+asyncpg"
    query = {"ssl" if name == "sslmode" else name: given for name, given in url.query.items()}
    return url.set(drivername=driver, query=query)


class Database:
    """Connections for writing (transactions) and for reading (one statement each, cannot write)."""

    def __init__(
        self, database_url: str, *, pool_size: int = 10, timeout_seconds: int = 10
    ) -> None:
        self.url = async_url(database_url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._timeout_seconds = timeout_seconds
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        self._writer = asyncio.Lock()
        self._writing = self._engine(1 if self.is_sqlite else pool_size, writing=True)
        self._reading = self._engine(pool_size, writing=False)
        self._quick = QuickReads(self.url, pool_size, timeout_seconds) if self.is_sqlite else None
        self._direct: DirectWrites | DirectTransactions = (
            DirectWrites(self.url, timeout_seconds)
            if self.is_sqlite
            else DirectTransactions(self._writing)
        )
        # Long reads, apart: an export keeps no connection from those who decide about calls.
        self._exporting = self._engine(EXPORTS, writing=False, whole=True)
        self._sessions = async_sessionmaker(
            self._writing, class_=AsyncSession, expire_on_commit=False
        )

    def _engine(self, pool_size: int, *, writing: bool, whole: bool = False) -> AsyncEngine:
        arguments: dict[str, Any] = {"timeout": self._timeout_seconds}
        if not self.is_sqlite:
            arguments["server_settings"] = {
                "application_name": "r9s",
                "default_transaction_read_only": "off" if writing else "on",
                "lock_timeout": f"{self._timeout_seconds}s",
                "idle_in_transaction_session_timeout": "60s",
                "jit": "off",  # compiling a plan takes longer than the first row may
                **(WRITES if writing else LONG_READS if whole else {}),
            }
        engine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=self._timeout_seconds,
            pool_pre_ping=False,
            pool_use_lifo=True,  # the one that was used last has everything at hand
            connect_args=arguments,
            **self._isolation(writing=writing, whole=whole),
        )
        if self.is_sqlite:
            prepare_sqlite(engine.sync_engine, writing=writing, whole=whole)
        return engine

    def _isolation(self, *, writing: bool, whole: bool) -> dict[str, str]:
        if whole:
            return {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        return {} if writing else {"isolation_level": "AUTOCOMMIT"}

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a writing transaction; commit at the end, roll back on a raise."""
        with outages(writing=True):
            async with self._turn(), self._sessions() as session, session.begin():
                yield session

    async def in_transaction(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Run work that awaits nothing but this connection, in a writing transaction: the fast way, for plain rows.

        It reads wallets first, writes by `write_all` once and last, and may be run again from its start.
        """
        with outages(writing=True):
            async with self._turn():
                return await self._direct.run(work)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait to be SQLite's one writer: here it is fair, in SQLite it is not."""
        if not self.is_sqlite:
            yield
            return
        async with asyncio.timeout(self._timeout_seconds):
            await self._writer.acquire()
        try:
            yield
        finally:
            self._writer.release()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Take a connection that cannot write, each statement being a snapshot of its own."""
        with outages():
            async with self._reading.connect() as connection:
                yield connection

    async def rows(self, statement: Executable, values: Values | None = None) -> list[Any]:
        """Run one reading statement, with values for its parameters; all its rows."""
        found = await self._one(statement, values, lambda result: result.all())
        return list(found)

    async def row(self, statement: Executable, values: Values | None = None) -> Any | None:
        """Run one reading statement, with values for its parameters; its first row or None."""
        return await self._one(statement, values, lambda result: result.first())

    async def _one(self, statement: Executable, values: Values | None, take: Take) -> Any:
        with outages():
            if self._quick is not None:
                return await self._quick.run(statement, values, take)
            # One greenlet for all three steps: `read()` makes three, and a task to give the connection back.
            return await greenlet_spawn(self._read_once, statement, values, take)

    def _read_once(self, statement: Executable, values: Values | None, take: Take) -> Any:
        with self._reading.sync_engine.connect() as connection:
            return take(connection.execute(statement, values))

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Take a connection that cannot write, whose statements all see one and the same moment."""
        with outages():
            async with self._exporting.connect() as connection:
                transaction = await connection.begin()
                try:
                    yield connection
                finally:
                    # There is nothing to commit; and a reader who went while rows came has cut the transaction.
                    await transaction.rollback()

    async def ping(self) -> None:
        """Raise `Unavailable` unless the database answers."""
        await self.row(text("SELECT 1"))

    def on_statement(self, listener: Callable[[str], None]) -> None:
        """Tell a listener each SQL statement that runs, so that tests can count them."""
        engines = [one.sync_engine for one in (self._writing, self._reading, self._exporting)]
        if self._quick is not None:
            engines.append(self._quick.engine)
        for engine in engines:
            event.listen(
                engine,
                "before_cursor_execute",
                lambda _c, _k, statement, _p, _x, _m: listener(statement),
            )

    async def dispose(self) -> None:
        """Close every connection."""
        await self._writing.dispose()
        await self._reading.dispose()
        await self._exporting.dispose()
        if self._quick is not None:
            await self._quick.dispose()
        if isinstance(self._direct, DirectWrites):
            await self._direct.dispose()
