"""PostgreSQL: whole transactions straight through the driver. For `app.database` alone."""

import re
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext, suppress
from functools import lru_cache
from typing import Any, TypeVar, cast

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

T = TypeVar("T")
Read = tuple[Executable, dict[str, Any]]
"""A statement that reads, and its values."""
TRIES = 3
LOCK_SECONDS = 1.0
"""How long work locks what it reads, after somebody has come in between: there may be several processes."""
_DIALECT: Any = asyncpg_dialect()  # type: ignore[no-untyped-call]


class Outrun(Exception):
    """Somebody else has changed what was read: nothing was written."""


class _Ready:
    """A statement as the driver takes it: compiled once, with what its values and columns pass through."""

    def __init__(self, statement: Executable) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self._compiled = compiled
        senders = compiled._bind_processors  # noqa: SLF001 - what SQLAlchemy itself applies
        self._places = [(name, senders.get(name)) for name in compiled.positiontup or ()]
        readers = (
            column.type._cached_result_processor(_DIALECT, None)  # noqa: SLF001 - as above
            for column in compiled._result_columns  # noqa: SLF001 - as above
        )
        self.size = len(self._places)
        self._readers = [(place, one) for place, one in enumerate(readers) if one is not None]

    def arguments(self, values: dict[str, Any] | None) -> list[Any]:
        """Give the values in their order."""
        given = self._compiled.construct_params(values)
        return [given[name] if send is None else send(given[name]) for name, send in self._places]

    def rows(self, found: Sequence[Any]) -> list[Any]:
        """Read the rows."""
        rows = [list(row) for row in found]
        for place, read in self._readers:
            for row in rows:
                row[place] = read(row[place])
        return rows


_ready = lru_cache(maxsize=256)(_Ready)


@lru_cache(maxsize=256)
def _together(statements: tuple[Executable, ...]) -> str:
    """Write several statements as one that gives an array of rows for each."""
    parts = []
    before = 0
    for one in map(_ready, statements):
        sql = re.sub(r"\$(\d+)", lambda found, before=before: f"${int(found[1]) + before}", one.sql)  # type: ignore[misc]
        parts.append(f"ARRAY(SELECT t FROM ({sql}) AS t)")  # noqa: S608 - our own statements
        before += one.size
    return f"SELECT {', '.join(parts)}"


class _Rows:
    """What a statement gave."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def all(self) -> list[Any]:
        """Give the rows."""
        return self._rows

    def scalar_one(self) -> Any:
        """Give the one value of the one row."""
        [[value]] = self._rows
        return value


class _Direct:
    """A connection whose statements go straight to the driver: SQLAlchemy writes each of them once.

    Unless it is `locking`, each statement is a transaction of its own.
    """

    dialect = _DIALECT

    def __init__(self, driver: Any, *, locking: bool) -> None:
        self._driver = driver
        self.locking = locking

    async def execute(self, statement: Executable, values: dict[str, Any] | None = None) -> _Rows:
        """Run a statement."""
        ready = _ready(statement)
        found = await self._driver.fetch(ready.sql, *ready.arguments(values))
        return _Rows(ready.rows(found))

    async def execute_together(self, reads: Sequence[Read]) -> list[_Rows]:
        """Run statements that read as one, of one moment; what each of them gave."""
        ready = [_ready(statement) for statement, _values in reads]
        sql = _together(tuple(statement for statement, _values in reads))
        arguments = [
            one
            for prepared, (_statement, values) in zip(ready, reads, strict=True)
            for one in prepared.arguments(values)
        ]
        found = await self._driver.fetchrow(sql, *arguments)
        return [_Rows(one.rows(rows)) for one, rows in zip(ready, found, strict=True)]

    async def exec_driver_sql(self, statement: str, values: tuple[Any, ...]) -> _Rows:
        """Run a statement in the driver's words."""
        return _Rows(await self._driver.fetch(statement, *values))


class DirectTransactions:
    """Work that reads, decides, and writes by one statement, made once for all: half of SQLAlchemy's time for each."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._lock_until = 0.0

    async def run(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Run work that awaits nothing but this connection, and writes by its last statement alone.

        First without locks: the statement writes if nobody has changed what was read. Where somebody
        has, again in a transaction that locks, as for a while from then on; the victim of a deadlock again.
        """
        if time.monotonic() >= self._lock_until:
            try:
                return await self._run(work, locking=False)
            except Outrun:
                self._lock_until = time.monotonic() + LOCK_SECONDS
        for _try in range(TRIES - 1):
            with suppress(asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                return await self._run(work, locking=True)
        return await self._run(work, locking=True)

    async def _run(
        self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]], *, locking: bool
    ) -> T:
        # Straight from the pool: SQLAlchemy's own connection around it takes longer than a read.
        pooled: Any = await greenlet_spawn(self._engine.sync_engine.raw_connection)
        driver = pooled.driver_connection
        try:
            async with driver.transaction() if locking else nullcontext():
                return await work(cast("AsyncConnection", _Direct(driver, locking=locking)))
        finally:
            broken = driver.is_closed() or driver.is_in_transaction()
            # The pool has not seen what happened to it.
            await greenlet_spawn(pooled.invalidate if broken else pooled.close)
