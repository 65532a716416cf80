"""A database that fails when told to: before a transaction, within it, after it was committed."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.errors import Unavailable

T = TypeVar("T")

FAULTS = ("away", "crash", "two crashes", "cut", "answer lost")
"""No connection; the group's work raises, once or twice; the connection is cut; it is cut after the commit."""


class Crash(Exception):
    """The group's work broke."""


@dataclass
class FaultyDatabase:
    """A database whose next transactions go as told."""

    real: Database
    next_faults: deque[str] = field(default_factory=deque)

    def __getattr__(self, name: str) -> Any:
        """Be the real one in all else."""
        return getattr(self.real, name)

    def break_next(self, fault: str) -> None:
        """Let the next transaction, or the next two, break."""
        self.next_faults.extend(["crash", "crash"] if fault == "two crashes" else [fault])

    async def in_transaction(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Run work, or break."""
        fault = self.next_faults.popleft() if self.next_faults else None
        if fault == "away":
            await asyncio.sleep(0)
            raise Unavailable

        async def broken(connection: AsyncConnection) -> T:
            done = await work(connection)
            if fault == "crash":
                raise Crash
            if fault == "cut":
                await _cut(connection, sqlite=self.real.is_sqlite)
            return done

        done = await self.real.in_transaction(broken)
        if fault == "answer lost":
            raise Unavailable
        return done


async def _cut(connection: AsyncConnection, *, sqlite: bool) -> None:
    if sqlite:
        # Its connection is to a file: what is lost with it is the transaction.
        raise Unavailable
    await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
