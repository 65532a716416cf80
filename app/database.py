"""Which database it is: engines, transactions, locks, bulk writes; column types and the clock are in `app.columns`."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Executable,
    Table,
    any_,
    event,
    literal,
    text,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.columns import (
    EnumNumber,
    EnumText,
    Micro,
    UtcDateTime,
    _ClockShift,
    folded,
    now,
    this_month,
    today,
)
from app.errors import Unavailable
from app.sqlite import DirectWrites, QuickReads, Take, Values, prepare_sqlite

__all__ = [
    "AnySelect",
    "Connection",
    "Database",
    "EnumNumber",
    "EnumText",
    "Micro",
    "Session",
    "UniqueViolation",
    "UtcDateTime",
    "UtcParts",
    "_ClockShift",
    "affected",
    "among",
    "append_only_ddl",
    "async_url",
    "drop_append_only_ddl",
    "folded",
    "insert_or_ignore",
    "locked",
    "now",
    "skip_locked",
    "this_month",
    "today",
    "upsert",
    "utc_parts",
]

log = structlog.get_logger()
EXPORTS = 4
"""Long reads that a process does at a time."""

Session = AsyncSession
Connection = AsyncConnection
UniqueViolation = IntegrityError


# A SELECT of any columns: its own type names each column, which no helper here depends on.
AnySelect = Any
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
        self._direct = DirectWrites(self.url, timeout_seconds) if self.is_sqlite else None
        # Long reads, apart: an export keeps no connection from those who decide about calls.
        self._exporting = self._engine(EXPORTS, writing=False, whole=True)
        self._sessions = async_sessionmaker(
            self._writing, class_=AsyncSession, expire_on_commit=False
        )

    def _engine(self, pool_size: int, *, writing: bool, whole: bool = False) -> AsyncEngine:
        arguments: dict[str, Any] = {}
        if self.is_sqlite:
            arguments["timeout"] = self._timeout_seconds
        else:
            arguments["timeout"] = self._timeout_seconds
            arguments["server_settings"] = {
                "application_name": "r9s",
                "default_transaction_read_only": "off" if writing else "on",
                "lock_timeout": f"{self._timeout_seconds}s",
                "idle_in_transaction_session_timeout": "60s",
            }
        engine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=self._timeout_seconds,
            pool_pre_ping=False,
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
        with _outages():
            async with self._turn(), self._sessions() as session, session.begin():
                yield session

    async def in_transaction(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Run work that awaits nothing but this connection in a writing transaction: the fast way, for plain rows."""
        with _outages():
            async with self._turn():
                if self._direct is not None:
                    return await self._direct.run(work)
                async with self._writing.begin() as connection:
                    return await work(connection)

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
        with _outages():
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
        if self._quick is not None:
            with _outages():
                return await self._quick.run(statement, values, take)
        async with self.read() as connection:
            return take(await connection.execute(statement, values))

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Take a connection that cannot write, whose statements all see one and the same moment."""
        with _outages():
            async with self._exporting.connect() as connection, connection.begin():
                yield connection

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
        if self._direct is not None:
            await self._direct.dispose()


def affected(result: Any) -> int:
    """Count the rows that a statement changed."""
    count: int = result.rowcount
    return count


async def insert_or_ignore(
    session: AsyncSession | AsyncConnection, row: Any, unique: tuple[str, ...]
) -> bool:
    """Insert a row unless one with the same unique columns is there; tell whether it was inserted."""
    table = type(row).__table__
    insert = sqlite_insert if _dialect(session) == "sqlite" else postgresql_insert
    values = {column.name: getattr(row, column.name) for column in table.columns}
    statement = insert(table).values(values).on_conflict_do_nothing(index_elements=unique)
    inserted = await session.execute(statement.returning(*table.primary_key.columns))
    return inserted.first() is not None


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
    statement = upserting(_dialect(session), model.__table__, unique, add, replace)
    await session.execute(statement, list(rows))


@lru_cache(maxsize=64)
def upserting(
    dialect: str,
    table: Table,
    unique: tuple[str, ...],
    add: tuple[str, ...],
    replace: tuple[str, ...],
) -> Any:
    """Make the statement of `upsert`."""
    statement = (sqlite_insert if dialect == "sqlite" else postgresql_insert)(table)
    sums = {name: table.c[name] + statement.excluded[name] for name in add}
    news = {name: statement.excluded[name] for name in replace}
    return statement.on_conflict_do_update(index_elements=unique, set_={**sums, **news})


def among(
    session: AsyncSession | AsyncConnection, column: Any, values: Collection[Any]
) -> ColumnElement[bool]:
    """Ask whether a column is one of many values: on PostgreSQL one parameter, so that the text stays the same."""
    if _dialect(session) == "sqlite":
        inside: ColumnElement[bool] = column.in_(values)
        return inside
    equal: ColumnElement[bool] = column == any_(literal(list(values), ARRAY(column.type)))
    return equal


def _dialect(session: AsyncSession | AsyncConnection) -> str:
    bind = session.get_bind() if isinstance(session, AsyncSession) else session
    return bind.dialect.name


def locked(statement: AnySelect, *tables: Any) -> AnySelect:
    """Lock the rows of these tables until the transaction ends. SQLite's one writer holds them already."""
    return statement.with_for_update(of=list(tables) or None, key_share=True)


def skip_locked(statement: AnySelect) -> AnySelect:
    """Lock the rows that nobody else has locked and leave out the others. SQLite has one writer at a time."""
    return statement.with_for_update(skip_locked=True)


@contextmanager
def _outages() -> Iterator[None]:
    """Turn a database that is away, full or deadlocked into `Unavailable`: nothing was committed."""
    try:
        yield
    except (DBAPIError, PoolTimeout, OSError) as error:
        if not _is_outage(error):
            raise
        log.warning("database_unavailable", error=type(error).__name__)
        raise Unavailable from error


# Deadlock, serialization failure, lock timeout, too many connections, shutting down, starting up.
_PASSING_STATES = ("40P01", "40001", "55P03", "53", "57P", "08")


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, PoolTimeout | OSError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    away = error.connection_invalidated or isinstance(error, InterfaceError)
    locked_sqlite = isinstance(error, OperationalError) and "locked" in str(error.orig)
    return away or locked_sqlite or state.startswith(_PASSING_STATES)


@dataclass(frozen=True, slots=True)
class UtcParts:
    """How this database says, in SQL, in which UTC hour, day or month a stored moment is: as rows hold these."""

    hour: Callable[[str], str]
    day: Callable[[str], str]
    month: Callable[[str], str]


def utc_parts(connection: AsyncConnection) -> UtcParts:
    """Tell how the parts of a moment are said here."""
    if _dialect(connection) == "sqlite":
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
