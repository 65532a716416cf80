"""PostgreSQL: whole transactions straight through the driver. For `app.database` alone."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar, cast

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")
TRIES = 3
_DIALECT: Any = asyncpg_dialect()  # type: ignore[no-untyped-call]


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
    """A connection whose statements go straight to the driver: SQLAlchemy writes each of them once."""

    dialect = _DIALECT

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def execute(self, statement: Executable, values: dict[str, Any] | None = None) -> _Rows:
        """Run a statement."""
        ready = _ready(statement)
        found = await self._driver.fetch(ready.sql, *ready.arguments(values))
        return _Rows(ready.rows(found))

    async def exec_driver_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        """Run a statement in the driver's words."""
        await self._driver.fetch(statement, *values)


class DirectTransactions:
    """Whole transactions of statements that are made once for all: half of SQLAlchemy's time for each."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Run work that awaits nothing but this connection in a transaction; the victim of a deadlock again."""
        for _try in range(TRIES - 1):
            with suppress(asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                return await self._run(work)
        return await self._run(work)

    async def _run(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        async with self._engine.connect() as pooled:
            driver: Any = (await pooled.get_raw_connection()).driver_connection
            try:
                async with driver.transaction():
                    return await work(cast("AsyncConnection", _Direct(driver)))
            finally:
                if driver.is_closed() or driver.is_in_transaction():
                    # The pool has not seen what happened to it.
                    await pooled.invalidate()
