"""SQLite: how its connections are set up, its quick reads and direct writes. For `app.database` alone."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, Executable, Result, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine import Connection as PlainConnection
from sqlalchemy.ext.asyncio import AsyncConnection

from app.columns import use_sqlite_types

T = TypeVar("T")
Values = Mapping[str, Any]
Take = Callable[[Result[Any]], Any]


class QuickReads:
    """Reads of SQLite, each one visit to a thread: aiosqlite goes there and back five times for each."""

    def __init__(self, url: URL, pool_size: int, timeout_seconds: int) -> None:
        self.engine = create_engine(
            url.set(drivername="sqlite"),
            pool_size=pool_size,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": timeout_seconds, "check_same_thread": False},
        )
        prepare_sqlite(self.engine, writing=False)
        self._pool_size = pool_size
        self._threads = self._new_threads()

    def _new_threads(self) -> ThreadPoolExecutor:
        # As many threads as connections: none waits for one within a thread.
        return ThreadPoolExecutor(self._pool_size, "r9s-read")

    async def run(self, statement: Executable, values: Values | None, take: Take) -> Any:
        """Run one statement in a thread; what `take` makes of its result there."""

        def read() -> Any:
            with self.engine.connect() as connection:
                return take(connection.execute(statement, values))

        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    async def dispose(self) -> None:
        """Wait for reads under way, and close every connection; the next read opens anew, as an engine does."""
        threads, self._threads = self._threads, self._new_threads()
        await asyncio.to_thread(threads.shutdown)
        self.engine.dispose()


class _Direct:
    """A connection whose statements are done when they are awaited: nothing that awaits it is ever suspended."""

    def __init__(self, connection: PlainConnection) -> None:
        self._connection = connection
        self.dialect = connection.dialect

    async def execute(
        self, statement: Executable, parameters: dict[str, Any] | Sequence[Any] | None = None
    ) -> Any:
        """Run a statement."""
        return self._connection.execute(statement, parameters)

    async def exec_driver_sql(self, statement: str, rows: list[tuple[Any, ...]]) -> Any:
        """Run a statement in the driver's words, for each of these rows."""
        return self._connection.exec_driver_sql(statement, rows)


class DirectWrites:
    """Whole transactions, one after the other in a thread of their own: one visit for each, where aiosqlite goes back and forth at each step."""

    def __init__(self, url: URL, timeout_seconds: int) -> None:
        self._engine = create_engine(
            url.set(drivername="sqlite"), connect_args={"timeout": timeout_seconds}
        )
        prepare_sqlite(self._engine, writing=True)
        self._thread = self._new_thread()

    def _new_thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="r9s-write")

    async def run(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Run work that awaits nothing but this connection in a transaction; what is cancelled is rolled back."""
        abandoned = Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._run, work, abandoned)
        except asyncio.CancelledError:
            abandoned.set()
            raise

    def _run(
        self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]], abandoned: Event
    ) -> T:
        with self._engine.begin() as connection:
            coroutine = work(cast("AsyncConnection", _Direct(connection)))
            try:
                coroutine.send(None)
            except StopIteration as done:
                if abandoned.is_set():
                    # The lock came too late: the caller has been told that nothing was done.
                    raise TimeoutError from None
                result: T = done.value
                return result
            coroutine.close()
            raise RuntimeError("this work awaits something else than its connection")

    async def dispose(self) -> None:
        """Wait for what is under way, close the connection and end the thread; the next work opens anew."""
        thread, self._thread = self._thread, self._new_thread()
        await asyncio.to_thread(self._end, thread)

    def _end(self, thread: ThreadPoolExecutor) -> None:
        # SQLite's connections are closed where they were opened.
        thread.submit(self._engine.dispose).result()
        thread.shutdown()


def prepare_sqlite(engine: Engine, *, writing: bool, whole: bool = False) -> None:
    """Set up an engine's connections: durable, with foreign keys; without `writing` they cannot write.

    `whole` connections read from one snapshot.
    """
    use_sqlite_types(engine.dialect)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if not writing:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    if writing or whole:

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
