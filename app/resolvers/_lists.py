"""Lists: one statement for a page of one account, or of many."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_, union_all

from app.access import Seat, Viewer
from app.database import AnySelect
from app.errors import BadRequest


async def rows_of_each(
    viewer: Viewer,
    seats: Mapping[UUID, Seat],
    select_for: Callable[[UUID], AnySelect],
    *,
    by: str = "account_id",
) -> dict[UUID, list[Any]]:
    """Run one list's statement for every account, or other row, at once; it has to select `by`, its id."""
    statements = [select_for(account_id) for account_id in seats]
    if len(statements) == 1:
        whole: Any = statements[0]
    else:
        # Each in brackets of its own, since it has an order and a limit of its own.
        whole = union_all(*(select(one.subquery()) for one in statements))
    found: dict[UUID, list[Any]] = {account_id: [] for account_id in seats}
    for row in await viewer.database.rows(whole):
        found[getattr(row, by)].append(row)
    return found


def after_key(
    columns: Sequence[Any], key: Sequence[Any], *, descending: bool
) -> ColumnElement[bool]:
    """Select what comes after an order key, by one comparison of rows that an index can serve."""
    here, there = tuple_(*columns), tuple_(*key)
    return here < there if descending else here > there


def plain_key(values: Sequence[Any]) -> list[Any]:
    """Write an order key as JSON can hold it."""
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.isoformat()
    return int(value) if isinstance(value, int) else value


def moment_key(key: list[Any] | None) -> list[Any] | None:
    """Read an order key of (moment, id) as a cursor holds it. Raises `BadRequest`."""
    if key is None:
        return None
    try:
        moment, row_id = key
        return [datetime.fromisoformat(moment), UUID(row_id)]
    except (ValueError, TypeError):
        raise BadRequest("This cursor is not one of ours.") from None
