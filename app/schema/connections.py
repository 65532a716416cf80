"""Connections as the Relay specification has them, over any page of any verb."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import strawberry

from app.pages import Page

T = TypeVar("T")
Row = TypeVar("Row")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    has_previous_page: bool
    page: strawberry.Private[Page[Any]]

    @strawberry.field
    def start_cursor(self) -> str | None:
        """Sign the first row's cursor, when asked for it."""
        return self.page.cursor(0) if self.page.rows else None

    @strawberry.field
    def end_cursor(self) -> str | None:
        """Sign the last row's cursor, when asked for it."""
        return self.page.cursor(len(self.page.rows) - 1) if self.page.rows else None


@strawberry.type(description="One thing in a list, and where the list goes on after it.")
class Edge(Generic[T]):
    """One row of a page."""

    node: T
    page: strawberry.Private[Page[Any]]
    index: strawberry.Private[int]

    @strawberry.field
    def cursor(self) -> str:
        """Sign the row's cursor, when asked for it."""
        return self.page.cursor(self.index)


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page of a list; the count runs its own statement, when asked for it."""

    edges: list[Edge[T]]
    page_info: PageInfo
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="How many there are on all pages.")
    async def total_count(self) -> int:
        """Count the whole list."""
        return await self.count()


def connection(
    page: Page[Row], show: Callable[[Row], T], count: Callable[[], Awaitable[int]]
) -> Connection[T]:
    """Show a page of rows as a connection of `show(row)`."""
    edges = [Edge(node=show(row), page=page, index=n) for n, row in enumerate(page.rows)]
    info = PageInfo(has_next_page=page.has_next, has_previous_page=page.has_previous, page=page)
    return Connection(edges=edges, page_info=info, count=count)
