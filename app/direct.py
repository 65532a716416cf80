"""SQLite in a thread of its own: a whole transaction for one change of threads, where the driver changes at each step."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, Executable, event
from sqlalchemy.engine import Connection as PlainConnection
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")


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


class DirectSqlite:
    """Runs transactions of an engine one after the other in one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    async def run(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Run work that awaits nothing but this connection in a transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def _run(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        with self._engine.begin() as connection:
            coroutine = work(cast("AsyncConnection", _Direct(connection)))
            try:
                coroutine.send(None)
            except StopIteration as done:
                result: T = done.value
                return result
            coroutine.close()
            raise RuntimeError("this work awaits something else than its connection")

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._thread.submit(self._engine.dispose).result()
        self._thread.shutdown()


def prepare_sqlite(engine: Engine, *, writing: bool, whole: bool = False) -> None:
    """Set up each connection: durable, and a writer from the start of its transaction; `whole` reads one moment."""

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
