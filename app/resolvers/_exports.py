"""Exports: a whole list from one snapshot, part by part, whatever its length."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.access import Viewer
from app.database import AnySelect, Connection
from app.dialects import rows_in_parts

Head = TypeVar("Head")
Row = TypeVar("Row")
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Opened(Generic[Head, Part]):
    """An export within its snapshot: what is known before the first row, and its parts."""

    head: Head
    parts: AsyncGenerator[Part]


Export = Callable[[], AbstractAsyncContextManager[Opened[Head, Part]]]
"""An export that has not begun: `async with export() as opened`. The snapshot ends with the block."""


async def shown_in_parts(
    connection: Connection, statement: AnySelect, show: Callable[[Any], Row]
) -> AsyncGenerator[list[Row]]:
    """Read a statement's rows in parts, as `show` makes them."""
    async with aclosing(rows_in_parts(connection, statement)) as parts:
        async for part in parts:
            yield [show(row) for row in part]


def export_of(
    viewer: Viewer, statement: AnySelect, show: Callable[[Any], Row]
) -> Export[None, list[Row]]:
    """Make an export of a statement's rows, with nothing known before the first."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened[None, list[Row]]]:
        async with viewer.database.snapshot() as connection:
            yield Opened(None, shown_in_parts(connection, statement, show))

    return opened


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list: the key of the last row that is known (None: the start), and in which direction it goes on."""

    after: Sequence[Any] | None = None
    descending: bool = False
